//! An application with a search client, and every event its links told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::{Actor, Addr, Context, Handler};
use everlink::elasticsearch::{ElasticClient, ElasticSettings, Statistics};
use everlink::event::{Event, EventKind};
use everlink::registry::{Registry, Subscribe};

use crate::support::background::locked;
use crate::support::waiting::Wait;

/// What a test returns: everything here that can fail goes into it by `?`.
pub(crate) type TestResult = Result<(), Box<dyn std::error::Error>>;

/// Within this everything that is waited for must have happened, on a busy machine too.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct Library {
    pub(crate) client: ElasticClient,
    events: Arc<Mutex<Vec<Event>>>,
    _recorder: Addr<Recorder>,
}

impl Library {
    /// Opens a client and records its events from the first.
    pub(crate) async fn open(settings: ElasticSettings) -> Self {
        let registry = Registry::start_new();
        let events = Arc::default();
        let recorder = Recorder(Arc::clone(&events)).start();
        let subscribe = Subscribe::new(recorder.clone()).capacity(100_000);
        registry.send(subscribe).await.expect("the registry lives");
        Self {
            client: ElasticClient::open_with(settings, &registry).expect("valid settings"),
            events,
            _recorder: recorder,
        }
    }

    /// The same, and waits until all nodes are up.
    pub(crate) async fn ready(settings: ElasticSettings) -> Self {
        let nodes = settings.nodes.len();
        let library = Self::open(settings).await;
        library.until(|it| it.up >= nodes).await;
        library
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        locked(&self.events).clone()
    }

    /// The names of all events of a node, in their order.
    pub(crate) fn names(&self, port: u16) -> Vec<&'static str> {
        let ending = format!(":{port}");
        let events = self.events();
        let own = events
            .iter()
            .filter(|event| event.link.as_str().ends_with(&ending));
        own.map(|event| event.kind.name()).collect()
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

    /// Waits until `holds` of the client's figures.
    pub(crate) async fn until(&self, holds: impl Fn(Statistics) -> bool) {
        let mut wait = Wait::up_to(SOON, "the figures");
        while !holds(self.client.statistics()) {
            let events = self.events();
            let seen = events.iter().map(Event::to_string).collect::<Vec<_>>();
            let figures = self.client.statistics();
            let seen = format!("{figures:?} {seen:#?}");
            wait.again(seen).await.expect("it comes to hold");
        }
    }
}

struct Recorder(Arc<Mutex<Vec<Event>>>);

impl Actor for Recorder {
    type Context = Context<Self>;
}

impl Handler<Event> for Recorder {
    type Result = ();

    fn handle(&mut self, event: Event, _: &mut Context<Self>) {
        locked(&self.0).push(event);
    }
}
