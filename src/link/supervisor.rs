//! The [`Supervisor`] actor: owns one link, starts a connection actor, and starts the next one
//! when it ends. Not actix's own `Supervisor`, which neither delays restarts nor survives a panic.

use std::fmt;
use std::time::Duration;

use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message,
    ResponseFuture, SpawnHandle, WrapFuture,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::oneshot;

use crate::endpoint::LinkName;
use crate::event::{EventKind, LinkState};
use crate::exit::{Cause, CauseKind};
use crate::link::backend::{Backend, ChildSignal, Close, Lifeline};
use crate::link::child::Child;
use crate::link::life::{Action, Generation, Input, Life, Timer};
use crate::link::settings::{LinkSettings, SharedGovernor};
use crate::registry::{Narrator, Registry};

/// Starts the link, or revives it when it is parked. Does nothing when it runs already.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Start;

/// Stops the link: the connection finishes what is in flight within the drain timeout. Answered
/// once the socket is closed.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Stop;

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

/// Owns one link. Start it with [`Supervisor::start_link`], then send it [`Start`].
///
/// It carries no data: requests never pass its mailbox. It lives until [`Terminate`] or the end of
/// its arbiter; the connection is dropped with it.
pub struct Supervisor<B: Backend> {
    backend: B,
    life: Life,
    narrator: Narrator,
    governor: SharedGovernor,
    child: Option<Child<B::Connection>>,
    /// A spawn that waits for the governor.
    queued_dial: Option<SpawnHandle>,
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
        Self {
            backend,
            governor: settings.governor.clone(),
            life: Life::new(settings, StdRng::seed_from_u64(seed)),
            narrator,
            child: None,
            queued_dial: None,
            timers: Timers::default(),
            stop_waiters: Vec::new(),
        }
        .start()
    }

    fn input(&mut self, input: Input, ctx: &mut Context<Self>) {
        let mut actions = Vec::with_capacity(4);
        self.life
            .handle(input, tokio::time::Instant::now().into_std(), &mut actions);
        for action in actions {
            self.act(action, ctx);
        }
        if self.life.state() == LinkState::Stopped {
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
            Action::Emit(kind) => self.emit(kind),
        }
    }

    /// Starts the connection actor, as soon as the governor lets it.
    fn dial(&mut self, generation: Generation, ctx: &mut Context<Self>) {
        if let Err(wait) = self
            .governor
            .try_acquire(tokio::time::Instant::now().into_std())
        {
            self.queued_dial = Some(ctx.run_later(wait, move |supervisor, ctx| {
                supervisor.queued_dial = None;
                supervisor.dial(generation, ctx);
            }));
            return;
        }
        let (lifeline, verdict) = Lifeline::new(
            generation,
            ctx.address().downgrade().recipient(),
            self.narrator.last_used(),
        );
        let (child, ending) = Child::spawn(self.backend.connection(lifeline), verdict);
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
        if let Some(handle) = self.queued_dial.take() {
            ctx.cancel_future(handle);
        }
        let generation = self.life.generation();
        ctx.run_later(Duration::ZERO, move |supervisor, ctx| {
            let cause = Cause::from(CauseKind::Requested);
            supervisor.input(Input::ChildExit(generation, cause), ctx);
        });
    }

    fn arm(&mut self, timer: Timer, after: Duration, ctx: &mut Context<Self>) {
        let handle = ctx.run_later(after, move |supervisor, ctx| {
            *supervisor.timers.slot(timer) = None;
            // The connect deadline counts from the dial, not from the governor's queue.
            if let (Timer::Connect(_), Some(_)) = (timer, supervisor.queued_dial) {
                supervisor.arm(timer, after, ctx);
                return;
            }
            supervisor.input(Input::Timer(timer), ctx);
        });
        if let Some(previous) = self.timers.slot(timer).replace(handle) {
            ctx.cancel_future(previous);
        }
    }

    fn emit(&mut self, kind: EventKind) {
        let event = self.narrator.event(self.life.generation().get(), kind);
        self.backend.observe(&event);
        self.narrator.tell(event);
    }
}

impl<B: Backend> Actor for Supervisor<B> {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Context<Self>) {
        self.narrator.register();
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
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

impl<B: Backend> Handler<Stop> for Supervisor<B> {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) -> ResponseFuture<()> {
        let (done, stopped) = oneshot::channel();
        self.stop_waiters.push(done);
        self.input(Input::Stop, ctx);
        Box::pin(async move {
            // An error means that the supervisor itself is gone: stopped as well.
            let _ = stopped.await;
        })
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
        self.narrator.moved(self.backend.endpoint());
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
