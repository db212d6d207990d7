//! Closures for those who do not want to write an actor: [`Callbacks`].

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use actix::{Actor, Addr, Context, Handler};

use crate::event::{Event, EventKind};
use crate::exit::Cause;
use crate::registry::registry::{Employ, Registry};

type OnEvent = Box<dyn FnMut(&Event) + Send>;
type OnFailure = Box<dyn FnMut(&Cause, u32) + Send>;

/// Closures that are called as events happen, on the registry's arbiter. Each may be set several
/// times; all are called. A panic in one is caught and logged, and harms nobody else.
///
/// They run between the messages of that arbiter: what blocks belongs elsewhere.
#[derive(Default)]
pub struct Callbacks {
    connect: Vec<OnEvent>,
    disconnect: Vec<OnEvent>,
    reconnect: Vec<OnEvent>,
    reconnect_failed: Vec<OnFailure>,
    give_up: Vec<OnEvent>,
    circuit_change: Vec<OnEvent>,
    topology_change: Vec<OnEvent>,
    notice: Vec<OnEvent>,
}

impl Callbacks {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A link came up for the first time.
    #[must_use]
    pub fn on_connect(mut self, call: impl FnMut(&Event) + Send + 'static) -> Self {
        self.connect.push(Box::new(call));
        self
    }

    /// A link went down.
    #[must_use]
    pub fn on_disconnect(mut self, call: impl FnMut(&Event) + Send + 'static) -> Self {
        self.disconnect.push(Box::new(call));
        self
    }

    /// A link came up again.
    #[must_use]
    pub fn on_reconnect(mut self, call: impl FnMut(&Event) + Send + 'static) -> Self {
        self.reconnect.push(Box::new(call));
        self
    }

    /// An attempt failed: its cause, and its number. Called at every failed attempt.
    #[must_use]
    pub fn on_reconnect_failed(mut self, call: impl FnMut(&Cause, u32) + Send + 'static) -> Self {
        self.reconnect_failed.push(Box::new(call));
        self
    }

    /// A link was parked. Called once each time.
    #[must_use]
    pub fn on_give_up(mut self, call: impl FnMut(&Event) + Send + 'static) -> Self {
        self.give_up.push(Box::new(call));
        self
    }

    /// The breaker of a link opened, turned half-open or closed.
    #[must_use]
    pub fn on_circuit_change(mut self, call: impl FnMut(&Event) + Send + 'static) -> Self {
        self.circuit_change.push(Box::new(call));
        self
    }

    /// The topology of a cluster changed.
    #[must_use]
    pub fn on_topology_change(mut self, call: impl FnMut(&Event) + Send + 'static) -> Self {
        self.topology_change.push(Box::new(call));
        self
    }

    /// A link told news of its own kind, such as the gap in a feed.
    #[must_use]
    pub fn on_notice(mut self, call: impl FnMut(&Event) + Send + 'static) -> Self {
        self.notice.push(Box::new(call));
        self
    }

    /// Starts calling for the events of this registry, as long as the registry lives. Works from
    /// any thread.
    #[expect(clippy::disallowed_methods, reason = "once")]
    pub fn attach(self, registry: &Addr<Registry>) {
        registry.do_send(Employ::new(|| Caller { callbacks: self }.start()));
    }

    fn call(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Connected => call_all(&mut self.connect, event),
            EventKind::Disconnected { .. } => call_all(&mut self.disconnect, event),
            EventKind::Reconnected { .. } => call_all(&mut self.reconnect, event),
            EventKind::ConnectFailed { cause, attempt } => {
                for call in &mut self.reconnect_failed {
                    guarded(|| call(cause, *attempt));
                }
            }
            EventKind::GaveUp { .. } => call_all(&mut self.give_up, event),
            EventKind::CircuitOpened { .. }
            | EventKind::CircuitHalfOpen
            | EventKind::CircuitClosed { .. } => call_all(&mut self.circuit_change, event),
            EventKind::TopologyChanged { .. } => call_all(&mut self.topology_change, event),
            EventKind::Notice(_) => call_all(&mut self.notice, event),
            EventKind::Connecting
            | EventKind::Reconnecting { .. }
            | EventKind::Stopped
            | EventKind::Present { .. }
            | EventKind::Missed { .. }
            | EventKind::TopologyFailed { .. } => {}
        }
    }
}

fn call_all(calls: &mut [OnEvent], event: &Event) {
    for call in calls {
        guarded(|| call(event));
    }
}

fn guarded(call: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(call)).is_err() {
        tracing::error!("a callback panicked");
    }
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callbacks").finish_non_exhaustive()
    }
}

/// The subscriber that calls.
struct Caller {
    callbacks: Callbacks,
}

impl Actor for Caller {
    type Context = Context<Self>;
}

impl Handler<Event> for Caller {
    type Result = ();

    fn handle(&mut self, event: Event, _: &mut Context<Self>) {
        self.callbacks.call(&event);
    }
}
