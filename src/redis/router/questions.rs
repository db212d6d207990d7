//! What a router asks servers of its own accord: one command past the routes ([`ask`]), and which
//! commands there are.

use std::sync::Arc;
use std::time::Duration;

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use tokio::sync::oneshot;

use crate::clock::now;
use crate::endpoint::Endpoint;
use crate::redis::command::{Command, CommandTable, cmd};
use crate::redis::error::Error;
use crate::redis::lane::Lane;
use crate::redis::request::{Answer, Request, Responder};
use crate::redis::router::router::{Router, Topology};

/// Sends one command through a lane, past the routes.
pub(crate) async fn ask(lane: Arc<Lane>, command: Command, timeout: Duration) -> Answer {
    let (sender, answer) = oneshot::channel();
    let responder = Responder::One(sender);
    let request = Request::new(command, now() + timeout, timeout, responder);
    // A lane that is gone answers by the request's own guard.
    drop(lane.submit_own(request));
    answer.await.unwrap_or_else(|_| Err(Error::stopped()))
}

/// Whether the server was asked for its commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Learned {
    No,
    Asking,
    Yes,
}

impl<T: Topology> Router<T> {
    pub(super) fn learn_commands(&mut self, endpoint: &Endpoint, ctx: &mut Context<Self>) {
        if self.core.learned != Learned::No {
            return;
        }
        let Some(node) = self.core.nodes.get(endpoint) else {
            return;
        };
        self.core.learned = Learned::Asking;
        let timeout = self.core.config.timeouts.command;
        let asked = ask(Arc::clone(&node.main.lane), cmd("COMMAND"), timeout);
        ctx.spawn(asked.into_actor(self).map(|answer, router, _| {
            let table = answer.and_then(|value| CommandTable::from_reply(&value));
            router.core.learned = match table {
                Ok(table) => {
                    let table = Arc::new(table);
                    router.core.shared.publish(|routes| routes.table = table);
                    Learned::Yes
                }
                // Forbidden by an ACL, or lost: the built-in table serves; the next link that
                // comes up is asked again.
                Err(error) => {
                    tracing::debug!(target: "everlink", %error, "COMMAND failed");
                    Learned::No
                }
            };
        }));
    }
}
