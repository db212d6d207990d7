//! Starting and stopping all members: [`StartAll`], [`StopAll`].

use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Context, Handler, Message, ResponseFuture};
use futures_util::FutureExt;
use futures_util::future::{self, Either, LocalBoxFuture, join_all, select};
use tokio::time::{Instant, timeout_at};

use crate::endpoint::LinkName;
use crate::guarded::drop_guarded;
use crate::manager::manager::{Manager, Shared};
use crate::manager::member::{Member, Opening};

/// Longer than anybody waits: what is given beyond it has no end.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Starts all members that do not run. They are opened in the order of their registration, those
/// that need others once these are up; nobody waits for a member that it does not need. Tells for
/// each, in the same order, whether it is up.
///
/// One that was opened and is not up in time goes on trying all the same. A [`StopAll`] that is told
/// meanwhile ends it: see [`NotStarted::Stopped`].
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<(LinkName, Result<(), NotStarted>)>")]
pub struct StartAll {
    /// How long each may take to be opened and to come up, from when those it needs are up.
    pub timeout: Duration,
}

/// Why a member is not up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotStarted {
    /// It could not be opened: its configuration cannot work, or the code that opens it panicked.
    #[error("it cannot be opened: {0}")]
    Open(String),
    /// It runs, and is not up yet.
    #[error("{0}")]
    NotReady(String),
    /// It was not started, since this one, which it needs, is not up.
    #[error("it needs {0}, which is not up")]
    Needs(LinkName),
    /// It was told to stop, or removed, meanwhile.
    #[error("it was stopped meanwhile")]
    Stopped,
}

/// Stops all members that run, the last one first. Tells for each whether it ended in time. Starts
/// and restarts that are under way end at once.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<(LinkName, Result<(), StoppedLate>)>")]
pub struct StopAll {
    /// How long all of it may take, from when it is told; what is left then is dropped.
    pub timeout: Duration,
}

/// A member did not end in time, or its code panicked, and was dropped with whatever it was doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it did not stop in time and was dropped")]
pub struct StoppedLate;

impl Handler<StartAll> for Manager {
    type Result = ResponseFuture<Vec<(LinkName, Result<(), NotStarted>)>>;

    fn handle(&mut self, message: StartAll, _: &mut Context<Self>) -> Self::Result {
        let shared = Rc::clone(&self.shared);
        let since = shared.stops();
        Box::pin(async move {
            let _turn = shared.turn.lock().await;
            let names = shared.members.borrow().names();
            shared.start(names, message.timeout, since).await
        })
    }
}

impl Handler<StopAll> for Manager {
    type Result = ResponseFuture<Vec<(LinkName, Result<(), StoppedLate>)>>;

    fn handle(&mut self, message: StopAll, _: &mut Context<Self>) -> Self::Result {
        let shared = Rc::clone(&self.shared);
        let deadline = Instant::now() + message.timeout.min(FAR);
        shared.stops.send_modify(|stops| *stops += 1);
        Box::pin(async move {
            // Another stop may hold it for longer: what still runs then is dropped all the same.
            let _turn = timeout_at(deadline, shared.turn.lock()).await;
            let names = shared.members.borrow().names();
            shared.stop(names, deadline).await
        })
    }
}

/// The start of one member: those that need it await it, too.
type Starting<'a> = future::Shared<LocalBoxFuture<'a, Result<(), NotStarted>>>;

impl Shared {
    /// How often all was stopped by now.
    pub(super) fn stops(&self) -> u64 {
        *self.stops.borrow()
    }

    /// Waits until all is stopped once more `since` then, or this member is removed.
    async fn stopped(&self, name: &LinkName, since: u64) {
        let mut stops = self.stops.subscribe();
        while *stops.borrow_and_update() == since && self.members.borrow().get(name).is_some() {
            if stops.changed().await.is_err() {
                pending::<()>().await;
            }
        }
    }

    /// Starts these: each begins in this order, as soon as those it needs are up. It ends when all
    /// is stopped once more `since` then.
    pub(super) async fn start(
        &self,
        names: Vec<LinkName>,
        timeout: Duration,
        since: u64,
    ) -> Vec<(LinkName, Result<(), NotStarted>)> {
        let mut starts: Vec<(LinkName, Starting<'_>)> = Vec::with_capacity(names.len());
        for name in names {
            let needs = self.needs(&name);
            // Those it needs stand before it. One that is not among them runs, or is not waited for.
            let needs: Vec<_> = starts
                .iter()
                .filter(|(other, _)| needs.contains(other))
                .cloned()
                .collect();
            let own = name.clone();
            let start = async move {
                let starting = async {
                    for (needed, start) in needs {
                        start.await.map_err(|_| NotStarted::Needs(needed))?;
                    }
                    self.start_one(&own, timeout).await
                };
                match select(pin!(self.stopped(&own, since)), pin!(starting)).await {
                    Either::Left(_) => Err(NotStarted::Stopped),
                    Either::Right((started, _)) => started,
                }
            };
            starts.push((name, start.boxed_local().shared()));
        }
        let starts = starts.into_iter();
        join_all(starts.map(async |(name, start)| (name, start.await))).await
    }

    fn needs(&self, name: &LinkName) -> Vec<LinkName> {
        let members = self.members.borrow();
        members
            .get(name)
            .map(|entry| entry.after.clone())
            .unwrap_or_default()
    }

    async fn start_one(&self, name: &LinkName, timeout: Duration) -> Result<(), NotStarted> {
        let (open, running) = {
            let members = self.members.borrow();
            let Some(entry) = members.get(name) else {
                return Err(NotStarted::Stopped);
            };
            let held = &entry.member;
            (Rc::clone(&held.open), held.running.clone())
        };
        let deadline = Instant::now() + timeout.min(FAR);
        let running = match running {
            Some(running) => running,
            None => {
                let opening = Opening::new(name.clone(), self.registry.clone());
                let opened = guarded(async {
                    let opened = (open.borrow_mut())(opening);
                    opened.await
                });
                let late = |_| NotStarted::Open(format!("not done within {timeout:?}"));
                let opened = timeout_at(deadline, opened).await;
                let panicked = || NotStarted::Open(PANICKED.to_owned());
                let opened = opened.map_err(late)?.ok_or_else(panicked)?;
                let member = opened.map_err(|error| NotStarted::Open(error.to_string()))?;
                if let Some(entry) = self.members.borrow_mut().get_mut(name) {
                    entry.member.running = Some(Arc::clone(&member));
                }
                member
            }
        };
        // Whole milliseconds: it is told how long was waited.
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Duration::from_millis(left.as_micros().div_ceil(1_000) as u64);
        let ready = guarded(async { running.ready(left).await }).await;
        let panicked = || Err(PANICKED.to_owned());
        ready.unwrap_or_else(panicked).map_err(NotStarted::NotReady)
    }

    /// Stops these, the last one first.
    pub(super) async fn stop(
        &self,
        names: Vec<LinkName>,
        deadline: Instant,
    ) -> Vec<(LinkName, Result<(), StoppedLate>)> {
        let mut results = Vec::new();
        for name in names.into_iter().rev() {
            let running = self
                .members
                .borrow_mut()
                .get_mut(&name)
                .and_then(|entry| entry.member.running.take());
            if let Some(running) = running {
                let left = deadline.saturating_duration_since(Instant::now());
                let ended = stop_one(&running, left).await;
                drop_guarded(running);
                results.push((name, if ended { Ok(()) } else { Err(StoppedLate) }));
            }
        }
        results
    }
}

/// Whether it ended in time.
pub(super) async fn stop_one(member: &Arc<dyn Member>, timeout: Duration) -> bool {
    let timeout = timeout.min(FAR);
    let stopping = guarded(async { member.stop(timeout).await });
    matches!(tokio::time::timeout(timeout, stopping).await, Ok(Some(())))
}

/// What is told of code of a member that panicked.
const PANICKED: &str = "it panicked";

/// A member's own code: none if it panics, which is nobody else's matter.
async fn guarded<T>(work: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(work).catch_unwind().await.ok()
}
