//! What a lane holds under its lock: [`State`], and the [`Phase`] of its link.

use std::collections::VecDeque;
use std::task::Waker;
use std::time::Instant;

use crate::exit::{Cause, CauseKind};
use crate::redis::request::Request;

#[derive(Debug)]
pub(super) struct State {
    pub(super) queue: VecDeque<Request>,
    pub(super) weight: usize,
    /// Requests that connections have taken, ever.
    pub(super) taken: u64,
    pub(super) phase: Phase,
    /// No waiting request has an earlier deadline.
    pub(super) earliest: Option<Instant>,
    /// Takes requests while the link is up.
    pub(super) consumer: Option<Waker>,
    /// Expires them while it is not.
    pub(super) keeper: Option<Waker>,
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

    pub(super) fn note_deadline(&mut self, deadline: Instant) -> bool {
        let sooner = self.earliest.is_none_or(|earliest| deadline < earliest);
        if sooner {
            self.earliest = Some(deadline);
        }
        sooner
    }

    pub(super) fn clear(&mut self) -> Vec<Request> {
        self.weight = 0;
        self.earliest = None;
        std::mem::take(&mut self.queue).into()
    }
}

pub(super) fn earlier(known: Option<Instant>, other: Instant) -> Instant {
    known.map_or(other, |known| known.min(other))
}
