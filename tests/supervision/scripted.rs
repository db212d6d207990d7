//! A connection that does what a test says: public API only.
#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary uses a part of it"
)]

mod plan;
mod rig;

use std::collections::VecDeque;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, System};
use everlink::endpoint::Endpoint;
use everlink::event::Event;
use everlink::exit::Cause;
use everlink::link::{Backend, Circuit, Close, Lifeline};
use everlink::policy::BreakerSettings;

pub(crate) use self::plan::{End, Plan};
pub(crate) use self::rig::{Rig, free_dials, steady, subscribe, text};

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
