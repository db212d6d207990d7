//! The few calls that go through while a breaker is half-open: [`Probes`].

use std::time::Instant;

/// Names one probe of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProbeId(u64);

/// Who holds a place, and until when.
#[derive(Debug, Clone, Default)]
pub(super) struct Probes {
    /// Never given out twice, over all half-open times.
    next: u64,
    held: Vec<(ProbeId, Instant)>,
    succeeded: u32,
}

impl Probes {
    /// A new half-open time begins: what was given out before counts no more.
    pub(super) fn begin(&mut self) {
        self.held.clear();
        self.succeeded = 0;
    }

    /// A place, if one is free among `places`.
    pub(super) fn take(&mut self, places: u32, now: Instant, until: Instant) -> Option<ProbeId> {
        self.held.retain(|(_, until)| now < *until);
        let taken = self.held.len() + self.succeeded as usize;
        if taken >= places as usize {
            return None;
        }
        let id = ProbeId(self.next);
        self.next += 1;
        self.held.push((id, until));
        Some(id)
    }

    /// Gives a place back. False: it was not held any more.
    pub(super) fn give_back(&mut self, id: ProbeId, now: Instant) -> bool {
        self.held.retain(|(_, until)| now < *until);
        let place = self.held.iter().position(|(held, _)| *held == id);
        place.map(|place| self.held.swap_remove(place)).is_some()
    }

    /// A probe succeeded: how many have.
    pub(super) fn succeed(&mut self) -> u32 {
        self.succeeded += 1;
        self.succeeded
    }

    /// When the first of those that hold a place must give it back.
    pub(super) fn next_free(&self) -> Option<Instant> {
        self.held.iter().map(|(_, until)| *until).min()
    }
}
