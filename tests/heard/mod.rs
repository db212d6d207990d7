//! What links tell, as a test hears it: every event of a registry from the first, and in the end
//! whether they followed the table of a link's life.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test includes the whole file and uses only a part of it"
)]

pub mod table;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix::{Actor, Addr, Context, Handler};
use everlink::event::{Event, EventKind};
use everlink::exit::Cause;
use everlink::registry::{Registry, Subscribe};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::support::waiting::SOON;

/// A registry of its own, and every event it told. When it is dropped they must have followed the
/// table.
pub struct Heard {
    registry: Addr<Registry>,
    told: Told,
    _recorder: Addr<Recorder>,
}

impl Heard {
    pub async fn begin() -> Self {
        let registry = Registry::start_new();
        let told = Told::default();
        let recorder = Recorder(told.clone()).start();
        let subscribe = Subscribe::new(recorder.clone()).capacity(100_000);
        registry.send(subscribe).await.expect("the registry lives");
        Self {
            registry,
            told,
            _recorder: recorder,
        }
    }

    pub fn registry(&self) -> &Addr<Registry> {
        &self.registry
    }

    /// Everything told so far.
    pub fn events(&self) -> Vec<Event> {
        self.told.lock().clone()
    }

    /// The names of all events, in their order.
    pub fn names(&self) -> Vec<&'static str> {
        let events = self.told.lock();
        events.iter().map(|event| event.kind.name()).collect()
    }

    /// The names of the events of the link to this port.
    pub fn names_at(&self, port: u16) -> Vec<&'static str> {
        let ending = format!(":{port}");
        let events = self.told.lock();
        let own = events
            .iter()
            .filter(|event| event.link.as_str().ends_with(&ending));
        own.map(|event| event.kind.name()).collect()
    }

    /// How many events of this kind were told so far.
    pub fn count(&self, kind: &str) -> usize {
        self.names().iter().filter(|name| **name == kind).count()
    }

    /// All events as they are logged.
    pub fn lines(&self) -> Vec<String> {
        self.told.lock().iter().map(Event::to_string).collect()
    }

    /// Waits until `count` events of this kind were told, and gives the last of them.
    pub async fn told(&self, kind: &str, count: usize) -> EventKind {
        let found = |events: &[Event]| {
            let mut found = events.iter().filter(|event| event.kind.name() == kind);
            found.nth(count - 1).map(|event| event.kind.clone())
        };
        self.until(&format!("{count} x {kind}"), found).await
    }

    /// Why the first connection that was lost was lost.
    pub async fn lost(&self) -> Cause {
        match self.told("disconnected", 1).await {
            EventKind::Disconnected { cause } => cause,
            other => panic!("{other}"),
        }
    }

    /// The event of this number, counted from 0.
    pub async fn nth(&self, number: usize) -> Event {
        let what = format!("event {number}");
        self.until(&what, |events| events.get(number).cloned())
            .await
    }

    /// Looked at after each event.
    async fn until<T>(&self, what: &str, found: impl Fn(&[Event]) -> Option<T>) -> T {
        let mut changes = self.told.changed.subscribe();
        let wait = async {
            loop {
                if let Some(found) = found(&self.told.lock()) {
                    return found;
                }
                changes.changed().await.expect("this holds the sender");
            }
        };
        match timeout(SOON, wait).await {
            Ok(found) => found,
            Err(_) => panic!("waited {SOON:?} for {what}; told: {:#?}", self.lines()),
        }
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            table::must_follow(&self.events());
        }
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
    fn lock(&self) -> MutexGuard<'_, Vec<Event>> {
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
