//! Requests that were not served yet, to be placed again in a moment: [`PutOff`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use actix::{AsyncContext, Context, SpawnHandle};

use crate::clock::now;
use crate::endpoint::Endpoint;
use crate::redis::handoff::Bounced;
use crate::redis::memory::Bounded;
use crate::redis::request::Request;
use crate::redis::router::router::{Core, Router, Topology};

/// Requests by the instant at which they are placed again. They stand in no lane, so they have a
/// bound of their own: as much as may wait for one link, for the whole router.
#[derive(Debug)]
pub(crate) struct PutOff {
    most: usize,
    due: BTreeMap<Instant, Vec<Held>>,
    requests: usize,
    bytes: Arc<Bounded>,
    timer: Option<(Instant, SpawnHandle)>,
}

/// A request that is put off.
#[derive(Debug)]
struct Held {
    request: Request,
    until: Until,
}

/// What it waits for, besides its instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Until {
    /// Nothing.
    Due,
    /// That this node's budget has a retry for it.
    Budget(Endpoint),
    /// The topology to be read anew; the instant is the latest.
    Topology,
}

impl PutOff {
    /// At most so many requests, and as many bytes as that bound allows.
    pub(crate) fn new(most: usize, bytes: &Arc<Bounded>) -> Self {
        Self {
            most,
            due: BTreeMap::new(),
            requests: 0,
            bytes: Arc::clone(bytes),
            timer: None,
        }
    }

    fn has_room_for(&self, weight: usize) -> bool {
        self.requests == 0 || (self.requests < self.most && self.bytes.has_room_for(weight))
    }

    fn add(&mut self, due: Instant, held: Held) {
        self.requests += 1;
        self.bytes.add_anyway(held.request.weight());
        self.due.entry(due).or_default().push(held);
    }

    /// Takes those that are due at one instant, the first first.
    fn take_due(&mut self, now: Instant) -> Option<Vec<Held>> {
        let first = self.due.first_entry().filter(|first| *first.key() <= now)?;
        let due = first.remove();
        self.requests -= due.len();
        self.bytes.subtract(weight_of(&due));
        Some(due)
    }

    fn take_waiting_for_topology(&mut self) -> Vec<Request> {
        let mut taken = Vec::new();
        for held in self.due.values_mut() {
            taken.extend(held.extract_if(.., |held| held.until == Until::Topology));
        }
        self.due.retain(|_, held| !held.is_empty());
        self.requests -= taken.len();
        self.bytes.subtract(weight_of(&taken));
        taken.into_iter().map(|held| held.request).collect()
    }

    fn next(&self) -> Option<Instant> {
        self.due.first_key_value().map(|(due, _)| *due)
    }

    /// Takes them all.
    pub(crate) fn clear(&mut self) -> Vec<Request> {
        self.requests = 0;
        let due = std::mem::take(&mut self.due);
        let all: Vec<Held> = due.into_values().flatten().collect();
        self.bytes.subtract(weight_of(&all));
        all.into_iter().map(|held| held.request).collect()
    }
}

fn weight_of(held: &[Held]) -> usize {
    held.iter().map(|held| held.request.weight()).sum()
}

impl Core {
    /// Keeps a request until then, at the latest; or answers it for want of room.
    pub(super) fn hold<T: Topology>(
        &mut self,
        bounced: Bounced,
        latest: Instant,
        until: Until,
        ctx: &mut Context<Router<T>>,
    ) {
        if !self.put_off.has_room_for(bounced.weight()) {
            bounced.answer();
            return;
        }
        let request = bounced.remember();
        self.put_off.add(latest, Held { request, until });
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

    /// Places what is due while the timer cannot fire, because the mailbox is not empty.
    pub(super) fn place_overdue<T: Topology>(&mut self, ctx: &mut Context<Router<T>>) {
        if let Some((_, handle)) = self.put_off.timer.take_if(|(armed, _)| *armed <= now()) {
            ctx.cancel_future(handle);
            self.place_due();
            self.arm_put_off::<T>(ctx);
        }
    }

    fn place_due(&mut self) {
        let now = now();
        while let Some(due) = self.put_off.take_due(now) {
            for held in due {
                let waits_on = match &held.until {
                    Until::Due | Until::Topology => false,
                    Until::Budget(node) => !self.pay_for_retry(node, now),
                };
                if held.request.deadline <= now {
                    held.request.expire(None);
                } else if waits_on {
                    let again = now + self.longest_pause(&held.request);
                    self.put_off.add(again.min(held.request.deadline), held);
                } else {
                    self.shared.place(held.request);
                }
            }
        }
    }

    /// Places what waited for the topology to be read anew.
    pub(super) fn begin_rounds(&mut self) {
        for request in self.put_off.take_waiting_for_topology() {
            self.shared.place(request);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::redis::command::cmd;
    use crate::redis::request::Responder;

    fn request(key: &str) -> Request {
        let command = cmd("GET").arg(key);
        Request::new(command, now(), Duration::ZERO, Responder::Nobody)
    }

    fn held(until: Until) -> Held {
        let request = request("a");
        Held { request, until }
    }

    #[test]
    fn what_waits_for_the_topology_is_taken_out_among_the_others() {
        let mut put_off = PutOff::new(10, &Arc::new(Bounded::new(usize::MAX)));
        for until in [
            Until::Due,
            Until::Topology,
            Until::Budget(Endpoint::tcp("a", 1)),
        ] {
            put_off.add(now(), held(until.clone()));
            put_off.add(now() + Duration::from_secs(1), held(until));
        }
        assert_eq!(put_off.take_waiting_for_topology().len(), 2);
        assert_eq!(put_off.take_waiting_for_topology().len(), 0);
        assert_eq!(put_off.requests, 4);
        assert_eq!(put_off.bytes.held(), 4 * request("a").weight());
        assert_eq!(put_off.clear().len(), 4);
    }

    #[test]
    fn it_holds_as_much_as_may_wait_for_one_link_and_counts_what_leaves() {
        let weight = request("a").weight();
        for (most, bytes) in [(2, usize::MAX), (usize::MAX, 2 * weight)] {
            let bytes = Arc::new(Bounded::new(bytes));
            let mut put_off = PutOff::new(most, &bytes);
            let soon = now();
            for late in [3, 1] {
                assert!(put_off.has_room_for(weight), "{most}");
                put_off.add(soon + Duration::from_secs(late), held(Until::Due));
            }
            assert_eq!(bytes.held(), 2 * weight);
            assert!(!put_off.has_room_for(weight), "{most}");
            assert_eq!(put_off.next(), Some(soon + Duration::from_secs(1)));
            let due = put_off.take_due(soon + Duration::from_secs(2));
            assert_eq!(due.map(|due| due.len()), Some(1));
            assert!(put_off.take_due(soon + Duration::from_secs(2)).is_none());
            assert!(put_off.has_room_for(weight), "{most}");
            assert_eq!(put_off.clear().len(), 1);
            assert_eq!((put_off.requests, bytes.held()), (0, 0));
        }
        let tiny = PutOff::new(1, &Arc::new(Bounded::new(1)));
        assert!(tiny.has_room_for(weight), "one always fits");
    }
}
