//! Time without the price of a clock: [`soon`].

use std::cell::Cell;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};

use super::now;

/// Where two clocks are farther apart, tokio's was set: a test has paused it, now or before.
const APART: Duration = Duration::from_secs(1);

static TICKS: LazyLock<Ticks> = LazyLock::new(Ticks::found);

thread_local! {
    static LAST: Cell<Option<Reading>> = const { Cell::new(None) };
}

/// The end of the kernel's present tick, of 1 to 10 ms: what is counted from there comes at most so
/// much late, and not early. (Where the tick itself is late, as on a virtual machine whose processors
/// are taken away, it has passed already.)
///
/// Many commands are made in one tick. To look whether it is over takes a third of what the exact clock
/// takes, for which the processor finishes all it has begun: two such looks were 10 % of a `GET`
/// (`docs/decisions.md`).
#[inline]
#[cfg_attr(
    test,
    allow(dead_code, reason = "the library's own tests pause the clock")
)]
pub(crate) fn soon() -> Instant {
    let tick = clock_gettime(ClockId::MonotonicCoarse);
    match LAST.get() {
        Some(last) if last.tick == tick => last.end,
        _ => first_of(tick),
    }
}

#[cold]
fn first_of(tick: Timespec) -> Instant {
    let (before, exact) = (now(), now());
    let end = TICKS.end_of(tick, before, exact);
    LAST.set(end.map(|end| Reading { tick, end }));
    end.unwrap_or(exact)
}

/// What a thread read last.
#[derive(Clone, Copy)]
struct Reading {
    /// By the coarse clock: it shows when a tick began.
    tick: Timespec,
    end: Instant,
}

/// When ticks are, by the clock of all else. One for all threads, so that deadlines stand in order.
struct Ticks {
    length: Duration,
    /// By the kernel's clock, at this instant.
    then: Timespec,
    instant: Instant,
}

impl Ticks {
    fn found() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "the kernel's, whatever a test has set"
        )]
        let kernels = Instant::now;
        // Whoever is held up between the readings looks again.
        let readings = (0..5).map(|_| (kernels(), clock_gettime(ClockId::Monotonic), kernels()));
        let closest = readings.min_by_key(|(before, _, after)| *after - *before);
        let length = clock_getres(ClockId::MonotonicCoarse);
        let (_, then, instant) = closest.expect("there are five");
        Self {
            length: Duration::try_from(length).unwrap_or_default(),
            then,
            instant,
        }
    }

    /// None if `now`, which was read twice, is none of the kernel's time: it stands still, or is far
    /// off.
    fn end_of(&self, tick: Timespec, before: Instant, now: Instant) -> Option<Instant> {
        let since = Duration::try_from(tick - self.then);
        let begin = match since {
            Ok(since) => self.instant + since,
            // The tick in which this was begun.
            Err(_) => self.instant,
        };
        let end = begin + self.length;
        let apart = end.max(now) - end.min(now);
        (before < now && apart < APART).then_some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_at_most_a_tick_ahead_and_never_goes_back() {
        let (began, mut before) = (now(), soon());
        while began.elapsed() < 4 * TICKS.length {
            let soon = soon();
            assert!(before <= soon, "it goes back");
            // The two clocks were not read in the same instant.
            let ahead = TICKS.length + Duration::from_millis(1);
            assert!(soon <= now() + ahead, "by more than {ahead:?}");
            before = soon;
        }
        let length = TICKS.length.as_millis();
        assert!((1..=10).contains(&length), "{length}");
    }

    #[test]
    fn a_clock_that_was_set_is_not_the_kernels() {
        let ms = Duration::from_millis;
        let ticks = Ticks {
            length: ms(4),
            then: Timespec::default(),
            instant: now(),
        };
        let tick = Timespec {
            tv_sec: 10,
            tv_nsec: 0,
        };
        let start = ticks.instant + Duration::from_secs(10);
        let read = |at: Instant| ticks.end_of(tick, at, at + Duration::from_nanos(30));
        assert_eq!(read(start), Some(start + ms(4)));
        assert_eq!(read(start + ms(900)), Some(start + ms(4)), "a late tick");
        assert_eq!(read(start - ms(1_100)), None, "it was paused for a while");
        assert_eq!(read(start + ms(1_100)), None, "it was advanced");
        assert_eq!(ticks.end_of(tick, start, start), None, "it stands still");
    }
}
