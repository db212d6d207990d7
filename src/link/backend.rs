//! What the supervision needs of a kind of connection: the [`Backend`] trait, and the
//! [`Lifeline`] each connection actor holds.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use actix::{Actor, Context, Handler, Message, WeakRecipient};

use crate::clock::now;
use crate::endpoint::Endpoint;
use crate::event::{Event, Notice};
use crate::exit::Cause;
use crate::link::circuit::Circuit;
use crate::link::life::Generation;
use crate::registry::LastUsed;

/// A kind of connection: makes one connection actor for each attempt.
///
/// The actor is born to hold one socket. [`Task`](crate::link::Task) is such an actor, made of one
/// future; one of your own dials in `started`, calls [`Lifeline::ready`] once it is usable, and stops
/// its context when the socket is gone, after saying why with [`Lifeline::exit`]. Everything it owns
/// is dropped with it: that is how the supervisor knows that the socket is closed. A panic in it is
/// seen and counted as a crash.
///
/// The kind of the [`Cause`] decides what follows: a transient one is tried again after a backoff,
/// a permanent one (`Denied`, `Certificate`, `Misconfigured`) parks the link; see
/// [`Class`](crate::exit::Class). An I/O error becomes a cause by `?` or [`Cause::from_io`].
///
/// ```
/// use everlink::endpoint::Endpoint;
/// use everlink::exit::{Cause, CauseKind};
/// use everlink::link::{Backend, Lifeline, Task};
/// use tokio::io::AsyncReadExt;
/// use tokio::net::TcpStream;
///
/// struct Ticker;
///
/// impl Backend for Ticker {
///     type Connection = Task;
///
///     fn endpoint(&self) -> Endpoint {
///         Endpoint::tcp("127.0.0.1", 7777)
///     }
///
///     fn connection(&mut self, lifeline: Lifeline) -> Task {
///         Task::new(lifeline.clone(), work(lifeline))
///     }
/// }
///
/// /// Reads until it cannot; the socket is this future's own.
/// async fn work(lifeline: Lifeline) -> Result<(), Cause> {
///     let mut stream = TcpStream::connect("127.0.0.1:7777").await?;
///     lifeline.ready();
///     let mut buffer = [0; 4096];
///     while stream.read(&mut buffer).await? > 0 {
///         lifeline.used();
///     }
///     Err(CauseKind::Closed.into())
/// }
/// ```
///
/// `examples/custom_backend.rs` is a whole program.
pub trait Backend: Sized + 'static {
    /// The connection actor.
    type Connection: Actor<Context = Context<Self::Connection>> + Handler<Close>;

    /// What is dialled. Shown in events and status.
    fn endpoint(&self) -> Endpoint;

    /// Makes the connection actor for one attempt; it is started by the supervisor.
    fn connection(&mut self, lifeline: Lifeline) -> Self::Connection;

    /// The breaker of this link, shared with whoever asks it before a call. Asked once. Default:
    /// none.
    fn circuit(&self) -> Option<Circuit> {
        None
    }

    /// Whether somebody waits for this link, as when requests are queued for it: when many links
    /// ask to dial at once, such links go first. Default: yes.
    fn wanted(&self) -> bool {
        true
    }

    /// Told of each event of this link, before any subscriber. Default: does nothing.
    fn observe(&mut self, event: &Event) {
        let _ = event;
    }
}

/// Sent to a connection actor: end.
///
/// It should stop its context soon; after the drain timeout (when draining) and the kill timeout
/// it is aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub enum Close {
    /// Take nothing more, finish what is in flight, then end.
    Drain,
    /// End at once.
    Now,
}

/// Ties a connection actor to its supervisor.
///
/// Cheap to clone: the actor keeps one, and a clone can go into the future that works the socket.
#[derive(Clone)]
pub struct Lifeline {
    generation: Generation,
    verdict: Rc<RefCell<Option<Cause>>>,
    supervisor: WeakRecipient<ChildSignal>,
    last_used: LastUsed,
}

/// From a connection actor to its supervisor.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) enum ChildSignal {
    Ready(Generation),
    Unhealthy(Generation, Cause),
    Notice(Generation, Notice),
}

impl Lifeline {
    pub(crate) fn new(
        generation: Generation,
        supervisor: WeakRecipient<ChildSignal>,
        last_used: LastUsed,
    ) -> (Self, Rc<RefCell<Option<Cause>>>) {
        let verdict = Rc::new(RefCell::new(None));
        let lifeline = Self {
            generation,
            verdict: Rc::clone(&verdict),
            supervisor,
            last_used,
        };
        (lifeline, verdict)
    }

    /// Which connection of the link this is.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The connection was used: shown as `last_used` in the link's status. Cheap, but meant to be
    /// called for a batch of requests rather than for each.
    pub fn used(&self) {
        self.last_used.touch(now());
    }

    #[cfg(feature = "redis")]
    pub(crate) fn last_used(&self) -> LastUsed {
        self.last_used.clone()
    }

    /// The connection is usable: the handshake is done.
    pub fn ready(&self) {
        self.signal(ChildSignal::Ready(self.generation));
    }

    /// The connection is no longer good and should be replaced; the supervisor closes it.
    pub fn unhealthy(&self, cause: Cause) {
        self.signal(ChildSignal::Unhealthy(self.generation, cause));
    }

    /// Tells news that only this kind of connection has: an event like the others, in order with
    /// them. Meant for what is rare, as events are, and not for each message.
    pub fn notice(&self, notice: Notice) {
        self.signal(ChildSignal::Notice(self.generation, notice));
    }

    /// Why the actor is about to end. The first cause given counts.
    pub fn exit(&self, cause: Cause) {
        self.verdict.borrow_mut().get_or_insert(cause);
    }

    fn signal(&self, signal: ChildSignal) {
        // A few in a connection's life: the mailbox bound does not matter here.
        if let Some(supervisor) = self.supervisor.upgrade() {
            #[expect(clippy::disallowed_methods, reason = "at most a few per connection")]
            supervisor.do_send(signal);
        }
    }
}

impl fmt::Debug for Lifeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lifeline")
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}
