//! The [`Registry`] actor: keeps the status of every link and broadcasts lifecycle events. Not
//! actix's own `Registry` of services.

use std::collections::{BTreeMap, HashMap};

use crate::endpoint::{Endpoint, LinkName};
use crate::event::{Event, EventKind};
use crate::policy::BreakerState;
use crate::registry::callbacks::Callbacks;
use crate::registry::ready::ReadyWaiter;
use crate::registry::status::{LastUsed, LinkStatus};
use crate::registry::subscriber::{Delivery, Filter, Subscriber};
use actix::{
    Actor, ActorFutureExt, Addr, AsyncContext, Context, Handler, MailboxError, Message,
    MessageResult, Recipient, WrapFuture,
};

/// Keeps the status of every link that was started with it, and tells subscribed actors what
/// happens. Cheap: one for a process is the usual number, but each client may have its own.
#[derive(Debug, Default)]
pub struct Registry {
    pub(super) links: BTreeMap<LinkName, (LinkStatus, LastUsed)>,
    subscribers: HashMap<u64, Subscriber>,
    next_subscriber: u64,
    pub(super) ready_waiters: Vec<ReadyWaiter>,
}

impl Registry {
    /// Starts a registry on the current arbiter.
    pub fn start_new() -> Addr<Self> {
        Self::default().start()
    }

    /// Starts one that runs these callbacks.
    pub fn with_callbacks(callbacks: Callbacks) -> Addr<Self> {
        let registry = Self::start_new();
        callbacks.attach(&registry);
        registry
    }

    fn broadcast(&mut self, event: &Event, ctx: &mut Context<Self>) {
        let ids: Vec<u64> = self.subscribers.keys().copied().collect();
        for id in ids {
            if let Some(subscriber) = self.subscribers.get_mut(&id) {
                subscriber.offer(event);
            }
            self.deliver(id, ctx);
        }
    }

    fn deliver(&mut self, id: u64, ctx: &mut Context<Self>) {
        let Some(subscriber) = self.subscribers.get_mut(&id) else {
            return;
        };
        match subscriber.next() {
            Delivery::Nothing => {}
            Delivery::Gone => {
                self.subscribers.remove(&id);
            }
            Delivery::Send(recipient, event) => {
                let sent = recipient.send(event);
                // The strong recipient must not outlive the sending: it would keep the actor alive.
                drop(recipient);
                ctx.spawn(sent.into_actor(self).map(move |result, registry, ctx| {
                    match result {
                        Ok(()) | Err(MailboxError::Timeout) => {
                            if let Some(subscriber) = registry.subscribers.get_mut(&id) {
                                subscriber.answered();
                            }
                            registry.deliver(id, ctx);
                        }
                        // Stopped, or its handler panicked: it hears nothing any more.
                        Err(MailboxError::Closed) => {
                            registry.subscribers.remove(&id);
                        }
                    }
                }));
            }
        }
    }
}

impl Actor for Registry {
    type Context = Context<Self>;
}

/// Subscribes an actor to events. It first gets one [`EventKind::Present`] for each link, then
/// every event as it happens. Held weakly unless asked otherwise: a stopped subscriber is forgotten.
#[derive(Debug, Message)]
#[rtype(result = "()")]
#[non_exhaustive]
pub struct Subscribe {
    recipient: Recipient<Event>,
    filter: Filter,
    capacity: usize,
    bytes: usize,
    keep_alive: bool,
}

impl Subscribe {
    /// How many events wait for a slow subscriber by default; beyond that the oldest are dropped
    /// and their number is told with [`EventKind::Missed`].
    pub const DEFAULT_CAPACITY: usize = 1024;

    /// Bytes of events that wait for a slow subscriber by default: 4 MiB.
    pub const DEFAULT_BYTES: usize = 4 * 1024 * 1024;

    /// Subscribes to everything.
    pub fn new(subscriber: impl Into<Recipient<Event>>) -> Self {
        Self {
            recipient: subscriber.into(),
            filter: Filter::all(),
            capacity: Self::DEFAULT_CAPACITY,
            bytes: Self::DEFAULT_BYTES,
            keep_alive: false,
        }
    }

    /// Only what the filter takes.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// The registry keeps the subscriber alive as long as it lives itself, for a subscriber that
    /// nobody else owns.
    #[must_use]
    pub fn kept_alive(mut self) -> Self {
        self.keep_alive = true;
        self
    }

    /// How many events may wait; at least 1.
    #[must_use]
    pub fn capacity(mut self, events: usize) -> Self {
        self.capacity = events;
        self
    }

    /// How many bytes of events may wait, each with its texts; one always fits. Default
    /// [`DEFAULT_BYTES`](Self::DEFAULT_BYTES).
    #[must_use]
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }
}

impl Handler<Subscribe> for Registry {
    type Result = ();

    fn handle(&mut self, message: Subscribe, ctx: &mut Context<Self>) {
        // Those that hear only what is rare would be kept for long after they are gone.
        self.subscribers.retain(|_, other| other.is_there());
        let id = self.next_subscriber;
        self.next_subscriber += 1;
        // What is true now always fits; the bound is for what comes.
        let capacity = message.capacity.max(self.links.len());
        let present: Vec<Event> = self
            .links
            .values()
            .map(|(status, _)| status.present())
            .collect();
        let bytes = message.bytes.max(present.iter().map(Event::weight).sum());
        let mut subscriber = Subscriber::new(&message.recipient, message.filter, capacity, bytes);
        if message.keep_alive {
            subscriber.keep_alive(message.recipient);
        }
        for event in &present {
            subscriber.offer(event);
        }
        self.subscribers.insert(id, subscriber);
        self.deliver(id, ctx);
    }
}

/// Makes a subscriber of the registry's own: started on its arbiter, alive as long as it is.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Employ(Box<dyn FnOnce() -> Recipient<Event> + Send>);

impl Employ {
    pub(crate) fn new<A>(start: impl FnOnce() -> Addr<A> + Send + 'static) -> Self
    where
        A: Actor<Context = Context<A>> + Handler<Event>,
    {
        Self(Box::new(|| start().recipient()))
    }
}

impl Handler<Employ> for Registry {
    type Result = ();

    fn handle(&mut self, Employ(start): Employ, ctx: &mut Context<Self>) {
        self.handle(Subscribe::new(start()).kept_alive(), ctx);
    }
}

/// How all links stand, by name.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<LinkStatus>")]
pub struct Snapshot;

impl Handler<Snapshot> for Registry {
    type Result = MessageResult<Snapshot>;

    fn handle(&mut self, _: Snapshot, _: &mut Context<Self>) -> Self::Result {
        MessageResult(
            self.links
                .values()
                .map(|(status, last_used)| LinkStatus {
                    last_used: last_used.get(),
                    ..status.clone()
                })
                .collect(),
        )
    }
}

/// How many bytes of events wait for subscribers.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "usize")]
pub struct QueuedBytes;

impl Handler<QueuedBytes> for Registry {
    type Result = usize;

    fn handle(&mut self, _: QueuedBytes, _: &mut Context<Self>) -> usize {
        self.subscribers.values().map(Subscriber::weight).sum()
    }
}

/// Something happened.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Tell {
    pub(crate) event: Event,
    /// Tells a link from an earlier one of the same name, which may still be on its way out.
    pub(crate) teller: LastUsed,
}

impl Handler<Tell> for Registry {
    type Result = ();

    fn handle(&mut self, Tell { event, teller }: Tell, ctx: &mut Context<Self>) {
        if let Some((status, last_used)) = self.links.get_mut(&event.link)
            && last_used.is(&teller)
        {
            status.apply(&event);
        }
        self.broadcast(&event, ctx);
        match &event.kind {
            EventKind::Connected | EventKind::Reconnected { .. } | EventKind::GaveUp { .. } => {
                self.answer_ready();
            }
            EventKind::Connecting
            | EventKind::ConnectFailed { .. }
            | EventKind::Disconnected { .. }
            | EventKind::Reconnecting { .. }
            | EventKind::Stopped
            | EventKind::Present { .. }
            | EventKind::CircuitOpened { .. }
            | EventKind::CircuitHalfOpen
            | EventKind::CircuitClosed { .. }
            | EventKind::Missed { .. }
            | EventKind::Notice(_)
            | EventKind::TopologyChanged { .. }
            | EventKind::TopologyFailed { .. } => {}
        }
    }
}

/// A link exists.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Register {
    pub(crate) link: LinkName,
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) breaker: Option<BreakerState>,
    pub(crate) last_used: LastUsed,
}

impl Handler<Register> for Registry {
    type Result = ();

    fn handle(&mut self, message: Register, _: &mut Context<Self>) {
        let mut status = LinkStatus::new(message.link.clone(), message.endpoint);
        status.breaker = message.breaker;
        self.links.insert(message.link, (status, message.last_used));
    }
}

/// A link is gone.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Unregister {
    pub(crate) link: LinkName,
    pub(crate) last_used: LastUsed,
}

impl Handler<Unregister> for Registry {
    type Result = ();

    fn handle(&mut self, message: Unregister, _: &mut Context<Self>) {
        if let Some((_, last_used)) = self.links.get(&message.link)
            && last_used.is(&message.last_used)
        {
            self.links.remove(&message.link);
        }
    }
}
