//! The end of a router: [`Shutdown`].

use std::time::{Duration, Instant};

use actix::dev::{MessageResponse, OneshotSender};
use actix::{
    ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, SpawnHandle, WrapFuture,
};
use serde::Serialize;
use tokio::sync::oneshot;

use crate::clock::now;
use crate::link::StopWithin;
use crate::redis::handoff::{Bounced, Reason};
use crate::redis::lane::Unfinished;
use crate::redis::router::node::NodeLink;
use crate::redis::router::router::{Router, Topology};

/// Ends the router gracefully: takes no more, sends what was accepted, waits for its replies,
/// closes every connection, then stops the actor.
///
/// A second one waits with the first and is answered as that is. Of their times the one that ends
/// first counts for both.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "ShutdownSummary")]
pub struct Shutdown {
    /// How long all of it may take, in place of `timeouts.drain`; what is left then is dropped, each
    /// request with its error.
    pub timeout: Duration,
}

/// How a [`Shutdown`] went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ShutdownSummary {
    /// Links that were closed.
    pub links: usize,
    /// Those of them that ended in time and left nothing unsent or unanswered.
    pub drained: usize,
    /// Requests that were accepted and could not be sent any more; each was answered *not sent*,
    /// or with what an earlier sending of it left.
    pub unsent: usize,
    /// Requests that were written, and whose connection was lost or dropped before their reply came;
    /// each was answered *unknown*.
    pub unanswered: usize,
}

/// A shutdown under way.
#[derive(Debug)]
pub(super) struct Ending {
    links: Vec<EndingLink>,
    /// Requests that waited for a first node or for their next sending, or are refused now.
    unsent: usize,
    /// When it ends at the latest; none if the clock cannot tell.
    latest: Option<Instant>,
    backstop: SpawnHandle,
    waiters: Vec<oneshot::Sender<ShutdownSummary>>,
}

#[derive(Debug)]
struct EndingLink {
    link: NodeLink,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Awaited,
    /// Its socket is closed.
    Told,
    /// Its arbiter ended, and all that it held with it.
    Lost,
}

/// The way of a summary to whoever asked.
#[derive(Debug)]
pub struct ShuttingDown(oneshot::Receiver<ShutdownSummary>);

impl<T: Topology> Handler<Shutdown> for Router<T> {
    type Result = ShuttingDown;

    fn handle(&mut self, Shutdown { timeout }: Shutdown, ctx: &mut Context<Self>) -> ShuttingDown {
        let (done, summary) = oneshot::channel();
        match &mut self.ending {
            Some(ending) => {
                ending.waiters.push(done);
                self.hasten(timeout, ctx);
            }
            None => self.begin_to_end(timeout, done, ctx),
        }
        ShuttingDown(summary)
    }
}

impl<T: Topology> Router<T> {
    fn begin_to_end(
        &mut self,
        timeout: Duration,
        done: oneshot::Sender<ShutdownSummary>,
        ctx: &mut Context<Self>,
    ) {
        let unplaced = self.core.shared.stop();
        let (links, put_off) = self.core.end();
        for (place, link) in links.iter().enumerate() {
            link.lane.finish();
            let stopped = link.link.send(StopWithin(timeout)).into_actor(self);
            ctx.spawn(stopped.map(move |stopped, router, ctx| {
                let end = stopped.map_or(End::Lost, |()| End::Told);
                router.link_ended(place, end, ctx);
            }));
        }
        let links = links.into_iter().map(|link| EndingLink {
            link,
            end: End::Awaited,
        });
        self.ending = Some(Ending {
            links: links.collect(),
            unsent: unplaced + put_off,
            latest: now().checked_add(timeout),
            backstop: self.arm_backstop(timeout, ctx),
            waiters: vec![done],
        });
        self.end_if_all_have(ctx);
    }

    /// A request comes back that is not sent again. One whose connection was lost was counted there.
    pub(super) fn refuse(&mut self, bounced: Bounced) {
        if let (Reason::Reply(_), Some(ending)) = (&bounced.reason, &mut self.ending) {
            ending.unsent += usize::from(!bounced.request.is_abandoned());
        }
        bounced.answer();
    }

    /// A second wish, perhaps with less patience.
    #[expect(
        clippy::disallowed_methods,
        reason = "once for each wish of an operator"
    )]
    fn hasten(&mut self, timeout: Duration, ctx: &mut Context<Self>) {
        let latest = self.ending.as_ref().and_then(|ending| ending.latest);
        let sooner = now().checked_add(timeout);
        let sooner = sooner.filter(|end| latest.is_none_or(|latest| *end < latest));
        if sooner.is_none() {
            return;
        }
        let backstop = self.arm_backstop(timeout, ctx);
        let Some(ending) = &mut self.ending else {
            return;
        };
        ending.latest = sooner;
        ctx.cancel_future(std::mem::replace(&mut ending.backstop, backstop));
        let awaited = |link: &&EndingLink| link.end == End::Awaited;
        for ending in ending.links.iter().filter(awaited) {
            ending.link.link.do_send(StopWithin(timeout));
        }
    }

    /// The links keep the time themselves, and tell what was left. An arbiter that is blocked keeps
    /// none.
    fn arm_backstop(&self, timeout: Duration, ctx: &mut Context<Self>) -> SpawnHandle {
        let latest = timeout.saturating_add(self.core.config.timeouts.kill);
        ctx.run_later(latest, |router, ctx| router.end_now(ctx))
    }

    fn link_ended(&mut self, place: usize, end: End, ctx: &mut Context<Self>) {
        let ending = self.ending.as_mut();
        if let Some(link) = ending.and_then(|ending| ending.links.get_mut(place)) {
            link.end = end;
        }
        self.end_if_all_have(ctx);
    }

    fn end_if_all_have(&mut self, ctx: &mut Context<Self>) {
        let has_ended = |link: &EndingLink| link.end != End::Awaited;
        let all = |ending: &Ending| ending.links.iter().all(has_ended);
        if self.ending.as_ref().is_some_and(all) {
            self.end_now(ctx);
        }
    }

    fn end_now(&mut self, ctx: &mut Context<Self>) {
        if let Some(ending) = self.ending.take() {
            ending.tell();
            ctx.stop();
        }
    }
}

impl Ending {
    /// Adds up what was left, and tells everybody who asked.
    fn tell(self) {
        let mut summary = ShutdownSummary {
            links: self.links.len(),
            drained: 0,
            unsent: self.unsent,
            unanswered: 0,
        };
        for EndingLink { link, end } in self.links {
            let waiting = link.lane.close().len();
            let Unfinished { unsent, unanswered } = link.lane.unfinished();
            if end == End::Told && unsent + waiting + unanswered == 0 {
                summary.drained += 1;
            }
            summary.unsent += unsent + waiting;
            summary.unanswered += unanswered;
        }
        for waiter in self.waiters {
            // An error means that nobody waits any more.
            let _ = waiter.send(summary);
        }
    }
}

impl<T: Topology> MessageResponse<Router<T>, Shutdown> for ShuttingDown {
    fn handle(self, _: &mut Context<Router<T>>, sender: Option<OneshotSender<ShutdownSummary>>) {
        let Some(sender) = sender else {
            return;
        };
        // Not in the router's context, which stops with the answer.
        actix_rt::spawn(async move {
            // Without a summary the router ended otherwise: then nobody answers.
            if let Ok(summary) = self.0.await {
                let _ = sender.send(summary);
            }
        });
    }
}
