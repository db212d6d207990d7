//! Shows: two kinds of links under one manager, a MariaDB pool and a Redis client. Each server is
//! killed in turn; its link comes back by itself, the other one never notices, and every order that
//! was acknowledged is in both.
//!
//! With the feature `elasticsearch` a search cluster stands beside them, where OpenSearch can be had.
//!
//! Run: `cargo run --example multi_backend --features mysql`, with `-- --rounds 1` for less. It
//! needs `redis-server` and `mariadbd` (`make setup` installs them) and nothing else: both servers
//! are its own, on free loopback ports, in temporary folders, and gone at the end.
//!
//! Expect: events of both links, a table of their status after each fault, and a proof at the end;
//! about ten seconds; exit status 0 if all that was promised was kept.
//!
//! | file | concept |
//! | --- | --- |
//! | `orders` | the application: each order is written to MariaDB and counted in Redis |
//! | `table` | the status of all links |
//! | `search` | with the feature `elasticsearch`, a search cluster beside them |

mod orders;
#[cfg(feature = "elasticsearch")]
mod search;
#[path = "../../tests/support/mod.rs"]
mod support;
mod table;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use actix::Addr;
use everlink::endpoint::Endpoint;
use everlink::event::EventKind;
use everlink::manager::{Get, Manager, Register, StartAll, StopAll, Summary};
use everlink::mysql::{MysqlSettings, Pool, WhenDown};
use everlink::redis::{Client, Config};
use everlink::registry::{Callbacks, Registry};
use tokio::time::timeout;

use orders::Orders;
use support::mariadb::MariaDb;
use support::redis_server::{RedisServer, RedisServerOptions};
use support::waiting::Wait;

/// Whatever waits for a server gives up after this.
const PATIENCE: Duration = Duration::from_secs(30);
/// The whole run.
const LIMIT: Duration = Duration::from_secs(150);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[actix::main]
async fn main() -> ExitCode {
    let rounds = match rounds() {
        Ok(rounds) => rounds,
        Err(usage) => {
            eprintln!("{usage}");
            return ExitCode::from(2);
        }
    };
    match timeout(LIMIT, run(rounds)).await {
        Ok(Ok(true)) => ExitCode::SUCCESS,
        Ok(Ok(false)) => ExitCode::FAILURE,
        Ok(Err(error)) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
        Err(_) => {
            eprintln!("error: not done within {LIMIT:?}");
            ExitCode::FAILURE
        }
    }
}

/// How often each server is killed.
fn rounds() -> std::result::Result<u32, &'static str> {
    let usage = "usage: multi_backend [--rounds N], N from 1 to 10; default 2";
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => Ok(2),
        [flag, number] if flag == "--rounds" => {
            let number = number.parse().ok().filter(|it| (1..=10).contains(it));
            number.ok_or(usage)
        }
        _ => Err(usage),
    }
}

/// Whether every promise was kept.
async fn run(rounds: u32) -> Result<bool> {
    let mariadb = MariaDb::start().await?;
    let redis = RedisServer::start(RedisServerOptions::default()).await?;
    let registry = Registry::with_callbacks(told());
    let config = Config::standalone(Endpoint::tcp("127.0.0.1", redis.port()));
    let manager = Manager::new()
        .registry(&registry)
        .member(Register::mysql("mariadb", pool_settings(&mariadb)?))?
        .member(Register::redis("redis", config).after("mariadb"))?
        .start();
    let timeout = PATIENCE;
    for (name, started) in manager.send(StartAll { timeout }).await? {
        started?;
        println!("started {name}");
    }
    let pool: Pool = manager.send(Get::new("mariadb")).await?.ok_or("it runs")?;
    let client: Client = manager.send(Get::new("redis")).await?.ok_or("it runs")?;
    println!("{}", manager.send(Summary).await?);
    table::print("both are up", &registry).await?;

    let orders = Orders::start(pool.clone(), client.clone()).await?;
    for round in 1..=rounds {
        orders.more(50, PATIENCE).await?;
        println!("round {round}: kill -9 of MariaDB");
        mariadb.kill9().await?;
        goes_down(&registry, "mariadb").await?;
        println!("{}", manager.send(Summary).await?);
        table::print("MariaDB is killed", &registry).await?;
        mariadb.restart().await?;
        pool.ready(PATIENCE).await?;
        orders.more(50, PATIENCE).await?;
        table::print("MariaDB is back", &registry).await?;

        println!("round {round}: kill -9 of Redis");
        redis.kill9().await?;
        goes_down(&registry, "redis").await?;
        println!("{}", manager.send(Summary).await?);
        table::print("Redis is killed", &registry).await?;
        redis.restart().await?;
        client.ready(PATIENCE).await?;
        orders.more(50, PATIENCE).await?;
        table::print("Redis is back", &registry).await?;
    }
    let kept = orders.finish().await?.prove(&pool, &client).await?;
    #[cfg(feature = "elasticsearch")]
    let kept = search::run(&manager, &registry).await? && kept;
    for (name, stopped) in manager.send(StopAll { timeout }).await? {
        stopped?;
        println!("stopped {name}");
    }
    println!("{}", if kept { "all kept" } else { "BROKEN" });
    Ok(kept)
}

fn pool_settings(mariadb: &MariaDb) -> Result<MysqlSettings> {
    let mut settings = MysqlSettings::from_url(&mariadb.url())?;
    settings.when_down = WhenDown::Wait;
    // It is killed every few seconds; its attempts are to count from the start each time.
    settings.link.stable_after = Duration::from_millis(200);
    Ok(settings)
}

/// Prints what happens to either link.
fn told() -> Callbacks {
    Callbacks::new()
        .on_connect(|event| println!("  event: {} is up", event.link))
        .on_disconnect(|event| println!("  event: {} {}", event.link, event.kind))
        .on_reconnect(|event| {
            if let EventKind::Reconnected { attempts, downtime } = &event.kind {
                let link = &event.link;
                println!("  event: {link} is up again after {attempts} attempt(s), {downtime:.1?}");
            }
        })
}

async fn goes_down(registry: &Addr<Registry>, link: &str) -> Result<()> {
    let mut wait = Wait::up_to(PATIENCE, format!("the loss of {link}"));
    while table::is_up(registry, link).await? {
        wait.again("it is up").await?;
    }
    Ok(())
}
