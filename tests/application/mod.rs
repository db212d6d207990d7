//! An application that uses everlink, as the tests see it: a client, and every event it told.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test includes the whole file and uses only a part of it"
)]

use std::sync::{Arc, Mutex, PoisonError};

use actix::{Actor, Addr, Context, Handler};
use everlink::endpoint::Endpoint;
use everlink::event::{Event, EventKind};
use everlink::redis::{Client, Command, Config, Error, Value};
use everlink::registry::{Registry, Subscribe};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::support::redis_server::RedisServer;
pub use crate::support::waiting::{SOON, TestResult};

/// The endpoint on a port of this host.
pub fn local(port: u16) -> Endpoint {
    Endpoint::tcp("127.0.0.1", port)
}

/// The configuration for one server, with a deadline that a busy machine keeps.
pub fn standalone(port: u16) -> Config {
    Config::standalone(local(port)).command_timeout(SOON)
}

/// The configuration for one real server.
pub fn serving(server: &RedisServer) -> Config {
    standalone(server.port())
}

/// A client, and what its links told.
pub struct Application {
    pub client: Client,
    told: Told,
    _recorder: Addr<Recorder>,
}

impl Application {
    /// Opens a client and records its events from the first.
    pub async fn open(config: Config) -> Result<Self, Error> {
        let registry = Registry::start_new();
        let told = Told::default();
        let recorder = Recorder(told.clone()).start();
        let subscribe = Subscribe::new(recorder.clone()).capacity(100_000);
        registry.send(subscribe).await.expect("the registry lives");
        Ok(Self {
            client: Client::open_with(config, &registry)?,
            told,
            _recorder: recorder,
        })
    }

    /// The same, and waits until it is ready.
    pub async fn ready(config: Config) -> Result<Self, Error> {
        let application = Self::open(config).await?;
        application.client.ready(SOON).await?;
        Ok(application)
    }

    /// The error of a command that must fail.
    pub async fn error(&self, command: Command) -> Error {
        match self.client.call(command).await {
            Ok(value) => panic!("answered with {value:?} instead of an error"),
            Err(error) => error,
        }
    }

    /// A command whose reply does not matter, only that it succeeds.
    pub async fn run(&self, command: Command) -> Result<Value, Error> {
        self.client.call(command).await
    }

    /// Everything told so far.
    pub fn events(&self) -> Vec<Event> {
        self.told.lock().clone()
    }

    /// How many events of this kind were told so far.
    pub fn count(&self, kind: &str) -> usize {
        let events = self.told.lock();
        events
            .iter()
            .filter(|event| event.kind.name() == kind)
            .count()
    }

    /// Waits until `count` events of this kind were told, and gives the last of them.
    pub async fn told(&self, kind: &str, count: usize) -> EventKind {
        let found = |events: &[Event]| {
            events
                .iter()
                .filter(|event| event.kind.name() == kind)
                .nth(count - 1)
                .map(|event| event.kind.clone())
        };
        let mut changes = self.told.changed.subscribe();
        let wait = async {
            loop {
                if let Some(kind) = found(&self.told.lock()) {
                    return kind;
                }
                changes.changed().await.expect("this holds the sender");
            }
        };
        match timeout(SOON, wait).await {
            Ok(kind) => kind,
            Err(_) => panic!(
                "waited {SOON:?} for {count} x {kind}; told: {:#?}",
                self.lines()
            ),
        }
    }

    /// All events as they are logged.
    pub fn lines(&self) -> Vec<String> {
        self.told.lock().iter().map(Event::to_string).collect()
    }
}

#[derive(Clone)]
struct Told {
    events: Arc<Mutex<Vec<Event>>>,
    changed: Arc<watch::Sender<()>>,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            events: Arc::default(),
            changed: Arc::new(watch::Sender::new(())),
        }
    }
}

impl Told {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Recorder(Told);

impl Actor for Recorder {
    type Context = Context<Self>;
}

impl Handler<Event> for Recorder {
    type Result = ();

    fn handle(&mut self, event: Event, _: &mut Context<Self>) {
        self.0.lock().push(event);
        self.0.changed.send_replace(());
    }
}
