//! What a client holds, in bytes: [`Memory`], and the [`Gauges`] of one connection it is read from.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;

use crate::endpoint::{Endpoint, LinkName};

/// What a client holds on behalf of callers and servers, in bytes. `docs/bounds.md` tells what is
/// counted, what is not, and what bounds it.
///
/// Each part is what was true at the end of the last turn of whoever holds it; the parts are not
/// read in one instant, so that a request on its way from one to the next may be counted in both
/// or in none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Memory {
    /// All of it.
    pub total: usize,
    /// Each link's part, by name.
    pub links: Vec<LinkMemory>,
    /// Requests for which no node is known yet.
    pub unplaced: usize,
    /// Requests that a server could not serve yet, to be placed again in a moment.
    pub put_off: usize,
    /// Requests on their way from a connection back to the router, with the reply that sent them
    /// there.
    pub handed_back: usize,
    /// Events that wait for slow subscribers of the registry, which other clients may share.
    pub events: usize,
}

/// What one link holds, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LinkMemory {
    /// The link.
    pub link: LinkName,
    /// What it dials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// All of it.
    pub total: usize,
    /// Requests that wait to be written.
    pub waiting: usize,
    /// Requests that were written, or taken to be written, and have no reply.
    pub in_flight: usize,
    /// Bytes that the kernel has not taken yet: copies of what is in flight. A command larger than the
    /// buffer is not copied, and counts as in flight alone.
    pub write_buffer: usize,
    /// Bytes that came and are no complete reply yet, and what the elements among them take beside.
    pub read_buffer: usize,
}

impl Memory {
    pub(crate) fn of(mut links: Vec<LinkMemory>, rest: Self) -> Self {
        links.sort_by(|one, other| one.link.cmp(&other.link));
        let total = links.iter().map(|link| link.total).sum::<usize>()
            + rest.unplaced
            + rest.put_off
            + rest.handed_back
            + rest.events;
        Self {
            total,
            links,
            ..rest
        }
    }
}

/// What one connection holds: set by it once in a turn, read by anybody.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    in_flight: AtomicUsize,
    write_buffer: AtomicUsize,
    read_buffer: AtomicUsize,
}

impl Gauges {
    pub(crate) fn set(&self, in_flight: usize, write_buffer: usize, read_buffer: usize) {
        self.in_flight.store(in_flight, Ordering::Relaxed);
        self.write_buffer.store(write_buffer, Ordering::Relaxed);
        self.read_buffer.store(read_buffer, Ordering::Relaxed);
    }

    /// With what waits in the link's queue.
    pub(crate) fn read(
        &self,
        link: LinkName,
        endpoint: Option<Endpoint>,
        waiting: usize,
    ) -> LinkMemory {
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        let write_buffer = self.write_buffer.load(Ordering::Relaxed);
        let read_buffer = self.read_buffer.load(Ordering::Relaxed);
        LinkMemory {
            link,
            endpoint,
            total: waiting + in_flight + write_buffer + read_buffer,
            waiting,
            in_flight,
            write_buffer,
            read_buffer,
        }
    }
}

/// A sum with a bound, shared by many who add to it.
#[derive(Debug)]
pub(crate) struct Bounded {
    limit: usize,
    held: AtomicUsize,
}

impl Bounded {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            held: AtomicUsize::new(0),
        }
    }

    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    fn sum(&self, held: usize, bytes: usize) -> Option<usize> {
        let sum = held.checked_add(bytes)?;
        (held == 0 || sum <= self.limit).then_some(sum)
    }

    pub(crate) fn has_room_for(&self, bytes: usize) -> bool {
        self.sum(self.held(), bytes).is_some()
    }

    /// Adds what was found to have room.
    pub(crate) fn add_anyway(&self, bytes: usize) {
        self.held.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Adds, unless that exceeds the bound; one part always fits.
    pub(crate) fn add(&self, bytes: usize) -> bool {
        let fits = |held: usize| self.sum(held, bytes);
        self.held
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .is_ok()
    }

    pub(crate) fn subtract(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} bytes: unplaced {}, put off {}, handed back {}, events {}",
            self.total, self.unplaced, self.put_off, self.handed_back, self.events
        )?;
        for link in &self.links {
            write!(f, "; {link}")?;
        }
        Ok(())
    }
}

impl fmt::Display for LinkMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: waiting {}, in flight {}, write buffer {}, read buffer {}",
            self.link, self.waiting, self.in_flight, self.write_buffer, self.read_buffer
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_the_sum_of_its_parts_and_all_of_them_are_shown() {
        let gauges = Gauges::default();
        gauges.set(20, 3, 4000);
        let links = vec![
            gauges.read("b".into(), None, 100_000),
            gauges.read("a".into(), None, 0),
        ];
        let rest = Memory {
            unplaced: 1,
            put_off: 2,
            handed_back: 3,
            events: 4,
            ..Memory::default()
        };
        let memory = Memory::of(links, rest);
        assert_eq!(memory.total, 104_023 + 4023 + 10);
        assert_eq!(
            memory.to_string(),
            "108056 bytes: unplaced 1, put off 2, handed back 3, events 4; \
             a: waiting 0, in flight 20, write buffer 3, read buffer 4000; \
             b: waiting 100000, in flight 20, write buffer 3, read buffer 4000"
        );
        let json = serde_json::to_value(&memory).expect("JSON");
        assert_eq!(json["links"][1]["waiting"], 100_000);
    }

    #[test]
    fn a_sum_keeps_its_bound_but_for_one_part() {
        let bounded = Bounded::new(10);
        assert!(bounded.add(11), "one always fits");
        assert!(!bounded.add(1));
        bounded.subtract(11);
        assert!(bounded.add(4) && bounded.add(6) && !bounded.add(1));
        bounded.subtract(4);
        assert_eq!(bounded.held(), 6);
    }
}
