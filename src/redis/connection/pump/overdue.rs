//! Requests whose time has passed while they were in flight.

use std::task::Context;
use std::time::{Duration, Instant};

use crate::redis::connection::ending::Wish;
use crate::redis::connection::pump::Pump;
use crate::redis::handoff::Reason;
use crate::redis::request::Request;

impl Pump {
    /// Takes out what is overdue: it is counted, then answered or given back.
    pub(super) fn expire(&mut self, cx: &Context<'_>, now: Instant) {
        let newest = self.in_flight.newest();
        if self.large && newest.is_some_and(|request| request.due <= now) {
            self.keep_large();
        }
        let mut expired = self.in_flight.expire(now);
        for request in &mut expired {
            let given = if request.due < request.deadline {
                // An attempt with a time of its own, all of which it had.
                Duration::ZERO
            } else {
                request.timeout
            };
            self.tally.overdue(&mut request.mark, given);
        }
        // Before anybody hears of it: who is answered calls again. One that is only drained says
        // nothing of the connection that follows.
        if self.ending.wish() == Wish::Run {
            self.tally.end();
        }
        if !expired.is_empty() {
            // They made room for what waits in the lane.
            cx.waker().wake_by_ref();
        }
        for request in expired {
            self.overdue(request, now);
        }
    }

    /// Answers a request whose deadline passed; gives back one whose attempt took too long.
    fn overdue(&self, mut request: Request, now: Instant) {
        match self.lane.endpoint() {
            Some(endpoint) if request.deadline > now => {
                request.asking = false;
                let timeout = request.policy(&self.config.retry).attempt_timeout;
                let reason = Reason::Unanswered(timeout.unwrap_or_default());
                self.handoff.bounce(request, endpoint, reason);
            }
            endpoint => request.expire(endpoint),
        }
    }
}
