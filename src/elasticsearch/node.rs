//! One node, as its link, its connection actor and the callers share it: [`Node`].

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::elasticsearch::error::Error;
use crate::elasticsearch::request::Request;
use crate::elasticsearch::response::Response;
use crate::elasticsearch::rotation::{Phase, Standing};
use crate::elasticsearch::settings::ElasticSettings;
use crate::elasticsearch::url::NodeUrl;
use crate::elasticsearch::wire::{Fault, Written};
use crate::event::{Event, EventKind};
use crate::exit::{Cause, CauseKind};
use crate::link::Circuit;
use crate::policy::{Backoff, BreakerSettings};

/// A node that is busy and does not say for how long is left alone for the first of these, and up
/// to the second.
const REST: Duration = Duration::from_millis(100);
const REST_MOST: Duration = Duration::from_secs(5);

/// A request on its way to a node.
pub(super) struct Job {
    pub(super) request: Request,
    /// The node's time for it ends then.
    pub(super) due: Instant,
    /// That is half of all the time it had, at least: if it is late, the node is to blame. Of one
    /// that waited for longer nobody can tell whether the node would have answered.
    pub(super) fair: bool,
    pub(super) written: Written,
    pub(super) answer: oneshot::Sender<Result<Response, Fault>>,
}

/// Shared by the callers, from any thread, and the link.
pub(super) struct Node {
    pub(super) url: NodeUrl,
    /// It was given by the user, and stays whatever the others say.
    pub(super) is_seed: AtomicBool,
    pub(super) circuit: Option<Circuit>,
    /// One permit for each request that may be under way.
    pub(super) room: Arc<Semaphore>,
    state: Mutex<State>,
    /// Of the whole cluster: something changed.
    changed: Arc<watch::Sender<()>>,
}

struct State {
    phase: Phase,
    /// To the connection actor that is up.
    lane: Option<mpsc::UnboundedSender<Job>>,
    /// Why the last connection actor ended.
    loss: Option<Cause>,
    busy_until: Option<Instant>,
    /// How often in a row it was told to rest.
    busy: u32,
}

impl Node {
    pub(super) fn new(
        url: NodeUrl,
        is_seed: bool,
        settings: &ElasticSettings,
        changed: &Arc<watch::Sender<()>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            url,
            is_seed: AtomicBool::new(is_seed),
            circuit: settings.link.circuit(Some(BreakerSettings::default())),
            room: Arc::new(Semaphore::new(settings.limits.in_flight)),
            state: Mutex::new(State {
                phase: Phase::Down(None, false),
                lane: None,
                loss: None,
                busy_until: None,
                busy: 0,
            }),
            changed: Arc::clone(changed),
        })
    }

    pub(super) fn standing(&self, passed_over: bool) -> Standing {
        let state = self.lock();
        Standing {
            phase: state.phase.clone(),
            passed_over,
            busy_until: state.busy_until.map(Instant::into_std),
            has_room: self.room.available_permits() > 0,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.lock().phase == Phase::Up
    }

    /// It is down, and its next attempt waits for a backoff.
    pub(super) fn waits(&self) -> bool {
        matches!(self.lock().phase, Phase::Down(_, true))
    }

    /// Why it is down, if it is.
    pub(super) fn failure(&self) -> Option<Cause> {
        match &self.lock().phase {
            Phase::Down(cause, _) => cause.clone(),
            Phase::Parked(cause) => Some(cause.clone()),
            Phase::Up | Phase::Stopped => None,
        }
    }

    pub(super) fn is_parked(&self) -> bool {
        matches!(self.lock().phase, Phase::Parked(_))
    }

    /// Hands it to the connection actor; gives it back if there is none.
    pub(super) fn send(&self, job: Job) -> Result<(), Job> {
        match &self.lock().lane {
            Some(lane) => lane.send(job).map_err(|refused| refused.0),
            None => Err(job),
        }
    }

    /// The connection actor is ready to take jobs.
    pub(super) fn open(&self, lane: mpsc::UnboundedSender<Job>) {
        let mut state = self.lock();
        state.lane = Some(lane);
        state.busy_until = None;
        state.busy = 0;
    }

    /// The connection actor takes no more jobs.
    pub(super) fn shut(&self) {
        self.lock().lane = None;
    }

    /// The connection actor is about to end, and what it does for callers with it.
    pub(super) fn lose(&self, cause: &Cause) {
        let mut state = self.lock();
        state.lane = None;
        state.loss = Some(cause.clone());
    }

    /// What a caller is told whose request was dropped with the connection actor.
    pub(super) fn cause_of_loss(&self) -> Cause {
        let cause = self.lock().loss.clone();
        cause.unwrap_or_else(|| CauseKind::Closed.into())
    }

    /// It asked to be left alone.
    pub(super) fn rest(&self, asked: Option<Duration>) {
        let mut state = self.lock();
        let now = Instant::now();
        // It rests already: what was on its way is no further reason, unless it asks for longer.
        let rests = state.busy_until.is_some_and(|until| until > now);
        if rests && asked.is_none() {
            return;
        }
        if !rests {
            state.busy = state.busy.saturating_add(1);
        }
        let rest = asked.unwrap_or_else(|| {
            let backoff = Backoff::exponential(REST, 2.0)
                .and_then(|it| it.capped(REST_MOST))
                .unwrap_or_default();
            backoff.delay(state.busy, Duration::ZERO, &mut rand::rng())
        });
        state.busy_until = state.busy_until.max(Some(now + rest));
    }

    /// It does its work again.
    pub(super) fn works(&self) {
        let mut state = self.lock();
        // Still under its own word: an answer that was on its way says nothing.
        if state.busy_until.is_none_or(|until| until <= Instant::now()) {
            state.busy = 0;
            state.busy_until = None;
        }
    }

    /// What the link tells.
    pub(super) fn observe(&self, event: &Event) {
        let mut state = self.lock();
        let phase = match &event.kind {
            EventKind::Connected | EventKind::Reconnected { .. } => Phase::Up,
            EventKind::Disconnected { cause } | EventKind::ConnectFailed { cause, .. } => {
                Phase::Down(Some(cause.clone()), false)
            }
            EventKind::Reconnecting { cause, .. } => Phase::Down(Some(cause.clone()), true),
            EventKind::GaveUp { cause, .. } => Phase::Parked(cause.clone()),
            EventKind::Stopped => Phase::Stopped,
            // Keeps the cause, unless a parked or stopped link is tried again.
            EventKind::Connecting => match &state.phase {
                Phase::Down(cause, _) => Phase::Down(cause.clone(), false),
                Phase::Parked(_) | Phase::Stopped | Phase::Up => Phase::Down(None, false),
            },
            _ => return,
        };
        state.phase = phase;
        drop(state);
        self.changed.send_replace(());
    }

    /// Its link is gone.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.phase = Phase::Stopped;
        state.lane = None;
        drop(state);
        self.changed.send_replace(());
    }

    /// An error that happened here.
    pub(super) fn at(&self, error: Error) -> Error {
        error.at(self.url.endpoint())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> Arc<Node> {
        let settings = ElasticSettings::from_urls(["http://h"]).expect("valid");
        let url = settings.nodes[0].clone();
        Node::new(url, true, &settings, &Arc::new(watch::Sender::new(())))
    }

    fn rests_for(node: &Node) -> Duration {
        let until = node.lock().busy_until.expect("it rests");
        until.saturating_duration_since(Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn many_answers_of_one_moment_are_one_reason_to_rest() {
        let node = node();
        for burst in 1..=3 {
            for _ in 0..64 {
                node.rest(None);
            }
            let most = REST * 2_u32.pow(burst - 1);
            assert!(rests_for(&node) <= most, "{:?}", rests_for(&node));
            tokio::time::advance(most).await;
        }
        node.works();
        node.rest(None);
        assert!(rests_for(&node) <= REST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_nodes_own_word_is_not_shortened() {
        let node = node();
        let asked = Duration::from_secs(30);
        node.rest(Some(asked));
        node.rest(None);
        node.rest(Some(Duration::from_secs(1)));
        assert_eq!(rests_for(&node), asked);
        // Nor is a longer one that comes later lost.
        node.rest(Some(asked * 2));
        assert_eq!(rests_for(&node), asked * 2);
    }
}
