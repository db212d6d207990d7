//! What all long queues of requests have in common: how often they are looked through, and when
//! their memory is given back. Pure.

use std::time::{Duration, Instant};

/// A queue is released once it is empty, if it grew beyond so many places.
pub(crate) const KEEP_PLACES: usize = 4096;

/// A queue of so many is looked through whenever it helps.
const SHORT: usize = 1024;

/// A longer one rests for so long after that, for each request: 20 ms for 100,000. Looking takes a
/// tenth of it.
const REST: Duration = Duration::from_nanos(200);

/// How long to rest after so many were looked through; a short queue needs none.
pub(crate) fn rest_after(length: usize) -> Option<Duration> {
    match length {
        0..=SHORT => None,
        long => Some(REST.saturating_mul(u32::try_from(long).unwrap_or(u32::MAX))),
    }
}

/// The earlier of an instant that may be known and another.
pub(crate) fn earlier(known: Option<Instant>, other: Instant) -> Instant {
    known.map_or(other, |known| known.min(other))
}
