//! From when the time of a call counts: [`Since`].

use std::time::{Duration, Instant};

use crate::clock::{SHORT, now, soon};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Since {
    /// From this moment.
    Now,
    /// From when a message was made, as [`soon`] told it.
    Made(Instant),
    /// From this very instant.
    At(Instant),
}

impl Since {
    /// What [`soon`] may be ahead counts in a short time.
    #[inline]
    pub(crate) fn instant(self, timeout: Duration) -> Instant {
        match self {
            Self::At(instant) => instant,
            Self::Now if timeout < SHORT => now(),
            Self::Now => soon(),
            Self::Made(made) if timeout < SHORT => made.min(now()),
            Self::Made(made) => made,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_time_does_not_begin_with_the_next_tick() {
        // Farther than any test is held up.
        let ahead = now() + Duration::from_secs(3_600);
        assert!(Since::Made(ahead).instant(SHORT / 2) <= now());
        assert_eq!(Since::Made(ahead).instant(SHORT), ahead);
        let before = now();
        for timeout in [SHORT / 2, SHORT] {
            assert_eq!(Since::Made(before).instant(timeout), before);
            assert_eq!(Since::At(ahead).instant(timeout), ahead);
            let this = Since::Now.instant(timeout);
            assert!((before..=now()).contains(&this));
        }
    }
}
