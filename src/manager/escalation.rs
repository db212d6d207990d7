//! What a link that has given up means for the others: [`Strategy`], [`Escalation`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use actix::{AsyncContext, Context, Handler, WrapFuture};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::endpoint::LinkName;
use crate::event::{Event, EventKind};
use crate::exit::Cause;
use crate::manager::manager::{Manager, Shared};

/// How long the members of a restart may take to stop, and each to come up.
const RESTART: Duration = Duration::from_secs(10);

/// Whom a link that has given up takes with it: the strategies of Erlang/OTP supervisors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Strategy {
    /// Nobody: the link looks by itself whether its cause is gone.
    #[default]
    OneForOne,
    /// Its member and those registered after it are stopped and started anew.
    RestForOne,
    /// All members are stopped and started anew.
    OneForAll,
}

/// A link has given up fast attempts.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Escalation {
    /// The member it belongs to.
    pub member: LinkName,
    /// The link.
    pub link: LinkName,
    /// Why.
    pub cause: Cause,
    /// After how many attempts.
    pub attempts: u32,
    /// Members that are restarted because of it, in the order of starting.
    pub restarted: Vec<LinkName>,
    /// There were too many restarts lately: none is made.
    pub exhausted: bool,
}

impl Handler<Event> for Manager {
    type Result = ();

    fn handle(&mut self, event: Event, ctx: &mut Context<Self>) {
        let EventKind::GaveUp { cause, attempts } = &event.kind else {
            return;
        };
        let shared = Rc::clone(&self.shared);
        let (member, running, mut restarted) = {
            let members = shared.members.borrow();
            let Some(entry) = members.owner(&event.link) else {
                return;
            };
            let restarted = match shared.strategy {
                Strategy::OneForOne => Vec::new(),
                Strategy::RestForOne => members.from(&entry.name),
                Strategy::OneForAll => members.names(),
            };
            (
                entry.name.clone(),
                entry.member.running.is_some(),
                restarted,
            )
        };
        if !running {
            return;
        }
        let now = Instant::now().into_std();
        let exhausted = !restarted.is_empty() && self.restarts.record(now);
        if exhausted {
            restarted.clear();
        }
        shared.tell(&Escalation {
            member,
            link: event.link.clone(),
            cause: cause.clone(),
            attempts: *attempts,
            restarted: restarted.clone(),
            exhausted,
        });
        if restarted.is_empty() {
            return;
        }
        let since = shared.stops();
        let restart = async move {
            let _turn = shared.turn.lock().await;
            // Only those that run: one that was stopped meanwhile stays so.
            restarted.retain(|name| shared.runs(name));
            let deadline = Instant::now() + RESTART;
            shared.stop(restarted.clone(), deadline).await;
            shared.start(restarted, RESTART, since).await;
        };
        ctx.spawn(restart.into_actor(self));
    }
}

impl Shared {
    fn runs(&self, name: &LinkName) -> bool {
        let members = self.members.borrow();
        let entry = members.get(name);
        entry.is_some_and(|entry| entry.member.running.is_some())
    }

    fn tell(&self, escalation: &Escalation) {
        let told = self.escalated.borrow_mut().take();
        let Some(mut told) = told else { return };
        // A callback that panics is not asked again, and harms nobody else.
        if catch_unwind(AssertUnwindSafe(|| told(escalation))).is_ok() {
            *self.escalated.borrow_mut() = Some(told);
        }
    }
}
