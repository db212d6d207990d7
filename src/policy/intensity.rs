//! Restart intensity: how many crashes within a period are too many. [`Intensity`] is the
//! setting, [`CrashLog`] what a link remembers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::policy::error::PolicyError;

/// At most this many restarts within a period; one more, and the link parks.
///
/// The rule is the restart intensity of Erlang/OTP supervisors: a defect that shows now and then
/// is healed by a restart, one that shows at once again is not. Default: 5 restarts in 60 s.
///
/// In a configuration: `intensity = { restarts = 5, period = "60s" }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawIntensity")]
pub struct Intensity {
    restarts: u32,
    #[serde(with = "humantime_serde")]
    period: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawIntensity {
    #[serde(default = "default_restarts")]
    restarts: u32,
    #[serde(default = "default_period", with = "humantime_serde")]
    period: Duration,
}

fn default_restarts() -> u32 {
    Intensity::default().restarts
}

fn default_period() -> Duration {
    Intensity::default().period
}

impl Intensity {
    /// The largest number of restarts: it bounds what a [`CrashLog`] holds.
    pub const MAX_RESTARTS: u32 = 10_000;

    /// At most `restarts` within `period`. With 0 restarts the first crash is too many.
    ///
    /// # Errors
    /// When `period` is zero, or `restarts` is above [`Intensity::MAX_RESTARTS`].
    pub fn new(restarts: u32, period: Duration) -> Result<Self, PolicyError> {
        if restarts > Self::MAX_RESTARTS {
            return Err(PolicyError::new("restarts", restarts, "at most 10000"));
        }
        if period.is_zero() {
            return Err(PolicyError::new("period", period, "more than zero"));
        }
        Ok(Self { restarts, period })
    }

    /// How many restarts are allowed within the period.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// The length of the sliding period.
    pub fn period(&self) -> Duration {
        self.period
    }
}

impl Default for Intensity {
    fn default() -> Self {
        Self {
            restarts: 5,
            period: Duration::from_secs(60),
        }
    }
}

impl TryFrom<RawIntensity> for Intensity {
    type Error = PolicyError;

    fn try_from(raw: RawIntensity) -> Result<Self, PolicyError> {
        Self::new(raw.restarts, raw.period)
    }
}

/// The crashes of one link that still count. Holds one instant more than the restarts allowed,
/// at most.
#[derive(Debug, Clone)]
pub struct CrashLog {
    intensity: Intensity,
    /// Oldest first.
    crashes: VecDeque<Instant>,
}

impl CrashLog {
    /// An empty log under this intensity.
    pub fn new(intensity: Intensity) -> Self {
        Self {
            intensity,
            crashes: VecDeque::new(),
        }
    }

    /// Writes a crash down. True when there were more than allowed within the period that ends
    /// now; a crash exactly one period ago still counts, as in Erlang/OTP.
    pub fn record(&mut self, now: Instant) -> bool {
        // Keeps the log in order when two callers read the clock and arrive the other way round.
        let now = self.crashes.back().map_or(now, |&last| now.max(last));
        self.crashes.push_back(now);
        while let Some(&oldest) = self.crashes.front()
            && now.duration_since(oldest) > self.intensity.period
        {
            self.crashes.pop_front();
        }
        let allowed = self.intensity.restarts as usize;
        // The newest N + 1 answer the question; older ones only cost memory.
        while self.crashes.len() > allowed.saturating_add(1) {
            self.crashes.pop_front();
        }
        self.crashes.len() > allowed
    }

    /// Forgets all crashes.
    pub fn clear(&mut self) {
        self.crashes.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn start() -> Instant {
        #[expect(
            clippy::disallowed_methods,
            reason = "the only clock read: instants have no other origin"
        )]
        Instant::now()
    }

    fn intensity(restarts: u32, seconds: u64) -> Intensity {
        Intensity::new(restarts, Duration::from_secs(seconds)).expect("valid in tests")
    }

    #[test]
    fn the_sixth_crash_within_a_minute_is_too_many_by_default() {
        let (mut log, start) = (CrashLog::new(Intensity::default()), start());
        for second in 0..5 {
            assert!(!log.record(start + Duration::from_secs(second)));
        }
        assert!(log.record(start + Duration::from_secs(5)));
    }

    #[test]
    fn crashes_older_than_the_period_do_not_count() {
        let start = start();
        let mut log = CrashLog::new(intensity(1, 60));
        assert!(!log.record(start));
        assert!(!log.record(start + Duration::from_millis(60_001)));
        assert!(
            log.record(start + Duration::from_millis(120_001)),
            "exactly one period apart"
        );
    }

    #[test]
    fn no_restarts_allowed_means_that_the_first_crash_is_too_many() {
        assert!(CrashLog::new(intensity(0, 1)).record(start()));
    }

    #[test]
    fn begins_anew_after_clear() {
        let start = start();
        let mut log = CrashLog::new(intensity(1, 60));
        assert!(!log.record(start));
        log.clear();
        assert!(!log.record(start));
        assert!(log.record(start));
    }

    #[test]
    fn an_earlier_instant_counts_as_the_latest_one() {
        let start = start() + Duration::from_secs(100);
        let mut log = CrashLog::new(intensity(1, 10));
        assert!(!log.record(start));
        assert!(log.record(start - Duration::from_secs(50)));
    }

    proptest! {
        #[test]
        fn agrees_with_counting_all_crashes_and_stays_small(
            restarts in 0_u32..8,
            period in 1_u64..50,
            steps in prop::collection::vec(0_u64..20, 1..100),
        ) {
            let start = start();
            let mut log = CrashLog::new(intensity(restarts, period));
            let mut at = 0;
            let mut all = Vec::new();
            for step in steps {
                at += step;
                all.push(at);
                let recent = all.iter().filter(|&&then| at - then <= period).count();
                let exceeded = log.record(start + Duration::from_secs(at));
                prop_assert_eq!(exceeded, recent > restarts as usize);
                prop_assert!(log.crashes.len() <= restarts as usize + 1);
            }
        }
    }

    #[test]
    fn reads_toml_and_refuses_what_cannot_be() {
        let read = toml::from_str::<Intensity>;
        assert_eq!(read("").expect("all defaults"), Intensity::default());
        let written = toml::to_string(&intensity(3, 90)).expect("plain");
        assert_eq!(written, "restarts = 3\nperiod = \"1m 30s\"\n");
        assert_eq!(read(&written).expect("just written"), intensity(3, 90));
        for wrong in ["period = \"0s\"", "restarts = 10001", "restart = 1"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
