//! The [`Supervisor`] actor: owns one link, starts a connection actor, and starts the next one
//! when it ends. Not actix's own `Supervisor`, which neither delays restarts nor survives a panic.

mod breaking;
mod queued_dial;
mod stopping;

pub use breaking::ForceCircuit;
pub use stopping::Stop;
#[cfg(feature = "redis")]
pub(crate) use stopping::StopWithin;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message,
    SpawnHandle, WrapFuture,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::oneshot;

use crate::clock::now;
use crate::endpoint::LinkName;
use crate::event::{EventKind, LinkState};
use crate::exit::{Cause, CauseKind};
use crate::link::backend::{Backend, ChildSignal, Close, Lifeline};
use crate::link::child::{Child, panic_message};
use crate::link::circuit::Circuit;
use crate::link::life::{Action, Generation, Input, Life, Timer};
use crate::link::settings::{LinkSettings, SharedGovernor};
use crate::link::supervisor::queued_dial::QueuedDial;
use crate::registry::{Narrator, Registry};

/// Starts the link, or revives it when it is parked. Does nothing when it runs already.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Start;

/// Replaces the connection by a new one, gracefully; skips a backoff; revives a parked link.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct ReconnectNow;

/// The connection is no longer trusted, for this cause: it is closed at once and replaced, with
/// backoff. Does nothing unless the link is up.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Distrust(pub Cause);

/// Replaces the backend, and with it the endpoint or the credentials, and reconnects.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Reconfigure<B: 'static>(pub B);

/// Ends the supervisor: its connection is dropped at once, the link is forgotten. For a graceful
/// end send [`Stop`] first and wait for its answer.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Terminate;

/// Owns one link. A [`Link`](crate::link::Link) is the handle to it; or start it with
/// [`Supervisor::start_link`], then send it [`Start`].
///
/// It carries no data: requests never pass its mailbox. A panic of its connection, or in a method
/// of its backend, is an exit of the class *crash*: it ends that connection and nothing else.
///
/// # Its end
///
/// It lives until [`Terminate`] or the end of its arbiter; dropping its addresses does not end it. A
/// [`Link`](crate::link::Link) ends it with its last handle. The connection is dropped with it, in
/// whatever it was doing: nothing is drained, and requests in flight are of unknown outcome. The
/// registry is told [`EventKind::Stopped`] (and [`EventKind::Disconnected`] before it, if the link was
/// up), and forgets the link. For a graceful end send [`Stop`] and wait for its answer before the
/// arbiter or the `System` is stopped.
///
/// A link does not move to another arbiter: its supervisor, its connection and its socket live on
/// the arbiter it was started on, and end with it. Start a new one elsewhere, under the same name
/// if you like. Where several arbiters share one tokio runtime, the same holds.
///
/// # `panic = "abort"`
///
/// With it a panic anywhere ends the process at once, that of a connection too: there is nothing
/// left to heal, restart intensity never comes into play, and no event is told. Keep the default,
/// `panic = "unwind"`, for panics to be contained, or let whatever started the process start it
/// again. All other failures are healed as ever.
pub struct Supervisor<B: Backend> {
    backend: B,
    life: Life,
    narrator: Narrator,
    governor: SharedGovernor,
    child: Option<Child<B::Connection>>,
    queued_dial: Option<QueuedDial>,
    circuit: Option<Circuit>,
    /// Fires when an open breaker turns half-open.
    half_open: Option<SpawnHandle>,
    timers: Timers,
    stop_waiters: Vec<oneshot::Sender<()>>,
}

/// The timer that is armed, for each sort: arming one replaces its predecessor.
#[derive(Default)]
struct Timers {
    connect: Option<SpawnHandle>,
    stable: Option<SpawnHandle>,
    kill: Option<SpawnHandle>,
    wait: Option<SpawnHandle>,
}

impl Timers {
    fn slot(&mut self, timer: Timer) -> &mut Option<SpawnHandle> {
        match timer {
            Timer::Connect(_) => &mut self.connect,
            Timer::Stable(_) => &mut self.stable,
            Timer::Kill(_) => &mut self.kill,
            Timer::Backoff(_) | Timer::Probe(_) => &mut self.wait,
        }
    }
}

impl<B: Backend> Supervisor<B> {
    /// Starts the supervisor of a link on the current arbiter and makes it known to the registry.
    /// The link itself stays stopped until [`Start`].
    ///
    /// # Panics
    ///
    /// Outside of an actix arbiter or a tokio `LocalSet`, as every actor's start does.
    pub fn start_link(
        name: impl Into<LinkName>,
        backend: B,
        settings: LinkSettings,
        registry: &Addr<Registry>,
    ) -> Addr<Self> {
        let seed = settings.seed.unwrap_or_else(rand::random);
        let narrator = Narrator::new(name.into(), Some(backend.endpoint()), registry.clone());
        // Not only when the actor runs: whoever asks the registry after this call finds the link.
        let circuit = backend.circuit();
        narrator.register(circuit.as_ref().map(Circuit::state));
        let supervisor = Self {
            backend,
            circuit: circuit.clone(),
            half_open: None,
            governor: settings.governor.clone(),
            life: Life::new(settings, StdRng::seed_from_u64(seed)),
            narrator,
            child: None,
            queued_dial: None,
            timers: Timers::default(),
            stop_waiters: Vec::new(),
        }
        .start();
        if let Some(circuit) = circuit {
            circuit.attach(supervisor.downgrade().recipient());
        }
        supervisor
    }

    fn input(&mut self, input: Input, ctx: &mut Context<Self>) {
        let mut actions = Vec::with_capacity(4);
        self.life.handle(input, now(), &mut actions);
        // Also where the link does not stay stopped, because a start was asked for meanwhile.
        let stopped = self.life.state() == LinkState::Stopped
            || actions.contains(&Action::Emit(EventKind::Stopped));
        for action in actions {
            self.act(action, ctx);
        }
        if stopped {
            for waiter in self.stop_waiters.drain(..) {
                let _ = waiter.send(());
            }
        }
    }

    fn act(&mut self, action: Action, ctx: &mut Context<Self>) {
        match action {
            Action::Spawn(generation) => self.dial(generation, ctx),
            Action::Close { drain } => self.close(drain, ctx),
            Action::Abort => {
                if let Some(child) = &self.child {
                    child.abort();
                }
            }
            Action::Arm(timer, after) => self.arm(timer, after, ctx),
            Action::Emit(kind) => self.tell(kind, ctx),
        }
    }

    /// Starts the connection actor, as soon as the governor lets it.
    fn dial(&mut self, generation: Generation, ctx: &mut Context<Self>) {
        let now = now();
        if let Err(wait) = self.governor.try_acquire(now, self.is_wanted(now)) {
            self.queue_dial(generation, now, now + wait, ctx);
            return;
        }
        if let Some(QueuedDial {
            deadline: Some((timer, after)),
            ..
        }) = self.queued_dial.take()
        {
            self.arm(timer, after, ctx);
        }
        let (lifeline, verdict) = Lifeline::new(
            generation,
            ctx.address().downgrade().recipient(),
            self.narrator.last_used(),
        );
        // The supervisor outlives whatever its backend does.
        let made = catch_unwind(AssertUnwindSafe(|| self.backend.connection(lifeline)));
        let connection = match made {
            Ok(connection) => connection,
            Err(panic) => {
                let cause = Cause::new(CauseKind::Panicked, panic_message(&*panic));
                return self.never_lived(generation, cause, ctx);
            }
        };
        let (child, ending) = Child::spawn(connection, verdict);
        self.child = Some(child);
        ctx.spawn(
            ending
                .cause()
                .into_actor(self)
                .map(move |cause, supervisor, ctx| {
                    supervisor.child = None;
                    supervisor.input(Input::ChildExit(generation, cause), ctx);
                }),
        );
    }

    fn close(&mut self, drain: bool, ctx: &mut Context<Self>) {
        if let Some(child) = &self.child {
            child.close(if drain { Close::Drain } else { Close::Now });
            return;
        }
        // The dial still waits for the governor: there is nobody to wait for.
        if let Some(dial) = self.queued_dial.take() {
            ctx.cancel_future(dial.handle);
        }
        self.never_lived(self.life.generation(), CauseKind::Requested.into(), ctx);
    }

    /// Reports the end of a connection that was not even started, after the current input.
    fn never_lived(&mut self, generation: Generation, cause: Cause, ctx: &mut Context<Self>) {
        ctx.run_later(Duration::ZERO, move |supervisor, ctx| {
            supervisor.input(Input::ChildExit(generation, cause), ctx);
        });
    }

    fn arm(&mut self, timer: Timer, after: Duration, ctx: &mut Context<Self>) {
        if let (Timer::Connect(_), Some(dial)) = (timer, &mut self.queued_dial) {
            dial.deadline = Some((timer, after));
            return;
        }
        let handle = ctx.run_later(after, move |supervisor, ctx| {
            *supervisor.timers.slot(timer) = None;
            supervisor.input(Input::Timer(timer), ctx);
        });
        if let Some(previous) = self.timers.slot(timer).replace(handle) {
            ctx.cancel_future(previous);
        }
    }

    fn emit(&mut self, kind: EventKind) {
        if kind == EventKind::Connecting {
            // A new configuration counts from here; what came before was of the old one.
            self.narrator.moved(self.backend.endpoint());
        }
        let event = self.narrator.event(self.life.generation().get(), kind);
        if catch_unwind(AssertUnwindSafe(|| self.backend.observe(&event))).is_err() {
            tracing::error!(link = event.link.as_str(), "a backend panicked at an event");
        }
        self.narrator.tell(event);
    }
}

impl<B: Backend> Actor for Supervisor<B> {
    type Context = Context<Self>;
}

/// Here and not in `stopped()`, which is not called at the end of an arbiter.
impl<B: Backend> Drop for Supervisor<B> {
    fn drop(&mut self) {
        self.child = None;
        let generation = self.life.generation().get();
        let mut tell = |kind| {
            let event = self.narrator.event(generation, kind);
            self.narrator.tell(event);
        };
        match self.life.state() {
            LinkState::Up => {
                let cause = Cause::new(CauseKind::Requested, "the supervisor ended");
                tell(EventKind::Disconnected { cause });
                tell(EventKind::Stopped);
            }
            LinkState::Connecting | LinkState::Closing | LinkState::Backoff | LinkState::Parked => {
                tell(EventKind::Stopped)
            }
            LinkState::Stopped => {}
        }
        self.narrator.unregister();
    }
}

impl<B: Backend> Unpin for Supervisor<B> {}

impl<B: Backend> Handler<Start> for Supervisor<B> {
    type Result = ();

    fn handle(&mut self, _: Start, ctx: &mut Context<Self>) {
        self.input(Input::Start, ctx);
    }
}

impl<B: Backend> Handler<ReconnectNow> for Supervisor<B> {
    type Result = ();

    fn handle(&mut self, _: ReconnectNow, ctx: &mut Context<Self>) {
        self.input(Input::ReconnectNow, ctx);
    }
}

impl<B: Backend> Handler<Distrust> for Supervisor<B> {
    type Result = ();

    fn handle(&mut self, message: Distrust, ctx: &mut Context<Self>) {
        let generation = self.life.generation();
        self.input(Input::ChildUnhealthy(generation, message.0), ctx);
    }
}

impl<B: Backend> Handler<Reconfigure<B>> for Supervisor<B> {
    type Result = ();

    fn handle(&mut self, message: Reconfigure<B>, ctx: &mut Context<Self>) {
        self.backend = message.0;
        self.replace_circuit(ctx);
        self.input(Input::Reconfigured, ctx);
    }
}

impl<B: Backend> Handler<Terminate> for Supervisor<B> {
    type Result = ();

    fn handle(&mut self, _: Terminate, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

impl<B: Backend> Handler<ChildSignal> for Supervisor<B> {
    type Result = ();

    fn handle(&mut self, signal: ChildSignal, ctx: &mut Context<Self>) {
        let input = match signal {
            ChildSignal::Ready(generation) => Input::ChildReady(generation),
            ChildSignal::Unhealthy(generation, cause) => Input::ChildUnhealthy(generation, cause),
            ChildSignal::Notice(generation, notice) => {
                if generation == self.life.generation() {
                    self.tell(EventKind::Notice(notice), ctx);
                }
                return;
            }
        };
        self.input(input, ctx);
    }
}

impl<B: Backend> fmt::Debug for Supervisor<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor")
            .field("link", &self.narrator.link())
            .field("state", &self.life.state())
            .finish_non_exhaustive()
    }
}
