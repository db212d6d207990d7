//! Calls of the last seconds: [`Window`].

use std::time::{Duration, Instant};

use crate::policy::breaker::breaker::Results;

/// How fine the window is: a call counts for the window's length, less a tenth of it at the most.
pub(super) const BUCKETS: u32 = 10;

/// Counts of calls by time, in a fixed number of buckets.
#[derive(Debug, Clone)]
pub(super) struct Window {
    width: Duration,
    origin: Option<Instant>,
    /// The number of the newest bucket, counted from the origin.
    newest: u64,
    buckets: [Results; BUCKETS as usize],
}

impl Window {
    pub(super) fn new(length: Duration) -> Self {
        Self {
            width: length / BUCKETS,
            origin: None,
            newest: 0,
            buckets: [Results::default(); BUCKETS as usize],
        }
    }

    pub(super) fn clear(&mut self) {
        self.origin = None;
        self.newest = 0;
        self.buckets.fill(Results::default());
    }

    /// Adds to the bucket of this instant; what is older than the window counts no more.
    pub(super) fn add(&mut self, results: Results, at: Instant) {
        let number = self.advance(at);
        if self.newest - number >= u64::from(BUCKETS) {
            return;
        }
        let place = number % u64::from(BUCKETS);
        if let Some(bucket) = self.buckets.get_mut(place as usize) {
            bucket.add(results);
        }
    }

    /// All that counts now.
    pub(super) fn sum(&mut self, now: Instant) -> Results {
        self.advance(now);
        let mut sum = Results::default();
        for bucket in &self.buckets {
            sum.add(*bucket);
        }
        sum
    }

    /// Empties the buckets that are too old by then, and gives the number of that instant's.
    fn advance(&mut self, now: Instant) -> u64 {
        let origin = *self.origin.get_or_insert(now);
        let since = now.saturating_duration_since(origin).as_nanos();
        let number = u64::try_from(since / self.width.as_nanos().max(1)).unwrap_or(u64::MAX);
        let passed = number.saturating_sub(self.newest);
        for step in 1..=passed.min(u64::from(BUCKETS)) {
            let place = (number - passed + step) % u64::from(BUCKETS);
            if let Some(bucket) = self.buckets.get_mut(place as usize) {
                *bucket = Results::default();
            }
        }
        self.newest = self.newest.max(number);
        number
    }
}
