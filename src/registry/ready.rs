//! Waiting for links to come up: [`Ready`].

use std::time::Duration;

use actix::{ActorFutureExt, Context, Handler, Message, ResponseActFuture, WrapFuture};
use tokio::sync::oneshot;

use crate::endpoint::LinkName;
use crate::event::LinkState;
use crate::exit::{Cause, CauseKind};
use crate::registry::registry::Registry;

/// Waits until these links are up, at most for `timeout`. Ends early when one of them is parked:
/// it does not come up by itself soon.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), NotReady>")]
pub struct Ready {
    /// The links; none means all that are registered now, which may be none at all.
    pub links: Vec<LinkName>,
    /// How long to wait.
    pub timeout: Duration,
}

/// Not all of the links came up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotReady {
    /// Not in time.
    #[error("{link} is not up after {waited:?}{}", after_colon(.cause.as_ref()))]
    Late {
        /// How long was waited.
        waited: Duration,
        /// The first that is not up.
        link: LinkName,
        /// Its last failure, if there was one.
        cause: Option<Cause>,
    },
    /// This one has given up fast attempts, for this cause.
    #[error("{link} is parked: {cause}")]
    Parked {
        /// Which.
        link: LinkName,
        /// Why.
        cause: Cause,
    },
    /// The registry has ended.
    #[error("the registry has ended")]
    Gone,
}

fn after_colon(cause: Option<&Cause>) -> String {
    cause.map_or_else(String::new, |cause| format!(": {cause}"))
}

/// Somebody who waits for links.
#[derive(Debug)]
pub(super) struct ReadyWaiter {
    links: Vec<LinkName>,
    answer: oneshot::Sender<Result<(), NotReady>>,
}

impl Handler<Ready> for Registry {
    type Result = ResponseActFuture<Self, Result<(), NotReady>>;

    fn handle(&mut self, message: Ready, _: &mut Context<Self>) -> Self::Result {
        let links = if message.links.is_empty() {
            self.links.keys().cloned().collect()
        } else {
            message.links
        };
        let (answer, ready) = oneshot::channel();
        let waiter = ReadyWaiter {
            links: links.clone(),
            answer,
        };
        self.ready_waiters.push(waiter);
        self.answer_ready();
        let waited = message.timeout;
        let ready = tokio::time::timeout(waited, ready).into_actor(self);
        Box::pin(ready.map(move |ready, registry, _| match ready {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(NotReady::Gone),
            Err(_) => registry.late(&links, waited),
        }))
    }
}

impl Registry {
    /// Answers those whose links are all up, or will not be soon.
    pub(super) fn answer_ready(&mut self) {
        for waiter in std::mem::take(&mut self.ready_waiters) {
            match self.readiness(&waiter.links) {
                // An error means that nobody waits any more.
                Some(answer) => drop(waiter.answer.send(answer)),
                None if waiter.answer.is_closed() => {}
                None => self.ready_waiters.push(waiter),
            }
        }
    }

    /// Which is not up after this time, and why.
    fn late(&self, links: &[LinkName], waited: Duration) -> Result<(), NotReady> {
        let status = |link: &LinkName| self.links.get(link).map(|(status, _)| status);
        let up = |link: &LinkName| status(link).is_some_and(|it| it.state == LinkState::Up);
        let Some(link) = links.iter().find(|link| !up(link)) else {
            return Ok(());
        };
        Err(NotReady::Late {
            waited,
            link: link.clone(),
            cause: status(link).and_then(|status| status.last_error.clone()),
        })
    }

    /// None: they may still come up.
    fn readiness(&self, links: &[LinkName]) -> Option<Result<(), NotReady>> {
        let mut all_up = true;
        for link in links {
            let status = self.links.get(link).map(|(status, _)| status);
            match status.map(|status| status.state) {
                Some(LinkState::Up) => {}
                Some(LinkState::Parked) => {
                    let cause = status.and_then(|status| status.last_error.clone());
                    return Some(Err(NotReady::Parked {
                        link: link.clone(),
                        cause: cause.unwrap_or_else(|| CauseKind::Unexplained.into()),
                    }));
                }
                _ => all_up = false,
            }
        }
        all_up.then_some(Ok(()))
    }
}
