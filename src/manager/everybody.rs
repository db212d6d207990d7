//! Starting and stopping all members: [`StartAll`], [`StopAll`].

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Context, Handler, Message, ResponseFuture};
use tokio::time::Instant;

use crate::endpoint::LinkName;
use crate::manager::manager::{Manager, Shared};
use crate::manager::member::{Member, Opening};

/// Starts all members that do not run, in order: each once those before it are up, or have had
/// their time. Tells for each whether it is up.
///
/// One that was opened and is not up in time goes on trying all the same.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<(LinkName, Result<(), NotStarted>)>")]
pub struct StartAll {
    /// How long each may take to come up.
    pub timeout: Duration,
}

/// Why a member is not up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotStarted {
    /// It could not be opened: its configuration cannot work.
    #[error("it cannot be opened: {0}")]
    Open(String),
    /// It runs, and is not up yet.
    #[error("it is not up: {0}")]
    NotReady(String),
    /// It was not started, since this one, which it needs, is not up.
    #[error("it needs {0}, which is not up")]
    Needs(LinkName),
}

/// Stops all members that run, the last one first. Tells for each whether it ended in time.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<(LinkName, Result<(), StoppedLate>)>")]
pub struct StopAll {
    /// How long all of it may take; what is left then is dropped.
    pub timeout: Duration,
}

/// A member did not end in time, and was dropped with whatever it was doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it did not stop in time and was dropped")]
pub struct StoppedLate;

impl Handler<StartAll> for Manager {
    type Result = ResponseFuture<Vec<(LinkName, Result<(), NotStarted>)>>;

    fn handle(&mut self, message: StartAll, _: &mut Context<Self>) -> Self::Result {
        let shared = Rc::clone(&self.shared);
        Box::pin(async move {
            let _turn = shared.turn.lock().await;
            let names = shared.members.borrow().names();
            shared.start(names, message.timeout).await
        })
    }
}

impl Handler<StopAll> for Manager {
    type Result = ResponseFuture<Vec<(LinkName, Result<(), StoppedLate>)>>;

    fn handle(&mut self, message: StopAll, _: &mut Context<Self>) -> Self::Result {
        let shared = Rc::clone(&self.shared);
        Box::pin(async move {
            let _turn = shared.turn.lock().await;
            let names = shared.members.borrow().names();
            shared.stop(names, message.timeout).await
        })
    }
}

impl Shared {
    /// Starts these, in this order.
    pub(super) async fn start(
        &self,
        names: Vec<LinkName>,
        timeout: Duration,
    ) -> Vec<(LinkName, Result<(), NotStarted>)> {
        let mut results: Vec<(LinkName, Result<(), NotStarted>)> = Vec::with_capacity(names.len());
        for name in names {
            let failed = |needed: &LinkName| {
                let result = results.iter().find(|(name, _)| name == needed);
                result.is_some_and(|(_, result)| result.is_err())
            };
            let needs = self.needs(&name);
            let started = match needs.into_iter().find(failed) {
                Some(needed) => Err(NotStarted::Needs(needed)),
                None => self.start_one(&name, timeout).await,
            };
            results.push((name, started));
        }
        results
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
                return Ok(());
            };
            let held = &entry.member;
            (Rc::clone(&held.open), held.running.clone())
        };
        let running = match running {
            Some(running) => running,
            None => {
                let opening = Opening::new(name.clone(), self.registry.clone());
                let opened = (open.borrow_mut())(opening);
                let opened = opened.await;
                let member = opened.map_err(|error| NotStarted::Open(error.to_string()))?;
                if let Some(entry) = self.members.borrow_mut().get_mut(name) {
                    entry.member.running = Some(Arc::clone(&member));
                }
                member
            }
        };
        running.ready(timeout).await.map_err(NotStarted::NotReady)
    }

    /// Stops these, the last one first.
    pub(super) async fn stop(
        &self,
        names: Vec<LinkName>,
        timeout: Duration,
    ) -> Vec<(LinkName, Result<(), StoppedLate>)> {
        let deadline = Instant::now() + timeout;
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
                results.push((name, if ended { Ok(()) } else { Err(StoppedLate) }));
            }
        }
        results
    }
}

/// Whether it ended in time.
pub(super) async fn stop_one(member: &Arc<dyn Member>, timeout: Duration) -> bool {
    tokio::time::timeout(timeout, member.stop(timeout))
        .await
        .is_ok()
}
