//! What each phase of the link means for what waits: it is sent, kept, refused or given back.

use crate::endpoint::Endpoint;
use crate::exit::{Cause, CauseKind};
use crate::redis::config::WhenDown;
use crate::redis::error::{ErrorKind, Outcome};
use crate::redis::lane::Lane;
use crate::redis::lane::state::{Phase, State, Unfinished};
use crate::redis::request::Request;

impl Lane {
    /// The link is up: its connection takes what waits.
    pub(crate) fn up(&self) {
        self.set_phase(Phase::Up);
    }

    /// The link is down: requests wait, or fail, as configured. Without a cause the last one stands:
    /// the attempt that begins was made necessary by it.
    pub(crate) fn down(&self, cause: Option<Cause>) {
        let cause = cause.or_else(|| match &self.lock().phase {
            Phase::Down(last) => last.clone(),
            Phase::Parked(last) => Some(last.clone()),
            Phase::Up | Phase::Finishing | Phase::Closed => None,
        });
        self.set_phase(Phase::Down(cause));
    }

    /// The link is given up: what waits fails with its cause.
    pub(crate) fn park(&self, cause: Cause) {
        self.set_phase(Phase::Parked(cause));
    }

    /// Takes nothing more. What waits is still sent if the link is up; else it is answered *not
    /// sent*, and counted.
    pub(crate) fn finish(&self) -> usize {
        let mut state = self.lock();
        let was_up = matches!(state.phase, Phase::Up);
        state.phase = Phase::Finishing;
        if was_up {
            // Should its connection end before all is sent, the rest expires as everywhere.
            let keeper = state.keeper.clone();
            drop(state);
            if let Some(keeper) = keeper {
                keeper.wake();
            }
            return 0;
        }
        let refused = self.refuse_waiting(&mut state);
        let count = state.left.unsent;
        drop(state);
        refused.answer(self.endpoint.as_ref());
        count
    }

    /// Written, and their connection ended without a reply.
    pub(crate) fn note_unanswered(&self, requests: usize) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Finishing) {
            state.left.unanswered += requests;
        }
    }

    /// What could not be finished since [`Lane::finish`].
    pub(crate) fn unfinished(&self) -> Unfinished {
        self.lock().left
    }

    /// The link is gone for good; what waits is given back.
    pub(crate) fn close(&self) -> Vec<Request> {
        let mut state = self.lock();
        state.phase = Phase::Closed;
        let waiting = state.clear();
        let keeper = state.keeper.take();
        drop(state);
        if let Some(keeper) = keeper {
            keeper.wake();
        }
        waiting
    }

    fn set_phase(&self, phase: Phase) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Finishing | Phase::Closed) {
            return;
        }
        state.phase = phase;
        let refused = self.refuse_waiting(&mut state);
        let wakers = [state.keeper.clone(), state.consumer.clone()];
        drop(state);
        refused.answer(self.endpoint.as_ref());
        for waker in wakers.into_iter().flatten() {
            waker.wake();
        }
    }

    /// Why a request cannot wait in this phase; none if it can.
    #[inline]
    pub(super) fn why_not(&self, phase: &Phase) -> Option<ErrorKind> {
        match phase {
            Phase::Up => None,
            Phase::Down(cause) => match self.when_down {
                WhenDown::Wait => None,
                WhenDown::Fail if is_renewal(cause) => None,
                WhenDown::Fail => Some(ErrorKind::Down(cause.clone())),
            },
            Phase::Parked(cause) => Some(ErrorKind::Parked(cause.clone())),
            Phase::Finishing | Phase::Closed => Some(ErrorKind::Stopped),
        }
    }

    /// What may not wait in the present phase.
    pub(super) fn refuse_waiting(&self, state: &mut State) -> TurnedAway {
        let Some(kind) = self.why_not(&state.phase) else {
            return TurnedAway::default();
        };
        let refused = state.clear();
        state.note_unsent(&refused);
        TurnedAway(refused, Some(kind))
    }
}

/// The connection ended because somebody asked for a new one: the server is there, and whoever calls
/// waits for that. Should the new one fail, its cause takes this one's place.
fn is_renewal(cause: &Option<Cause>) -> bool {
    cause
        .as_ref()
        .is_some_and(|cause| cause.kind() == CauseKind::Requested)
}

/// Requests to be answered once the lock is released: answering wakes tasks.
#[derive(Default)]
pub(super) struct TurnedAway(Vec<Request>, Option<ErrorKind>);

impl TurnedAway {
    pub(super) fn answer(self, endpoint: Option<&Endpoint>) {
        let Some(kind) = self.1 else { return };
        for request in self.0 {
            request.fail(kind.clone(), Outcome::NotSent, endpoint);
        }
    }
}
