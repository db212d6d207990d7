//! Where a router lives: on the caller's arbiter, or on a thread of its own; and until when.

use std::pin::Pin;
use std::task::{self, Poll};
use std::thread;

use actix::{ActorContext, ActorFuture, Context};
use actix_rt::{Arbiter, System};
use tokio::sync::oneshot;

use crate::redis::error::{Error, Result};
use crate::redis::router::client::Client;
use crate::redis::router::router::{Router, Topology};

/// Whether an arbiter runs on this thread. One that has ended leaves its handle behind, but takes
/// nothing any more.
fn is_arbiter() -> bool {
    Arbiter::try_current().is_some_and(|arbiter| arbiter.spawn_fn(|| {}))
}

/// Starts a client here, if this is an actix arbiter; else on a new thread with a `System` of its
/// own, which ends with the client's router.
pub(crate) async fn run(open: impl FnOnce() -> Result<Client> + Send + 'static) -> Result<Client> {
    if is_arbiter() {
        return open();
    }
    let (sender, opened) = oneshot::channel();
    thread::Builder::new()
        .name("everlink".to_owned())
        .spawn(move || {
            System::new().block_on(async move {
                let opened = open();
                let ended = opened.as_ref().ok().map(Client::ended);
                // An error means that the caller does not wait any more: the client is dropped.
                drop(sender.send(opened));
                if let Some(ended) = ended {
                    ended.await;
                }
            });
        })
        .map_err(|error| Error::config(format!("no thread for the router: {error}")))?;
    opened.await.unwrap_or_else(|_| Err(Error::stopped()))
}

/// Stops a router once nobody holds its address: what it runs keeps it alive otherwise. One that is
/// ending does so in its time.
///
/// It needs no timer: the last address to go wakes the actor, and with it all that it runs. That goes
/// once more through the mailbox, since a last message may have come behind the look at it.
#[derive(Default)]
pub(crate) struct UntilUnheld {
    seen: bool,
}

impl<T: Topology> ActorFuture<Router<T>> for UntilUnheld {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        router: &mut Router<T>,
        ctx: &mut Context<Router<T>>,
        cx: &mut task::Context<'_>,
    ) -> Poll<()> {
        if ctx.connected() || router.ending.is_some() {
            self.seen = false;
        } else if self.seen {
            ctx.stop();
        } else {
            self.seen = true;
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}
