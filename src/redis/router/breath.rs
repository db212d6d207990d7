//! A router's mailbox never keeps its thread to itself: [`Breath`].
//!
//! actix drains a mailbox to its end before it polls anything else of that actor, or lets another
//! task of the thread run. Kept full, by callers that are faster than the router, it would starve
//! every socket and timer of the arbiter: a million messages kept a timer of 10 ms from firing for
//! 5 s. So after a few messages a router lets the thread's other tasks run, and looks after what
//! is due of its own: its futures are polled only once its mailbox is empty.

use std::pin::Pin;
use std::task;
use std::task::Poll;

use actix::{ActorFuture, AsyncContext, Context};
use actix_rt::task::JoinHandle;

use crate::redis::router::router::{Router, Topology};

/// Messages that are taken out of the mailbox in one go; some 100 µs.
const AT_ONCE: u32 = 64;

impl<T: Topology> Router<T> {
    /// To be called for each message that anybody may send.
    pub(crate) fn breathe(&mut self, ctx: &mut Context<Self>) {
        self.core.since_breath += 1;
        if self.core.since_breath == AT_ONCE {
            self.core.since_breath = 0;
            // Not a wait for anything: the mailbox goes on in the thread's next round.
            ctx.wait(Breath { polled: false });
        }
    }
}

/// Ready when it is polled a second time.
struct Breath {
    polled: bool,
}

impl<T: Topology> ActorFuture<Router<T>> for Breath {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        router: &mut Router<T>,
        ctx: &mut Context<Router<T>>,
        cx: &mut task::Context<'_>,
    ) -> Poll<()> {
        if self.polled {
            router.core.place_overdue(ctx);
            return Poll::Ready(());
        }
        self.polled = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A task beside its actor, which ends with it.
pub(crate) struct OwnTask(JoinHandle<()>);

impl OwnTask {
    pub(crate) fn start(task: impl Future<Output = ()> + 'static) -> Self {
        Self(actix_rt::spawn(task))
    }
}

impl Drop for OwnTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}
