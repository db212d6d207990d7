//! Requests that a server could not serve yet, to be placed again in a moment: [`PutOff`].

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use actix::{AsyncContext, Context, SpawnHandle};

use crate::redis::config::Waiting;
use crate::redis::handoff::Refused;
use crate::redis::request::Request;
use crate::redis::router::router::{Core, Router, Topology, now};

/// Requests by the instant at which they are placed again. They stand in no lane, so they have a
/// bound of their own: as much as may wait for one link, for the whole router.
#[derive(Debug)]
pub(crate) struct PutOff {
    limits: Waiting,
    due: BTreeMap<Instant, Vec<Request>>,
    requests: usize,
    bytes: usize,
    timer: Option<(Instant, SpawnHandle)>,
}

impl PutOff {
    pub(crate) fn new(limits: Waiting) -> Self {
        Self {
            limits,
            due: BTreeMap::new(),
            requests: 0,
            bytes: 0,
            timer: None,
        }
    }

    fn has_room_for(&self, request: &Request) -> bool {
        self.requests == 0
            || (self.requests < self.limits.requests
                && self.bytes + request.weight() <= self.limits.bytes)
    }

    fn add(&mut self, due: Instant, request: Request) {
        self.requests += 1;
        self.bytes += request.weight();
        self.due.entry(due).or_default().push(request);
    }

    /// Takes those that are due at one instant, the first first.
    fn take_due(&mut self, now: Instant) -> Option<Vec<Request>> {
        let first = self.due.first_entry().filter(|first| *first.key() <= now)?;
        let requests = first.remove();
        self.requests -= requests.len();
        self.bytes -= requests.iter().map(Request::weight).sum::<usize>();
        Some(requests)
    }

    fn next(&self) -> Option<Instant> {
        self.due.first_key_value().map(|(due, _)| *due)
    }

    /// Takes them all.
    pub(crate) fn clear(&mut self) -> Vec<Request> {
        (self.requests, self.bytes) = (0, 0);
        std::mem::take(&mut self.due)
            .into_values()
            .flatten()
            .collect()
    }
}

impl Core {
    /// Keeps a request for a while, then places it again. If that is beyond its deadline, or if
    /// too many are kept already, the refusal is its answer.
    pub(crate) fn put_off<T: Topology>(
        &mut self,
        mut refused: Refused,
        ctx: &mut Context<Router<T>>,
    ) {
        let due = now() + pause_before(refused.request.put_offs);
        if due >= refused.request.deadline || !self.put_off.has_room_for(&refused.request) {
            refused.answer();
            return;
        }
        refused.request.put_offs = refused.request.put_offs.saturating_add(1);
        self.put_off.add(due, refused.remember());
        self.arm_put_off::<T>(ctx);
    }

    /// Arms the one timer, unless it is armed for an earlier instant.
    fn arm_put_off<T: Topology>(&mut self, ctx: &mut Context<Router<T>>) {
        let Some(due) = self.put_off.next() else {
            return;
        };
        if let Some((armed, handle)) = self.put_off.timer.take() {
            if armed <= due {
                self.put_off.timer = Some((armed, handle));
                return;
            }
            ctx.cancel_future(handle);
        }
        let wait = due.saturating_duration_since(now());
        let handle = ctx.run_later(wait, |router, ctx| {
            router.core.put_off.timer = None;
            router.core.place_due();
            router.core.arm_put_off::<T>(ctx);
        });
        self.put_off.timer = Some((due, handle));
    }

    fn place_due(&mut self) {
        let now = now();
        while let Some(requests) = self.put_off.take_due(now) {
            for request in requests {
                self.shared.place(request);
            }
        }
    }
}

/// How long a request that a server could not serve yet is put off: 10 ms, doubling, at most
/// 160 ms.
fn pause_before(put_offs: u8) -> Duration {
    Duration::from_millis(10 << put_offs.min(4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::command::cmd;
    use crate::redis::request::Responder;

    fn request(key: &str) -> Request {
        let wire = cmd("GET").arg(key).into_wire();
        Request::new(wire, now(), Duration::ZERO, Responder::Nobody)
    }

    #[test]
    fn it_holds_as_much_as_may_wait_for_one_link_and_counts_what_leaves() {
        let weight = request("a").weight();
        for limits in [
            Waiting::default().requests(2),
            Waiting::default().bytes(2 * weight),
        ] {
            let mut put_off = PutOff::new(limits);
            let soon = now();
            for late in [3, 1] {
                assert!(put_off.has_room_for(&request("a")), "{limits:?}");
                put_off.add(soon + Duration::from_secs(late), request("a"));
            }
            assert!(!put_off.has_room_for(&request("a")), "{limits:?}");
            assert_eq!(put_off.next(), Some(soon + Duration::from_secs(1)));
            let due = put_off.take_due(soon + Duration::from_secs(2));
            assert_eq!(due.map(|due| due.len()), Some(1));
            assert!(put_off.take_due(soon + Duration::from_secs(2)).is_none());
            assert!(put_off.has_room_for(&request("a")), "{limits:?}");
            assert_eq!(put_off.clear().len(), 1);
            assert_eq!((put_off.requests, put_off.bytes), (0, 0));
        }
        let tiny = PutOff::new(Waiting::default().bytes(1));
        assert!(tiny.has_room_for(&request("a")), "one always fits");
    }
}
