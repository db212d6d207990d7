//! An application with a pool, and every event its link told.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::{Actor, Addr, Context, Handler};
use everlink::event::{Event, EventKind};
use everlink::mysql::{MysqlSettings, Pool};
use everlink::registry::{Registry, Subscribe};

use crate::support::mariadb::{MariaDb, is_installed};
use crate::support::waiting::Wait;

/// What a test returns: everything here that can fail goes into it by `?`.
pub(crate) type TestResult = Result<(), Box<dyn std::error::Error>>;

/// Within this everything that is waited for must have happened, on a busy machine too.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A server, unless there can be none: then the test says so and ends.
macro_rules! server {
    ($($option:expr),*) => {{
        if !crate::support::mariadb::is_installed() {
            return Ok(());
        }
        crate::support::mariadb::MariaDb::start_with(&[$($option),*]).await?
    }};
}
pub(crate) use server;

/// The settings for this server.
pub(crate) fn settings(server: &MariaDb) -> MysqlSettings {
    settings_on(server, server.port())
}

/// The same, by another port.
pub(crate) fn settings_on(server: &MariaDb, port: u16) -> MysqlSettings {
    assert!(is_installed());
    let mut settings = MysqlSettings::from_url(&server.url_on(port)).expect("a url");
    settings.timeouts.acquire = SOON;
    settings.timeouts.query = SOON;
    settings
}

pub(crate) struct Shop {
    pub(crate) pool: Pool,
    events: Arc<Mutex<Vec<Event>>>,
    _recorder: Addr<Recorder>,
}

impl Shop {
    /// Opens a pool and records its events from the first.
    pub(crate) async fn open(settings: MysqlSettings) -> Self {
        let registry = Registry::start_new();
        let events = Arc::default();
        let recorder = Recorder(Arc::clone(&events)).start();
        let subscribe = Subscribe::new(recorder.clone()).capacity(100_000);
        registry.send(subscribe).await.expect("the registry lives");
        Self {
            pool: Pool::open_with(settings, &registry).expect("valid settings"),
            events,
            _recorder: recorder,
        }
    }

    /// The same, and waits until it is ready.
    pub(crate) async fn ready(settings: MysqlSettings) -> Self {
        let shop = Self::open(settings).await;
        shop.pool.ready(SOON).await.expect("it comes up");
        shop
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        let events = self.events.lock();
        events.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The names of all events, in their order.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.events()
            .iter()
            .map(|event| event.kind.name())
            .collect()
    }

    /// Waits until `count` events of this kind were told, and gives the last of them.
    pub(crate) async fn told(&self, kind: &str, count: usize) -> EventKind {
        let mut wait = Wait::up_to(SOON, format!("{count} x {kind}"));
        loop {
            let events = self.events();
            let mut found = events.iter().filter(|event| event.kind.name() == kind);
            if let Some(event) = found.nth(count - 1) {
                return event.kind.clone();
            }
            let seen = events.iter().map(Event::to_string).collect::<Vec<_>>();
            wait.again(format!("{seen:#?}")).await.expect("told");
        }
    }
}

/// Waits until `holds` of the connections and calls of the pool.
pub(crate) async fn until(pool: &Pool, holds: impl Fn(everlink::mysql::Statistics) -> bool) {
    let mut wait = Wait::up_to(SOON, "the pool");
    while !holds(pool.statistics()) {
        wait.again(format!("{:?}", pool.statistics()))
            .await
            .expect("it comes to hold");
    }
}

/// Waits until the server's connections of the application are so.
pub(crate) async fn until_server(
    server: &MariaDb,
    holds: impl Fn(&[(u64, Option<String>)]) -> bool,
) -> TestResult {
    let mut wait = Wait::up_to(SOON, "the server's connections");
    loop {
        let connections = server.connections().await?;
        if holds(&connections) {
            return Ok(());
        }
        wait.again(format!("{connections:?}")).await?;
    }
}

struct Recorder(Arc<Mutex<Vec<Event>>>);

impl Actor for Recorder {
    type Context = Context<Self>;
}

impl Handler<Event> for Recorder {
    type Result = ();

    fn handle(&mut self, event: Event, _: &mut Context<Self>) {
        let events = self.0.lock();
        events.unwrap_or_else(PoisonError::into_inner).push(event);
    }
}
