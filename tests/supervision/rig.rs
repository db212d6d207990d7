//! A link of scripted connections with its registry, and all that it tells.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::{Actor, Addr, Context, Handler};
use everlink::event::{Event, EventKind};
use everlink::link::{LinkSettings, SharedGovernor, Start, Stop, Supervisor};
use everlink::policy::{Backoff, Governor, RestartPolicy};
use everlink::registry::{Registry, Subscribe};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Journal, Plan, Scripted, secs};

/// A governor of the test's own that never holds anything up: the one of the process must not see
/// virtual clocks.
pub(crate) fn free_dials() -> SharedGovernor {
    SharedGovernor::new(Governor::new(100_000, 100_000).expect("valid"))
}

/// The defaults, but with 1 s before each attempt.
pub(crate) fn steady() -> LinkSettings {
    let second = Backoff::fixed(secs(1)).expect("not zero");
    let mut settings = LinkSettings::default();
    settings.restart = RestartPolicy::default().with_backoff(second);
    settings.governor = free_dials();
    settings.seed = Some(1);
    settings
}

/// One link with its registry and all that it tells.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) registry: Addr<Registry>,
    pub(crate) link: Addr<Supervisor<Scripted>>,
    pub(crate) journal: Arc<Journal>,
    events: mpsc::UnboundedReceiver<Event>,
    sequence: u64,
}

impl Rig {
    pub(crate) fn new(plans: impl IntoIterator<Item = Plan>) -> Self {
        Self::of(Scripted::new(plans), steady())
    }

    /// A link that is told to start.
    pub(crate) fn of(backend: Scripted, settings: LinkSettings) -> Self {
        let registry = Registry::start_new();
        let events = subscribe(&registry);
        let journal = Arc::clone(&backend.journal);
        let link = Supervisor::start_link("link", backend, settings, &registry);
        link.try_send(Start).expect("an empty mailbox");
        Self {
            registry,
            link,
            journal,
            events,
            sequence: 0,
        }
    }

    /// The next event; sequence numbers have no holes.
    pub(crate) async fn event(&mut self) -> Event {
        let day = secs(86_400);
        let event = tokio::time::timeout(day, self.events.recv()).await;
        let event = event.expect("an event").expect("a registry");
        self.sequence += 1;
        assert_eq!(event.sequence, self.sequence, "no holes: {event}");
        event
    }

    /// The next events, as text.
    #[track_caller]
    pub(crate) fn tells(&mut self, expected: &[&str]) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            for (n, expected) in expected.iter().enumerate() {
                let told = text(&self.event().await.kind);
                assert_eq!(&told, expected, "event {n} expected at {caller}");
            }
        }
    }

    /// Nothing more is told in a virtual day.
    pub(crate) async fn stays_silent(&mut self) {
        let day = secs(86_400);
        if let Ok(event) = tokio::time::timeout(day, self.events.recv()).await {
            panic!("told {event:?}");
        }
    }

    /// How long it takes to stop it.
    pub(crate) async fn stop(&self) -> Duration {
        let began = Instant::now();
        self.link.send(Stop).await.expect("a supervisor");
        assert_eq!(self.journal.alive(), 0, "stopped, so the socket is closed");
        began.elapsed()
    }

    pub(crate) fn dials(&self) -> u32 {
        self.journal.dials.load(Ordering::Relaxed)
    }
}

/// Receives the events of a registry.
pub(crate) fn subscribe(registry: &Addr<Registry>) -> mpsc::UnboundedReceiver<Event> {
    struct Ear(mpsc::UnboundedSender<Event>);

    impl Actor for Ear {
        type Context = Context<Self>;
    }

    impl Handler<Event> for Ear {
        type Result = ();

        fn handle(&mut self, event: Event, _: &mut Context<Self>) {
            let _ = self.0.send(event);
        }
    }

    let (sender, events) = mpsc::unbounded_channel();
    let ear = Ear(sender).start();
    let subscribe = Subscribe::new(ear).kept_alive();
    registry.try_send(subscribe).expect("an empty mailbox");
    events
}

pub(crate) fn text(kind: &EventKind) -> String {
    match kind {
        EventKind::Reconnected { attempts, downtime } => {
            format!("reconnected {attempts} {downtime:?}")
        }
        EventKind::ConnectFailed { cause, attempt } => {
            format!("connect_failed {attempt} {}", cause.kind())
        }
        EventKind::Disconnected { cause } => format!("disconnected {}", cause.kind()),
        EventKind::Reconnecting {
            attempt,
            delay,
            cause,
        } => format!("reconnecting {attempt} {delay:?} {}", cause.kind()),
        EventKind::GaveUp { cause, attempts } => format!("gave_up {attempts} {}", cause.kind()),
        other => other.name().to_owned(),
    }
}
