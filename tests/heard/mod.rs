//! What links tell, as a test hears it: every event of a registry from the first, and in the end
//! whether they followed the table of a link's life.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test includes the whole file and uses only a part of it"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix::{Actor, Addr, Context, Handler};
use everlink::event::{Event, EventKind};
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

    /// All events as they are logged.
    pub fn lines(&self) -> Vec<String> {
        self.told.lock().iter().map(Event::to_string).collect()
    }

    /// Waits until `count` events of this kind were told, and gives the last of them.
    pub async fn told(&self, kind: &str, count: usize) -> EventKind {
        let found = || {
            let events = self.told.lock();
            let mut found = events.iter().filter(|event| event.kind.name() == kind);
            found.nth(count - 1).map(|event| event.kind.clone())
        };
        let mut changes = self.told.changed.subscribe();
        let wait = async {
            loop {
                if let Some(kind) = found() {
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
}

impl Drop for Heard {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            must_follow_the_table(&self.events());
        }
    }
}

/// What may follow what in the life of a link, by the names of events (`docs/events.md`).
fn may_follow(before: Option<&str>, next: &str) -> bool {
    let Some(before) = before else {
        return next == "connecting";
    };
    match next {
        "connected" | "reconnected" | "connect_failed" => before == "connecting",
        "disconnected" => matches!(before, "connected" | "reconnected"),
        "reconnecting" | "gave_up" => matches!(before, "connect_failed" | "disconnected"),
        // Of one that is up it is told first that it is not any more.
        "stopped" => !matches!(before, "connected" | "reconnected" | "stopped"),
        // After its backoff, or at once where it was asked to.
        "connecting" => !matches!(before, "connected" | "reconnected" | "connect_failed"),
        _ => false,
    }
}

/// Each link's events have numbers without holes, connections that count up by one, and follow
/// each other as the table says. News of breakers and of one kind alone stand between them.
fn must_follow_the_table(events: &[Event]) {
    let mut last: BTreeMap<&str, (&Event, Option<&str>)> = BTreeMap::new();
    for event in events {
        let name = event.kind.name();
        let link = event.link.as_str();
        // Another link of that name may come after one that was stopped.
        let before = last
            .get(link)
            .filter(|(_, life)| event.sequence != 1 || *life != Some("stopped"));
        let (sequence, generation) =
            before.map_or((0, 0), |(event, _)| (event.sequence, event.generation));
        let life = before.and_then(|(_, life)| *life);
        let numbered = event.sequence == sequence + 1
            && event.generation == generation + u64::from(name == "connecting");
        let between = name.starts_with("circuit_") || name == "notice";
        let follows = between || may_follow(life, name);
        assert!(
            numbered && follows,
            "against the table: {event} after {before:?}"
        );
        let life = if between { life } else { Some(name) };
        last.insert(link, (event, life));
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

#[test]
fn what_is_against_the_table_is_seen() {
    let event = |sequence: u64, generation: u64, kind: &str| {
        let text = format!(
            r#"{{"link":"a","sequence":{sequence},"generation":{generation},"uptime":"1s",
            "time":"2026-01-31T12:00:00Z","event":"{kind}","cause":{{"kind":"closed"}},"attempt":1}}"#
        );
        serde_json::from_str::<Event>(&text).expect("an event")
    };
    let life = |events: &[(u64, u64, &str)]| {
        let events: Vec<_> = events.iter().map(|it| event(it.0, it.1, it.2)).collect();
        std::panic::catch_unwind(|| must_follow_the_table(&events)).is_ok()
    };
    let well = [
        (1, 1, "connecting"),
        (2, 1, "connected"),
        (3, 1, "disconnected"),
        (4, 2, "connecting"),
        (5, 2, "connect_failed"),
    ];
    assert!(life(&well));
    assert!(!life(&well[1..]), "it begins in the middle");
    assert!(!life(&[well[0], well[1], (4, 1, "disconnected")]), "a hole");
    assert!(!life(&[well[0], (2, 1, "disconnected")]), "it was not up");
    assert!(!life(&[well[0], well[1], (3, 1, "stopped")]), "still up");
    assert!(!life(&[well[0], (2, 2, "connect_failed")]), "another one");
}
