//! What a lane holds under its lock: [`State`], and the [`Phase`] of its link.

use std::collections::VecDeque;
use std::task::Waker;
use std::time::Instant;

use crate::exit::{Cause, CauseKind};
use crate::redis::config::Waiting;
use crate::redis::lane::overdue::DeadlineOrder;
use crate::redis::request::Request;

#[derive(Debug)]
pub(super) struct State {
    pub(super) queue: VecDeque<Request>,
    pub(super) weight: usize,
    /// Requests that connections have taken and nobody has counted.
    pub(super) taken: usize,
    /// Whoever counts them will be told of this lane.
    pub(super) entered: bool,
    /// Requests brought here since those of callers that went away were last looked for.
    pub(super) unswept: usize,
    pub(super) phase: Phase,
    /// No waiting request has an earlier deadline.
    pub(super) earliest: Option<Instant>,
    /// Takes requests while the link is up.
    pub(super) consumer: Option<Waker>,
    /// How the deadlines stand in the queue.
    pub(super) order: DeadlineOrder,
    /// What was left while the lane was finishing.
    pub(super) left: Unfinished,
    /// Expires them while it is not.
    pub(super) keeper: Option<Waker>,
    /// Requests that were looked at to find the overdue ones.
    #[cfg(test)]
    pub(super) visited: usize,
}

/// Requests that a lane which was finishing could not finish.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Unfinished {
    /// They were never written.
    pub(crate) unsent: usize,
    /// They were written, and their connection ended without a reply.
    pub(crate) unanswered: usize,
}

/// What the link can do for a request.
#[derive(Debug, Clone)]
pub(super) enum Phase {
    Down(Option<Cause>),
    Up,
    Parked(Cause),
    /// Takes nothing more; what waits is still sent.
    Finishing,
    Closed,
}

impl State {
    /// Appends, and says whom to wake.
    #[inline]
    pub(super) fn push(&mut self, request: Request) -> Option<Waker> {
        let was_empty = self.queue.is_empty();
        let sooner = self.note_deadline(request.deadline);
        self.weight += request.weight();
        self.queue.push_back(request);
        match self.phase {
            // A consumer that has no room still expires what waits.
            Phase::Up if was_empty || sooner => self.consumer.clone(),
            Phase::Down(_) | Phase::Parked(_) if sooner => self.keeper.clone(),
            Phase::Up | Phase::Down(_) | Phase::Parked(_) | Phase::Finishing | Phase::Closed => {
                None
            }
        }
    }

    /// Whether there is room for this weight; one request always fits.
    #[inline]
    pub(super) fn has_room_for(&self, weight: usize, limits: &Waiting) -> bool {
        self.queue.is_empty()
            || (self.queue.len() < limits.requests && self.weight + weight <= limits.bytes)
    }

    /// Takes out those whose callers have gone: they kept their places only as long as nobody
    /// needed them. Looked for once in a sixteenth of the queue's length, so that a full queue
    /// of patient callers costs each who is refused a few looks and not all.
    pub(super) fn sweep(&mut self) -> Vec<Request> {
        if self.unswept.saturating_mul(16) < self.queue.len() {
            return Vec::new();
        }
        self.unswept = 0;
        let mut gone = Vec::new();
        let mut kept = VecDeque::with_capacity(self.queue.len());
        for request in std::mem::take(&mut self.queue) {
            if request.is_abandoned() {
                self.weight -= request.weight();
                gone.push(request);
            } else {
                kept.push_back(request);
            }
        }
        self.queue = kept;
        self.order.forget();
        gone
    }

    /// Whether its traffic is to be told; it is then.
    #[inline]
    pub(super) fn is_to_enter(&mut self) -> bool {
        let enters = self.taken > 0 && !self.entered;
        self.entered |= enters;
        enters
    }

    pub(super) fn why_down(&self) -> Option<Cause> {
        match &self.phase {
            Phase::Up | Phase::Finishing | Phase::Closed => None,
            Phase::Down(Some(cause)) | Phase::Parked(cause) => Some(cause.clone()),
            Phase::Down(None) => Some(Cause::new(
                CauseKind::Unavailable,
                "the first attempt has no answer yet",
            )),
        }
    }

    #[inline]
    pub(super) fn note_deadline(&mut self, deadline: Instant) -> bool {
        let sooner = self.earliest.is_none_or(|earliest| deadline < earliest);
        if sooner {
            self.earliest = Some(deadline);
        }
        sooner
    }

    /// While the lane is finishing, those that are overdue or refused are counted: nothing sends them
    /// any more.
    pub(super) fn note_unsent(&mut self, requests: &[Request]) {
        if matches!(self.phase, Phase::Finishing) {
            let unsent = requests.iter().filter(|request| !request.is_abandoned());
            self.left.unsent += unsent.count();
        }
    }

    pub(super) fn clear(&mut self) -> Vec<Request> {
        self.weight = 0;
        self.earliest = None;
        self.order.forget();
        std::mem::take(&mut self.queue).into()
    }
}
