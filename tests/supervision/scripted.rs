//! A connection that does what a test says, and a rig around its link: public API only.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::VecDeque;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, System};
use everlink::endpoint::Endpoint;
use everlink::event::{Event, EventKind};
use everlink::exit::{Cause, CauseKind};
use everlink::link::{
    Backend, Circuit, Close, Lifeline, LinkSettings, SharedGovernor, Start, Stop, Supervisor,
};
use everlink::policy::{Backoff, BreakerSettings, Governor, RestartPolicy};
use everlink::registry::{Registry, Subscribe};
use tokio::sync::mpsc;
use tokio::time::Instant;

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Runs a test under a clock that jumps to the next timer whenever nothing else is to be done.
pub(crate) fn in_virtual_time<T>(test: impl Future<Output = T>) -> T {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime")
    };
    System::with_tokio_rt(runtime).block_on(test)
}

/// What one connection does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Usable this long after the dial, if ever.
    ready: Option<Duration>,
    /// And then, this long after the dial.
    end: Option<(Duration, End)>,
    /// How long it takes to obey an order to close.
    obeys: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    Exit(CauseKind),
    Unhealthy(CauseKind),
    Panic(&'static str),
    Wordless,
    /// No end at all: it is used.
    Used,
}

impl Plan {
    /// Comes up at once, stays up, and closes as soon as it is asked to.
    pub(crate) const fn up() -> Self {
        Self {
            ready: Some(Duration::ZERO),
            end: None,
            obeys: Some(Duration::ZERO),
        }
    }

    /// Never comes up.
    pub(crate) const fn hangs() -> Self {
        Self {
            ready: None,
            ..Self::up()
        }
    }

    /// Fails its dial at once.
    pub(crate) const fn fails(kind: CauseKind) -> Self {
        Self::hangs().then(Duration::ZERO, End::Exit(kind))
    }

    pub(crate) const fn ready_after(self, after: Duration) -> Self {
        Self {
            ready: Some(after),
            ..self
        }
    }

    pub(crate) const fn then(self, after: Duration, end: End) -> Self {
        Self {
            end: Some((after, end)),
            ..self
        }
    }

    /// Takes this long to close; `None`: for ever.
    pub(crate) const fn obeys_after(self, after: Option<Duration>) -> Self {
        Self {
            obeys: after,
            ..self
        }
    }
}

/// What happened to all connections of one script.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    dials: AtomicU32,
    alive: AtomicU32,
    closes: Mutex<Vec<Close>>,
}

impl Journal {
    /// Sockets that are open now.
    pub(crate) fn alive(&self) -> u32 {
        self.alive.load(Ordering::Relaxed)
    }

    /// What connections were told, in order.
    pub(crate) fn closes(&self) -> Vec<Close> {
        self.closes.lock().expect("nobody panics with it").clone()
    }
}

/// The backend: gives each connection the next plan; the last one holds for all that follow.
#[derive(Debug, Clone)]
pub(crate) struct Scripted {
    plans: VecDeque<Plan>,
    endpoint: Endpoint,
    journal: Arc<Journal>,
    panics: Option<Misbehaviour>,
    circuit: Option<Circuit>,
    wanted: Arc<AtomicBool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misbehaviour {
    InConnection,
    InObserve,
}

impl Scripted {
    pub(crate) fn new(plans: impl IntoIterator<Item = Plan>) -> Self {
        Self {
            plans: plans.into_iter().collect(),
            endpoint: Endpoint::tcp("node.test", 1),
            journal: Arc::default(),
            panics: None,
            circuit: None,
            wanted: Arc::new(AtomicBool::new(true)),
        }
    }

    pub(crate) fn journal(&self) -> Arc<Journal> {
        Arc::clone(&self.journal)
    }

    pub(crate) fn at(mut self, host: &str) -> Self {
        self.endpoint = Endpoint::tcp(host, 1);
        self
    }

    pub(crate) fn behind(mut self, circuit: Circuit) -> Self {
        self.circuit = Some(circuit);
        self
    }

    /// A breaker that trips at the first failure, for an hour.
    pub(crate) fn behind_a_touchy_circuit(self) -> Self {
        let settings = BreakerSettings::default()
            .with_consecutive(1)
            .and_then(|it| it.with_open(secs(3_600), secs(3_600)));
        self.behind(Circuit::new(settings.expect("valid")))
    }

    /// Whether somebody waits for it can change.
    pub(crate) fn wanted(mut self, wanted: &Arc<AtomicBool>) -> Self {
        self.wanted = Arc::clone(wanted);
        self
    }

    pub(crate) fn panicking(mut self, panics: Misbehaviour) -> Self {
        self.panics = Some(panics);
        self
    }
}

impl Backend for Scripted {
    type Connection = Connection;

    fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    fn connection(&mut self, lifeline: Lifeline) -> Connection {
        assert_ne!(self.panics, Some(Misbehaviour::InConnection), "no socket");
        let plan = match self.plans.len() {
            1 => self.plans.front().copied(),
            _ => self.plans.pop_front(),
        };
        self.journal.dials.fetch_add(1, Ordering::Relaxed);
        Connection {
            plan: plan.expect("at least one plan"),
            lifeline,
            socket: Socket::open(&self.journal),
        }
    }

    fn circuit(&self) -> Option<Circuit> {
        self.circuit.clone()
    }

    fn wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    fn observe(&mut self, _: &Event) {
        assert_ne!(self.panics, Some(Misbehaviour::InObserve), "cannot look");
    }
}

/// Stands for the socket: at most one is open, and it closes when it is dropped.
#[derive(Debug)]
struct Socket(Arc<Journal>);

impl Socket {
    fn open(journal: &Arc<Journal>) -> Self {
        let others = journal.alive.fetch_add(1, Ordering::Relaxed);
        assert_eq!(others, 0, "at most one socket of a link");
        Self(Arc::clone(journal))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
pub(crate) struct Connection {
    plan: Plan,
    lifeline: Lifeline,
    socket: Socket,
}

impl Actor for Connection {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        if let Some(after) = self.plan.ready {
            ctx.run_later(after, |connection, _| connection.lifeline.ready());
        }
        if let Some((after, end)) = self.plan.end {
            ctx.run_later(after, move |connection, ctx| match end {
                End::Exit(kind) => {
                    connection.lifeline.exit(Cause::new(kind, "as planned"));
                    ctx.stop();
                }
                End::Unhealthy(kind) => connection.lifeline.unhealthy(kind.into()),
                End::Panic(message) => panic!("{message}"),
                End::Wordless => ctx.stop(),
                End::Used => connection.lifeline.used(),
            });
        }
    }
}

impl Handler<Close> for Connection {
    type Result = ();

    fn handle(&mut self, close: Close, ctx: &mut Context<Self>) {
        let closes = &self.socket.0.closes;
        closes.lock().expect("nobody panics with it").push(close);
        if let Some(after) = self.plan.obeys {
            ctx.run_later(after, |_, ctx| ctx.stop());
        }
    }
}

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
