//! A service whose links are all of different kinds, on real servers, from one text.

use std::sync::{Arc, Mutex};

use actix::{Actor, Addr, Context, Handler};
use everlink::manager::{Code, Get, Manager, ManagerConfig, Register, StartAll, StopAll, Summary};
use everlink::mysql::Pool;
use everlink::redis::{Client, cmd};
use everlink::websocket::{Feed, FeedMessage, FeedSettings, News};

use crate::lines::Lines;
use crate::scripted::secs;
use crate::server::{Order, Server};
use crate::support::mariadb::{MariaDb, is_installed};
use crate::support::redis_server::{RedisServer, RedisServerOptions};
use crate::support::waiting::{TestResult, Wait};

/// Keeps what the feed tells.
#[derive(Default)]
struct Ear(Arc<Mutex<Vec<News>>>);

impl Actor for Ear {
    type Context = Context<Self>;
}

impl Handler<FeedMessage> for Ear {
    type Result = ();

    fn handle(&mut self, message: FeedMessage, _: &mut Context<Self>) {
        self.0.lock().expect("no panic").push(message.news);
    }
}

/// Feeds that this ear hears.
fn heard_by(ear: &Addr<Ear>) -> Code {
    let ear = ear.clone();
    Code::default().feed(move |name, settings: FeedSettings| {
        let ear = ear.clone();
        Register::new(name, move |opening| {
            let subscriber = ear.clone().recipient();
            let settings = settings.clone();
            let feed = Feed::open(
                opening.name,
                settings,
                Lines::default(),
                subscriber,
                &opening.registry,
            );
            async move { Ok(feed?) }
        })
    })
}

async fn summary_is(manager: &Addr<Manager>, holds: impl Fn(&str) -> bool) -> TestResult {
    let mut wait = Wait::up_to(secs(20), "the summary");
    loop {
        let summary = manager.send(Summary).await?.to_string();
        if holds(&summary) {
            return Ok(());
        }
        wait.again(summary).await?;
    }
}

#[actix::test]
async fn redis_mariadb_and_a_feed_are_started_from_one_text_watched_and_stopped() -> TestResult {
    if !is_installed() {
        return Ok(());
    }
    let redis = RedisServer::start(RedisServerOptions::default().volatile()).await?;
    let (maria, exchange) = (MariaDb::start().await?, Server::start());
    let text = format!(
        "strategy = 'rest_for_one'

         [[links]]
         name = 'cache'
         redis = {{ url = 'redis://127.0.0.1:{}' }}

         [[links]]
         name = 'orders'
         after = ['cache']
         mysql = {{ url = '{}', when_down = 'wait', pool = {{ min = 1 }} }}

         [[links]]
         name = 'prices'
         after = ['orders']
         [links.websocket]
         url = '{}'
         health = {{ ping_interval = '1s', ping_timeout = '1s' }}
         link = {{ breaker = 'off' }}",
        redis.port(),
        maria.url(),
        exchange.url(),
    );
    let config: ManagerConfig = toml::from_str(&text)?;
    let news = Arc::default();
    let ear = Ear(Arc::clone(&news)).start();
    let manager = config.setup_with(heard_by(&ear))?.start();
    let started = manager.send(StartAll { timeout: secs(20) }).await?;
    let names: Vec<_> = started.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["cache", "orders", "prices"]);
    assert!(started.iter().all(|(_, it)| it.is_ok()), "{started:?}");
    let all = "connected: cache, orders, prices";
    summary_is(&manager, |line| line == all).await?;

    let cache: Client = manager.send(Get::new("cache")).await?.ok_or("it runs")?;
    let orders: Pool = manager.send(Get::new("orders")).await?.ok_or("it runs")?;
    let prices: Feed = manager.send(Get::new("prices")).await?.ok_or("it runs")?;
    assert_eq!(cache.query::<u32>(cmd("INCR").arg("n")).await?, 1);
    orders.query("CREATE TABLE t (n INT)").await?;
    prices.subscribe("BTC");
    exchange
        .until("BTC", |it| it.only() == Some(vec!["BTC"]))
        .await;

    maria.kill9().await?;
    exchange.down(Order::Reset).await;
    summary_is(&manager, |line| {
        line.starts_with("connected: cache; not connected: orders (") && line.contains("prices (")
    })
    .await?;
    assert_eq!(cache.query::<u32>(cmd("INCR").arg("n")).await?, 2);
    maria.restart().await?;
    exchange.up();
    summary_is(&manager, |line| line == all).await?;
    orders.query("INSERT INTO t VALUES (1)").await?;
    exchange
        .until("BTC", |it| it.only() == Some(vec!["BTC"]))
        .await;

    let stopped = manager.send(StopAll { timeout: secs(10) }).await?;
    let names: Vec<_> = stopped.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["prices", "orders", "cache"]);
    assert!(stopped.iter().all(|(_, it)| it.is_ok()), "{stopped:?}");
    exchange.until("no socket", |it| it.sockets == 0).await;
    let news: Vec<News> = std::mem::take(&mut news.lock().expect("no panic"));
    assert!(matches!(news[..], [News::Gap(_)]), "{news:?}");
    Ok(())
}

#[actix::test]
async fn a_password_that_is_wrong_escalates_and_those_after_it_are_restarted_with_it() -> TestResult
{
    if !is_installed() {
        return Ok(());
    }
    let (maria, exchange) = (MariaDb::start().await?, Server::start());
    let text = format!(
        "strategy = 'rest_for_one'
         intensity = {{ restarts = 1, period = '60s' }}

         [[links]]
         name = 'before'
         websocket = {{ url = '{url}' }}

         [[links]]
         name = 'orders'
         mysql = {{ url = '{}', pool = {{ min = 1 }} }}

         [[links]]
         name = 'after'
         websocket = {{ url = '{url}' }}",
        maria.url(),
        url = exchange.url(),
    );
    let config: ManagerConfig = toml::from_str(&text)?;
    let ear = Ear::default().start();
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let setup = config.setup_with(heard_by(&ear))?;
    let manager = setup
        .on_escalation(move |escalation| {
            let names = escalation.restarted.iter().map(ToString::to_string);
            let told = (names.collect::<Vec<_>>(), escalation.exhausted);
            tell.lock().expect("no panic").push(told);
        })
        .start();
    let started = manager.send(StartAll { timeout: secs(20) }).await?;
    assert!(started.iter().all(|(_, it)| it.is_ok()), "{started:?}");
    assert_eq!(exchange.look(|it| (it.accepted, it.sockets)), (2, 2));

    maria
        .run("SET PASSWORD FOR 'app'@'%' = PASSWORD('another')")
        .await?;
    maria.kill9().await?;
    maria.restart().await?;
    // Its member and the one after it are opened anew, and it is told the same again.
    let mut wait = Wait::up_to(secs(20), "two escalations");
    while told.lock().expect("no panic").len() < 2 {
        wait.again("fewer").await?;
    }
    let restarted = vec!["orders".to_owned(), "after".to_owned()];
    assert_eq!(
        *told.lock().expect("no panic"),
        [(restarted, false), (vec![], true)]
    );
    summary_is(&manager, |line| {
        line.starts_with("connected: before, after; not connected: orders (parked: denied")
    })
    .await?;
    assert_eq!(exchange.look(|it| (it.accepted, it.sockets)), (3, 2));
    manager.send(StopAll { timeout: secs(10) }).await?;
    Ok(())
}
