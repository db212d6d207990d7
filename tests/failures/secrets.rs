//! A password in the configuration is nowhere in what everlink says: a canary that must not sing.

use std::error::Error as _;
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use everlink::redis::config::{Protocol, Timeouts};
use everlink::redis::{Client, Config, Error, cmd, pipe};
use everlink::registry::EventLog;

use crate::application::{Application, SOON, TestResult, local, serving};
use crate::support::fake_node::{Action, FakeNode, Received};
use crate::support::redis_server::{RedisServer, RedisServerOptions};
use crate::support::replies;

const CANARY: &str = "canary-4711";

/// Everything that was said, in all forms.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<String>>);

impl Said {
    fn add(&self, text: &str) {
        self.0.lock().expect("no panic").push_str(text);
    }

    fn error(&self, error: &Error) {
        let mut text = format!("{error} {error:?} {error:#?} {:#?}", error.kind());
        let mut source = error.source();
        while let Some(cause) = source {
            write!(text, " {cause} {cause:?} {cause:#?}").expect("a string takes all");
            source = cause.source();
        }
        self.add(&text);
    }

    fn config(&self, config: &Config) {
        let json = serde_json::to_string(config).expect("can be written");
        self.add(&format!("{config:?} {config:#?} {json}"));
    }

    /// What an application can learn of a client at this moment.
    async fn application(&self, application: &Application) -> TestResult {
        let client: &Client = &application.client;
        self.add(&format!("{client:?} {client:#?}"));
        let status = client.status().await?;
        let health = client.health_check().await?;
        self.add(&format!("{status:?} {status:#?} {health:?} {health:#?}"));
        for event in application.events() {
            let json = serde_json::to_string(&event)?;
            self.add(&format!("{event} {event:?} {event:#?} {json}"));
        }
        Ok(())
    }

    /// The words are there and the canary is not.
    fn holds(&self, words: &[&str]) {
        let said = self.0.lock().expect("no panic");
        for word in words {
            assert!(said.contains(word), "{word} is missing: {said}");
        }
        let place = said.find(CANARY).or_else(|| said.find("canary%2D4711"));
        if let Some(place) = place {
            let around = &said[place.saturating_sub(500)..said.len().min(place + 100)];
            panic!("the password was told: {around}");
        }
    }
}

impl io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Logs of every level and every crate are said, too.
fn listen(said: &Said) -> tracing::subscriber::DefaultGuard {
    let writer = said.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .finish();
    tracing::subscriber::set_default(subscriber)
}

/// Opens a client, calls, and lets everything be said that there is.
async fn say_all(said: &Said, config: Config, up: bool) -> TestResult {
    said.config(&config);
    let timeouts = Timeouts::default()
        .command(if up { SOON } else { Duration::from_millis(100) })
        .connect(Duration::from_secs(1));
    let application = Application::open(config.timeouts(timeouts)).await?;
    EventLog::attach(application.client.registry());
    let kind = if up { "connected" } else { "connect_failed" };
    application.told(kind, 1).await;
    for command in [
        cmd("GET").arg("k"),
        cmd("NOSUCH").arg("k"),
        cmd("AUTH").arg(CANARY),
        cmd("HELLO").arg((3, "AUTH", "app", CANARY)),
    ] {
        said.add(&format!("{command:?} {command:#?}"));
        let pipeline = pipe().push(command.clone());
        said.add(&format!("{pipeline:?} {pipeline:#?}"));
        if let Err(error) = application.client.call(command).await {
            said.error(&error);
        }
    }
    if up {
        let reconnected = application.client.reconnect().await?;
        said.add(&format!("{reconnected:?}"));
    }
    said.application(&application).await
}

/// Everything with a password, in each of the forms that a user can give it in.
fn configs(port: u16) -> Result<Vec<Config>, Box<dyn std::error::Error>> {
    let encoded = CANARY.replace('-', "%2D");
    let plain = |protocol| {
        let config = Config::standalone(local(port));
        config.username("app").password(CANARY).protocol(protocol)
    };
    Ok(vec![
        plain(Protocol::Auto),
        plain(Protocol::Resp2),
        plain(Protocol::Resp3),
        Config::from_url(&format!("redis://app:{CANARY}@127.0.0.1:{port}"))?,
        Config::from_url(&format!("redis://app:{encoded}@127.0.0.1:{port}"))?,
        toml::from_str(&format!("url = 'redis://app:{CANARY}@127.0.0.1:{port}'"))?,
    ])
}

#[actix::test]
async fn a_password_is_said_nowhere_while_a_server_accepts_or_refuses_it() -> TestResult {
    let said = Said::default();
    let _listening = listen(&said);
    let app = |password: &str| format!("app on >{password} ~* &* +@all -info");
    let options = RedisServerOptions::default().volatile();
    for (options, up) in [
        (options.clone().user(&app(CANARY)), true),
        (options.clone().user(&app("another")), false),
        (options.user(&app("another")).without_hello(), false),
    ] {
        let server = RedisServer::start(options).await?;
        for config in configs(server.port())? {
            say_all(&said, config, up).await?;
        }
    }
    said.holds(&[
        "wrong user name or password",
        "***",
        "NOSUCH",
        "reconnected",
    ]);
    Ok(())
}

#[actix::test]
async fn a_server_that_repeats_the_password_in_its_errors_is_not_quoted() -> TestResult {
    let said = Said::default();
    let _listening = listen(&said);
    // As Redis 5 does with a command that it does not know, HELLO among them.
    let quoting = |received: &Received| {
        let args = received.line();
        Action::reply(replies::error(&format!(
            "ERR unknown command, with args: {args}"
        )))
    };
    let closing = |received: &Received| {
        let error = replies::error(&format!("WRONGPASS {}", received.line()));
        Action::reply_then_close(error)
    };
    let garbled = |received: &Received| Action::reply(received.line().into_bytes());
    let nodes = [
        FakeNode::start(quoting)?,
        FakeNode::start(closing)?,
        FakeNode::start(garbled)?,
    ];
    for node in &nodes {
        for config in configs(node.port())? {
            say_all(&said, config, false).await?;
        }
        let cluster = Config::cluster([local(node.port())]);
        let cluster = cluster.username("app").password(CANARY);
        say_all_of_a_cluster(&said, cluster).await?;
    }
    said.holds(&["denied", "topology"]);
    Ok(())
}

async fn say_all_of_a_cluster(said: &Said, config: Config) -> TestResult {
    said.config(&config);
    let config = config.command_timeout(Duration::from_millis(300));
    let application = Application::open(config).await?;
    EventLog::attach(application.client.registry());
    application.told("topology_failed", 1).await;
    said.error(&application.error(cmd("GET").arg("k")).await);
    said.application(&application).await
}

#[actix::test]
async fn a_configuration_that_is_refused_does_not_show_its_password() -> TestResult {
    let said = Said::default();
    for url in [
        "redis://app:canary-4711@127.0.0.1:99999",
        "redis://app:canary-4711@",
        "redis://app:canary-4711@a/notadatabase",
        "redis://app:canary-4711@a?nosuch=1",
        "redis://app:canary-4711@a?db=canary-4711",
        "rediss://app:canary-4711@a:0",
        "nosuch://app:canary-4711@a",
        "redis://canary-4711@a:b",
        "canary-4711",
    ] {
        if let Err(error) = Config::from_url(url) {
            said.error(&error);
        } else {
            said.add(&format!("{url} was taken"));
        }
        let toml = format!("url = \"{url}\"");
        if let Err(error) = toml::from_str::<Config>(&toml) {
            said.add(&format!("{error} {error:?}"));
        }
    }
    said.holds(&["invalid configuration"]);
    let server = RedisServer::start(RedisServerOptions::default().volatile()).await?;
    let config = serving(&server).username("").password(CANARY);
    if let Err(error) = config.validate() {
        said.error(&error);
    }
    said.holds(&[]);
    Ok(())
}
