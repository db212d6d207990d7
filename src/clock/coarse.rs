//! Time without the price of a clock: [`soon`].

use std::cell::Cell;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};

use super::now;

/// The kernel's tick: 1 to 10 ms, as it was built.
static TICK: LazyLock<Duration> = LazyLock::new(|| {
    let tick = clock_getres(ClockId::MonotonicCoarse);
    Duration::try_from(tick).unwrap_or_default()
});

thread_local! {
    static LAST: Last = const { Last(Cell::new(None)) };
}

/// This instant, or one that comes within the kernel's tick: what is counted from it ends at most 10 ms
/// late, and not early. (Only where the tick itself is late, as on a virtual machine whose processors
/// are taken away, by as much.)
///
/// Many commands are made in one tick. To look whether it is over takes a third of what the exact clock
/// takes, for which the processor finishes all it has begun: two such looks were 10 % of a `GET`
/// (`docs/performance.md`).
#[inline]
#[cfg_attr(
    test,
    allow(dead_code, reason = "the library's own tests pause the clock")
)]
pub(crate) fn soon() -> Instant {
    let tick = clock_gettime(ClockId::MonotonicCoarse);
    LAST.with(|last| last.soon(tick, now))
}

/// The exact clock, as it was read last.
struct Last(Cell<Option<Reading>>);

#[derive(Clone, Copy)]
struct Reading {
    /// In which tick that was, by the coarse clock.
    tick: Timespec,
    soon: Instant,
}

impl Last {
    #[inline]
    fn soon(&self, tick: Timespec, now: impl Fn() -> Instant) -> Instant {
        match self.0.get() {
            Some(last) if last.tick == tick => last.soon,
            _ => self.read(tick, now),
        }
    }

    #[cold]
    fn read(&self, tick: Timespec, now: impl Fn() -> Instant) -> Instant {
        let (before, exact) = (now(), now());
        // It stands still: somebody's test has paused it, and will set it as it likes.
        if before == exact {
            self.0.set(None);
            return exact;
        }
        let soon = exact + *TICK;
        self.0.set(Some(Reading { tick, soon }));
        soon
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(number: i64) -> Timespec {
        Timespec {
            tv_sec: number,
            tv_nsec: 0,
        }
    }

    #[test]
    fn the_exact_clock_is_read_once_a_tick() {
        let (start, reads) = (now(), Cell::new(0));
        let clock = || {
            reads.set(reads.get() + 1);
            start + Duration::from_millis(reads.get())
        };
        let last = Last(Cell::new(None));
        let first = last.soon(tick(1), clock);
        assert_eq!(first, start + Duration::from_millis(2) + *TICK);
        assert_eq!((last.soon(tick(1), clock), reads.get()), (first, 2));
        let second = last.soon(tick(2), clock);
        assert_eq!(second, start + Duration::from_millis(4) + *TICK);
    }

    #[test]
    fn a_clock_that_stands_still_is_read_each_time() {
        let time = Cell::new(now());
        let last = Last(Cell::new(None));
        for _ in 0..2 {
            assert_eq!(last.soon(tick(1), || time.get()), time.get());
            time.set(time.get() + Duration::from_secs(3_600));
        }
    }

    #[test]
    fn it_is_at_most_a_tick_ahead_and_never_goes_back() {
        let (began, mut before) = (now(), now());
        while began.elapsed() < 4 * *TICK {
            let soon = soon();
            assert!(before <= soon, "it goes back");
            assert!(soon <= now() + *TICK, "by more than {:?}", *TICK);
            before = soon;
        }
        assert!((1..=10).contains(&TICK.as_millis()), "{:?}", *TICK);
    }
}
