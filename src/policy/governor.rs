//! [`Governor`]: how many dials a process makes in all, so that a thousand links that lost their
//! peers at once do not flood them when they come back.

use std::time::{Duration, Instant};

use crate::policy::error::PolicyError;

/// A token bucket for dials. In any window of `t` seconds it admits at most `burst + rate * t`.
///
/// Default: 100 dials per second, burst 50.
///
/// It is a generic cell rate algorithm (GCRA, ITU-T I.371): instead of counting tokens it keeps
/// the instant at which the bucket would be full again.
///
/// A caller that is refused learns how long to wait, and then asks again. If all were told when
/// the *next* token comes, they would all come back then, one would get it, and the others would
/// try again, and so on: a thousand callers would ask half a million times. So each refusal also
/// takes the next place in a line, one token's time behind the place before, and the caller is
/// told to come back then. As long as only they come, each finds a token at its second call.
///
/// A place is advice, not a claim: nobody can tell a caller that comes back from a new one, and a
/// link that was stopped never comes back, so whoever asks while a token is there gets it. A
/// newcomer may thus take the token of a caller that is late, which then lines up again; each
/// dial admitted can cost one other caller one more call, so calls stay proportional to dials. A
/// caller that asks before its time takes one place more, for nothing.
///
/// Some callers have somebody who waits for them, and go first: they have a line of their own,
/// and until its last place has passed the *idle* ones find no token, and line up behind it. Half
/// of the burst is theirs alone, since nobody can know who asks a moment later.
#[derive(Debug, Clone)]
pub struct Governor {
    rate: u32,
    burst: u32,
    /// When the bucket is full again; it is full now if that is past or unknown.
    full_at: Option<Instant>,
    /// The last place in the line that was given out.
    line: Option<Instant>,
    /// The same for those for whom nobody waits.
    idle_line: Option<Instant>,
}

impl Governor {
    /// `rate` dials per second on average, and `burst` at once after a quiet time.
    ///
    /// # Errors
    /// When one of them is zero.
    pub fn new(rate: u32, burst: u32) -> Result<Self, PolicyError> {
        for (setting, value) in [("rate", rate), ("burst", burst)] {
            if value == 0 {
                return Err(PolicyError::new(setting, value, "at least 1"));
            }
        }
        Ok(Self {
            rate,
            burst,
            full_at: None,
            line: None,
            idle_line: None,
        })
    }

    /// Dials per second.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Dials at once.
    pub fn burst(&self) -> u32 {
        self.burst
    }

    /// Admits a dial now, or tells how long to wait before asking again.
    ///
    /// An instant before one that was seen already is fine: it never gives a token back.
    ///
    /// # Errors
    /// The time to wait, counted from `now`; never zero.
    pub fn try_acquire(&mut self, now: Instant) -> Result<(), Duration> {
        let Some(next) = self.take(now, self.burst) else {
            return Ok(());
        };
        let place = self.behind(self.line).map_or(next, |place| place.max(next));
        self.line = Some(place);
        Err(place.duration_since(now))
    }

    /// The same for a link for which nobody waits: those for which somebody does go first, for as
    /// long as they ask for all there is.
    ///
    /// # Errors
    /// The time to wait, counted from `now`; never zero.
    pub fn try_acquire_idle(&mut self, now: Instant) -> Result<(), Duration> {
        let next = match self.behind(self.line) {
            Some(first) if first > now => first,
            Some(_) | None => match self.take(now, self.burst - self.burst / 2) {
                None => return Ok(()),
                Some(next) => next,
            },
        };
        let place = self
            .behind(self.idle_line)
            .map_or(next, |place| place.max(next));
        self.idle_line = Some(place);
        Err(place.duration_since(now))
    }

    /// Takes a token from a bucket of this size, or tells when there will be one.
    fn take(&mut self, now: Instant, burst: u32) -> Option<Instant> {
        let interval = self.interval();
        let until_full = self
            .full_at
            .map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        let tolerance = interval.saturating_mul(burst - 1);
        if until_full <= tolerance {
            let from = self.full_at.map_or(now, |at| at.max(now));
            self.full_at = Some(after(from, interval));
            return None;
        }
        Some(after(now, until_full - tolerance))
    }

    /// The place behind the last one of a line.
    fn behind(&self, line: Option<Instant>) -> Option<Instant> {
        line.map(|last| after(last, self.interval()))
    }

    /// Rounded up to a nanosecond, so that the rate is never exceeded.
    fn interval(&self) -> Duration {
        Duration::from_nanos(1_000_000_000_u64.div_ceil(u64::from(self.rate)))
    }
}

/// Stays where it is at the end of what the clock can express, centuries from now.
fn after(instant: Instant, wait: Duration) -> Instant {
    instant.checked_add(wait).unwrap_or(instant)
}

impl Default for Governor {
    fn default() -> Self {
        Self {
            rate: 100,
            burst: 50,
            full_at: None,
            line: None,
            idle_line: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use proptest::prelude::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn start() -> Instant {
        #[expect(
            clippy::disallowed_methods,
            reason = "the only clock read: instants have no other origin"
        )]
        Instant::now()
    }

    /// Lets callers ask at these times, and again after each wait they are told (plus up to
    /// `lateness`), until all were admitted. Answers the times of admission and the calls made.
    fn run(mut arrivals: Vec<Duration>, lateness: Duration, seed: u64) -> (Vec<Duration>, usize) {
        let (start, rng) = (start(), &mut StdRng::seed_from_u64(seed));
        let mut governor = Governor::default();
        let mut due: BinaryHeap<_> = arrivals.drain(..).map(Reverse).collect();
        let (mut admitted, mut calls) = (Vec::new(), 0);
        while let Some(Reverse(at)) = due.pop() {
            calls += 1;
            match governor.try_acquire(start + at) {
                Ok(()) => admitted.push(at),
                Err(wait) => {
                    let late = rng.random_range(Duration::ZERO..=lateness);
                    due.push(Reverse(at + wait + late));
                }
            }
        }
        (admitted, calls)
    }

    #[test]
    fn a_thousand_callers_at_once_are_admitted_at_the_rate_with_two_calls_each() {
        let (admitted, calls) = run(vec![Duration::ZERO; 1_000], Duration::ZERO, 0);
        let expected = (0..1_000_u64).map(|n| ms(n.saturating_sub(49) * 10));
        assert_eq!(admitted, expected.collect::<Vec<_>>());
        assert_eq!(calls, 50 + 2 * 950);
    }

    #[test]
    fn callers_that_come_back_late_find_their_token_all_the_same() {
        for seed in 0..20 {
            let (admitted, calls) = run(vec![Duration::ZERO; 1_000], ms(25), seed);
            assert_eq!(calls, 50 + 2 * 950);
            assert!(*admitted.last().expect("a thousand") <= ms(9_500 + 25));
        }
    }

    #[test]
    fn newcomers_cost_those_who_wait_at_most_one_call_for_each_dial() {
        for seed in 0..20 {
            let newcomers = (0..1_000).map(|n| ms(n * 7));
            let arrivals = newcomers.chain([Duration::ZERO; 1_000]).collect();
            let (admitted, calls) = run(arrivals, ms(5), seed);
            assert_eq!(admitted.len(), 2_000);
            assert!(calls <= 2_000 + 2_000, "{calls} calls");
        }
    }

    #[test]
    fn a_quiet_time_fills_the_bucket_and_no_more_than_that() {
        let (mut governor, start) = (Governor::new(10, 3).expect("valid"), start());
        for later in [ms(0), ms(60_000)] {
            for _ in 0..3 {
                assert_eq!(governor.try_acquire(start + later), Ok(()));
            }
            assert_eq!(governor.try_acquire(start + later), Err(ms(100)));
        }
    }

    #[test]
    fn a_token_that_a_waiting_caller_left_is_free_for_others() {
        let (mut governor, start) = (Governor::new(10, 1).expect("valid"), start());
        assert_eq!(governor.try_acquire(start), Ok(()));
        assert_eq!(governor.try_acquire(start), Err(ms(100)));
        assert_eq!(governor.try_acquire(start), Err(ms(200)));
        assert_eq!(governor.try_acquire(start + ms(150)), Ok(()));
    }

    #[test]
    fn idle_callers_go_behind_all_who_are_waited_for_and_none_is_forgotten() {
        let (mut governor, start) = (Governor::default(), start());
        // Idle ones come first, and some more between the others.
        let mut due: BinaryHeap<_> = (0..1_000_u32)
            .map(|n| Reverse((Duration::ZERO, n, n >= 500 && n % 2 == 0)))
            .collect();
        let (mut order, mut calls) = (Vec::new(), 0);
        while let Some(Reverse((at, n, wanted))) = due.pop() {
            calls += 1;
            let answer = match wanted {
                true => governor.try_acquire(start + at),
                false => governor.try_acquire_idle(start + at),
            };
            match answer {
                Ok(()) => order.push((at, wanted)),
                Err(wait) => due.push(Reverse((at + wait, n, wanted))),
            }
        }
        let last = order.iter().rposition(|(_, wanted)| *wanted);
        assert_eq!(
            last,
            Some(25 + 250 - 1),
            "all of those but for half a burst"
        );
        assert_eq!(order.len(), 1_000);
        let took = order.last().expect("a thousand").0;
        assert!(took <= ms(9_800), "{took:?}");
        assert!(calls <= 3_000, "{calls}");
    }

    #[test]
    fn refuses_a_rate_or_burst_of_zero() {
        let error = Governor::new(0, 1).expect_err("zero").to_string();
        assert_eq!(error, "rate is 0, but must be at least 1");
        let error = Governor::new(1, 0).expect_err("zero").to_string();
        assert_eq!(error, "burst is 0, but must be at least 1");
        assert!(Governor::new(u32::MAX, u32::MAX).is_ok());
    }

    proptest! {
        #[test]
        fn no_window_admits_more_than_burst_plus_rate_times_its_length(
            rate in 1_u32..2_000,
            burst in 1_u32..20,
            // In any order: a caller may bring an instant that is past.
            mut asked in prop::collection::vec(0_u64..2_000_000, 1..200),
            in_order in any::<bool>(),
        ) {
            if in_order {
                asked.sort_unstable();
            }
            let (mut governor, start) = (Governor::new(rate, burst).expect("valid"), start());
            let mut admitted = Vec::new();
            for micros in asked {
                match governor.try_acquire(start + Duration::from_micros(micros)) {
                    Ok(()) => admitted.push(micros),
                    Err(wait) => prop_assert!(!wait.is_zero()),
                }
            }
            admitted.sort_unstable();
            for (first, from) in admitted.iter().enumerate() {
                for (last, to) in admitted.iter().enumerate().skip(first) {
                    let seconds = (to - from) as f64 / 1e6;
                    let most = f64::from(burst) + f64::from(rate) * seconds;
                    prop_assert!((last - first + 1) as f64 <= most + 1e-6);
                }
            }
        }
    }
}
