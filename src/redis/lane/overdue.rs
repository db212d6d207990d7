//! Finding what is overdue in a long queue, at the cost of what is found.
//!
//! Calls mostly have the same time, so that deadlines stand in their order and the overdue ones in
//! front. Each request is looked at once to know that; only those that stand behind a later
//! deadline make the whole queue be looked through, and not at every instant.

use std::collections::VecDeque;
use std::time::Instant;

use crate::redis::lane::state::State;
use crate::redis::looking::{KEEP_PLACES, earlier, rest_after};
use crate::redis::request::Request;

/// What is known of the order of deadlines in a queue.
#[derive(Debug, Default)]
pub(super) struct DeadlineOrder {
    /// So many at the front were looked at.
    seen: usize,
    /// The latest deadline among them.
    latest: Option<Instant>,
    /// The earliest deadline among those of them that stand behind a later one.
    misplaced: Option<Instant>,
    /// The whole queue is not looked through again before.
    rests_until: Option<Instant>,
}

impl DeadlineOrder {
    /// So many left at the front.
    pub(super) fn left(&mut self, requests: usize) {
        self.seen = self.seen.saturating_sub(requests);
    }

    /// What is known no longer holds.
    pub(super) fn forget(&mut self) {
        *self = Self {
            rests_until: self.rests_until,
            ..Self::default()
        };
    }

    fn see(&mut self, deadline: Instant) {
        self.seen += 1;
        match self.latest {
            Some(latest) if deadline < latest => {
                self.misplaced = Some(earlier(self.misplaced, deadline));
            }
            _ => self.latest = Some(deadline),
        }
    }
}

impl State {
    /// Takes out what is overdue, and knows the next deadline. One that stands behind a later
    /// deadline, in a long queue, may come a little late.
    pub(super) fn take_overdue(&mut self, now: Instant) -> Vec<Request> {
        let mut overdue = Vec::new();
        while let Some(first) = self.queue.front()
            && first.deadline <= now
            && let Some(request) = self.queue.pop_front()
        {
            self.visit();
            self.order.left(1);
            overdue.push(request);
        }
        for place in self.order.seen..self.queue.len() {
            self.visit();
            self.order.see(self.queue[place].deadline);
        }
        let rests = self.order.rests_until.is_some_and(|until| now < until);
        if !rests
            && self
                .order
                .misplaced
                .is_some_and(|misplaced| misplaced <= now)
        {
            self.look_through(now, &mut overdue);
        }
        self.weight -= overdue.iter().map(Request::weight).sum::<usize>();
        if self.queue.is_empty() {
            self.order.forget();
            if self.queue.capacity() > KEEP_PLACES {
                self.queue = VecDeque::new();
            }
        }
        let first = self.queue.front().map(|request| request.deadline);
        let misplaced = self.order.misplaced.map(|misplaced| {
            let rest = self.order.rests_until.filter(|_| misplaced <= now);
            rest.unwrap_or(misplaced)
        });
        self.earliest = first.map(|first| earlier(misplaced, first));
        overdue
    }

    fn look_through(&mut self, now: Instant, overdue: &mut Vec<Request>) {
        let mut kept = VecDeque::with_capacity(self.queue.len());
        self.order.forget();
        for request in std::mem::take(&mut self.queue) {
            self.visit();
            if request.deadline <= now {
                overdue.push(request);
            } else {
                self.order.see(request.deadline);
                kept.push_back(request);
            }
        }
        self.queue = kept;
        self.order.rests_until = rest_after(self.queue.len()).map(|rest| now + rest);
    }

    fn visit(&mut self) {
        #[cfg(test)]
        {
            self.visited += 1;
        }
    }
}
