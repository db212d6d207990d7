//! The actor [`Manager`]: holds members by name.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, MessageResult, ResponseFuture};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::sync::{Mutex, watch};

use crate::endpoint::LinkName;
use crate::guarded::drop_guarded;
use crate::manager::escalation::{Escalation, Strategy};
use crate::manager::everybody::stop_one;
use crate::manager::member::{Member, OpenError, Opening};
use crate::manager::roster::{NotRegistered, Roster};
use crate::policy::{CrashLog, Intensity};
use crate::registry::{Filter, Registry, Subscribe};

type Opened = Result<Arc<dyn Member>, OpenError>;
type Open = Box<dyn FnMut(Opening) -> LocalBoxFuture<'static, Opened> + Send>;

/// Holds named links of any kind: starts and stops them in order, tells who is connected, and
/// decides what a link that has given up means for the others.
///
/// It carries no data: what a caller needs of a member it gets once ([`Get`]), as a handle.
pub struct Manager {
    pub(super) shared: Rc<Shared>,
    pub(super) restarts: CrashLog,
}

/// What its longer works need.
pub(super) struct Shared {
    pub(super) registry: Addr<Registry>,
    pub(super) members: RefCell<Roster<Held>>,
    /// Starting, stopping and restarting members: one such work at a time.
    pub(super) turn: Mutex<()>,
    /// How often all was stopped; also told when a member is removed. It ends starts.
    pub(super) stops: watch::Sender<u64>,
    pub(super) strategy: Strategy,
    pub(super) escalated: RefCell<Option<Escalated>>,
}

pub(super) type Escalated = Box<dyn FnMut(&Escalation) + Send>;

/// A member, and how to make it.
pub(super) struct Held {
    pub(super) open: Rc<RefCell<Open>>,
    pub(super) running: Option<Arc<dyn Member>>,
}

/// How a manager is set up.
#[derive(Default)]
#[must_use = "it is not started"]
pub struct Setup {
    registry: Option<Addr<Registry>>,
    strategy: Strategy,
    intensity: Intensity,
    escalated: Option<Escalated>,
    members: Roster<Held>,
}

impl Manager {
    /// A manager to be set up and started.
    #[expect(
        clippy::new_ret_no_self,
        reason = "it is an actor: it is set up, then started"
    )]
    pub fn new() -> Setup {
        Setup::default()
    }
}

impl Setup {
    /// The registry that tells of its links. Default: one of its own.
    pub fn registry(mut self, registry: &Addr<Registry>) -> Self {
        self.registry = Some(registry.clone());
        self
    }

    /// Whom a link that has given up takes with it. Default: nobody.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// How many restarts of members are too many; beyond that it makes none any more. Default: 5
    /// in 60 s.
    pub fn intensity(mut self, intensity: Intensity) -> Self {
        self.intensity = intensity;
        self
    }

    /// Told of each link that has given up, before anything is done about it. It must not block.
    pub fn on_escalation(mut self, told: impl FnMut(&Escalation) + Send + 'static) -> Self {
        self.escalated = Some(Box::new(told));
        self
    }

    /// Adds a member, as sending it to the manager does.
    ///
    /// # Errors
    ///
    /// Its name is taken or overlaps with another, or it is to start after one that is not there.
    pub fn member(mut self, member: Register) -> Result<Self, NotRegistered> {
        member.add_to(&mut self.members)?;
        Ok(self)
    }

    /// Starts the manager on the current arbiter; its members' links will live there too.
    ///
    /// # Panics
    ///
    /// Outside of an actix arbiter or a tokio `LocalSet`.
    pub fn start(self) -> Addr<Manager> {
        let registry = self.registry.unwrap_or_else(Registry::start_new);
        Manager {
            restarts: CrashLog::new(self.intensity),
            shared: Rc::new(Shared {
                registry,
                members: RefCell::new(self.members),
                turn: Mutex::new(()),
                stops: watch::Sender::new(0),
                strategy: self.strategy,
                escalated: RefCell::new(self.escalated),
            }),
        }
        .start()
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("strategy", &self.strategy)
            .field("intensity", &self.intensity)
            .finish_non_exhaustive()
    }
}

impl Actor for Manager {
    type Context = Context<Self>;

    #[expect(
        clippy::disallowed_methods,
        reason = "the first message to the registry"
    )]
    fn started(&mut self, ctx: &mut Context<Self>) {
        let gave_up = Subscribe::new(ctx.address()).filter(Filter::all().kinds(["gave_up"]));
        self.shared.registry.do_send(gave_up);
    }
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager")
            .field("members", &self.shared.members.borrow().names())
            .finish_non_exhaustive()
    }
}

/// Adds a member; it is not started. Members start in the order of their registration.
#[derive(Message)]
#[rtype(result = "Result<(), NotRegistered>")]
pub struct Register {
    name: LinkName,
    after: Vec<LinkName>,
    open: Open,
}

impl Register {
    /// A member of this name. `open` makes it and starts its links, on the manager's arbiter, each
    /// time it is started; it need not wait until they are up.
    pub fn new<M, F>(
        name: impl Into<LinkName>,
        mut open: impl FnMut(Opening) -> F + Send + 'static,
    ) -> Self
    where
        M: Member,
        F: Future<Output = Result<M, OpenError>> + 'static,
    {
        let open: Open = Box::new(move |opening| {
            let opened = open(opening);
            async move { Ok(Arc::new(opened.await?) as Arc<dyn Member>) }.boxed_local()
        });
        Self {
            name: name.into(),
            after: Vec::new(),
            open,
        }
    }

    /// It starts only once this one, registered before, is up, and is not started if that fails.
    #[must_use]
    pub fn after(mut self, name: impl Into<LinkName>) -> Self {
        self.after.push(name.into());
        self
    }

    fn add_to(self, members: &mut Roster<Held>) -> Result<(), NotRegistered> {
        let held = Held {
            open: Rc::new(RefCell::new(self.open)),
            running: None,
        };
        members.add(self.name, self.after, held)
    }
}

impl fmt::Debug for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Register")
            .field("name", &self.name)
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}

impl Handler<Register> for Manager {
    type Result = Result<(), NotRegistered>;

    fn handle(&mut self, message: Register, _: &mut Context<Self>) -> Self::Result {
        message.add_to(&mut self.shared.members.borrow_mut())
    }
}

/// A running member, as what it is; none if there is none of this name and type, or it does not
/// run.
pub struct Get<M> {
    name: LinkName,
    kind: PhantomData<fn() -> M>,
}

impl<M> Get<M> {
    /// The member of this name.
    pub fn new(name: impl Into<LinkName>) -> Self {
        Self {
            name: name.into(),
            kind: PhantomData,
        }
    }
}

impl<M> fmt::Debug for Get<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Get").field(&self.name).finish()
    }
}

impl<M: Member + Clone> Message for Get<M> {
    type Result = Option<M>;
}

impl<M: Member + Clone> Handler<Get<M>> for Manager {
    type Result = MessageResult<Get<M>>;

    fn handle(&mut self, message: Get<M>, _: &mut Context<Self>) -> Self::Result {
        let members = self.shared.members.borrow();
        let running = members
            .get(&message.name)
            .and_then(|entry| entry.member.running.clone());
        let member = running.and_then(|member| {
            let member: Arc<dyn Any + Send + Sync> = member;
            member.downcast_ref::<M>().cloned()
        });
        MessageResult(member)
    }
}

/// Stops a member and forgets it, also one that is being started; true if there was one. Members
/// that were to start after it no longer wait for it.
#[derive(Debug, Clone, Message)]
#[rtype(result = "bool")]
pub struct Remove {
    /// Which.
    pub name: LinkName,
    /// How long it may take to stop; then it is dropped.
    pub timeout: std::time::Duration,
}

impl Handler<Remove> for Manager {
    type Result = ResponseFuture<bool>;

    fn handle(&mut self, message: Remove, _: &mut Context<Self>) -> Self::Result {
        // Before anything is awaited: whoever starts others is not waited for.
        let removed = self.shared.members.borrow_mut().remove(&message.name);
        self.shared.stops.send_modify(|_| {});
        Box::pin(async move {
            let Some(held) = removed else { return false };
            if let Some(running) = held.running {
                stop_one(&running, message.timeout).await;
                drop_guarded(running);
            }
            drop_guarded(held.open);
            true
        })
    }
}
