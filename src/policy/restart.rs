//! [`RestartPolicy`]: what a link does after its connection ended.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::exit::{Cause, CauseKind, Class};
use crate::policy::attempts::Attempts;
use crate::policy::backoff::Backoff;
use crate::policy::error::PolicyError;
use crate::policy::intensity::Intensity;
use crate::policy::refused::RefusedCap;

/// How long a link waits before it dials again, and when it stops trying.
///
/// The default waits by the default [`Backoff`], hurries after refused dials for ten seconds and
/// in proportion to the outage from then on ([`RefusedCap`]), never gives up on transient causes, and parks after more than 5 crashes in
/// 60 s ([`Intensity`]).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "RawRestartPolicy")]
pub struct RestartPolicy {
    backoff: Backoff,
    refused: RefusedCap,
    attempts: Attempts,
    intensity: Intensity,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    overrides: BTreeMap<CauseKind, Backoff>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRestartPolicy {
    #[serde(default)]
    backoff: Backoff,
    refused: Option<RefusedCap>,
    #[serde(default)]
    attempts: Attempts,
    #[serde(default)]
    intensity: Intensity,
    #[serde(default)]
    overrides: BTreeMap<CauseKind, Backoff>,
}

impl RestartPolicy {
    /// The backoff for all causes that have none of their own.
    pub fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// A backoff of its own for one kind of cause.
    ///
    /// One for [`CauseKind::Refused`] also switches the [`RefusedCap`] off, which would stand in
    /// its way; to have both, call [`RestartPolicy::with_refused`] afterwards.
    ///
    /// # Errors
    /// When links do not back off after that kind: after a permanent cause they park, and what
    /// was requested is done at once.
    pub fn with_override(mut self, kind: CauseKind, backoff: Backoff) -> Result<Self, PolicyError> {
        match kind.class() {
            Class::Transient | Class::Crash => {}
            Class::Permanent | Class::Requested => {
                let allowed = "a transient cause or a crash";
                return Err(PolicyError::new("overrides", kind, allowed));
            }
        }
        if kind == CauseKind::Refused {
            self.refused = RefusedCap::off();
        }
        self.overrides.insert(kind, backoff);
        Ok(self)
    }

    /// The cap for refused dials.
    pub fn with_refused(mut self, refused: RefusedCap) -> Self {
        self.refused = refused;
        self
    }

    /// How many attempts in a row may fail.
    pub fn with_attempts(mut self, attempts: Attempts) -> Self {
        self.attempts = attempts;
        self
    }

    /// How many crashes within a period are borne.
    pub fn with_intensity(mut self, intensity: Intensity) -> Self {
        self.intensity = intensity;
        self
    }

    /// The backoff that holds for this kind of cause.
    pub fn backoff(&self, kind: CauseKind) -> &Backoff {
        self.overrides.get(&kind).unwrap_or(&self.backoff)
    }

    /// The cap for refused dials.
    pub fn refused(&self) -> RefusedCap {
        self.refused
    }

    /// How many attempts in a row may fail.
    pub fn attempts(&self) -> Attempts {
        self.attempts
    }

    /// How many crashes within a period are borne.
    pub fn intensity(&self) -> Intensity {
        self.intensity
    }

    /// The delay before an attempt.
    ///
    /// `cause` is that of the last failure, `attempt` the number of the attempt to come, from 1,
    /// `previous` the delay before the attempt before it (zero if there was none), and `down_for`
    /// the time since the outage began. The result never is below the backoff's floor, also where
    /// the cap for refused dials is lower than that.
    pub fn delay(
        &self,
        cause: &Cause,
        attempt: u32,
        previous: Duration,
        down_for: Duration,
        rng: &mut (impl Rng + ?Sized),
    ) -> Duration {
        let backoff = self.backoff(cause.kind());
        if cause.kind() == CauseKind::Refused {
            return backoff.delay_up_to(self.refused.limit(down_for), attempt, previous, rng);
        }
        backoff.delay(attempt, previous, rng)
    }

    /// Whether no attempt is left after this many failed in a row.
    pub fn exhausted(&self, attempt: u32) -> bool {
        match self.attempts {
            Attempts::Unlimited => false,
            Attempts::Limited(limit) => attempt >= limit.get(),
        }
    }
}

impl TryFrom<RawRestartPolicy> for RestartPolicy {
    type Error = PolicyError;

    fn try_from(raw: RawRestartPolicy) -> Result<Self, PolicyError> {
        let mut policy = Self::default()
            .with_backoff(raw.backoff)
            .with_attempts(raw.attempts)
            .with_intensity(raw.intensity);
        for (kind, backoff) in raw.overrides {
            policy = policy.with_override(kind, backoff)?;
        }
        if let Some(refused) = raw.refused {
            policy = policy.with_refused(refused);
        }
        Ok(policy)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::policy::Jitter;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn fixed(millis: u64) -> Backoff {
        Backoff::fixed(ms(millis)).expect("not zero")
    }

    proptest! {
        #[test]
        fn a_refused_dial_waits_at_most_100_ms_in_the_first_ten_seconds(
            attempt in any::<u32>(),
            down_for in 0_u64..10_000,
            previous in 0_u64..100_000,
            seed in any::<u64>(),
        ) {
            let rng = &mut StdRng::seed_from_u64(seed);
            for jitter in [Jitter::None, Jitter::Full, Jitter::Equal, Jitter::Decorrelated] {
                let backoff = Backoff::default().jittered(jitter);
                let policy = RestartPolicy::default().with_backoff(backoff);
                let cause = Cause::from(CauseKind::Refused);
                let delay = policy.delay(&cause, attempt, ms(previous), ms(down_for), rng);
                prop_assert!(ms(10) <= delay && delay <= ms(100));
            }
        }
    }

    /// The longest of many delays.
    fn longest(policy: &RestartPolicy, kind: CauseKind, down_for: Duration) -> Duration {
        let rng = &mut StdRng::seed_from_u64(3);
        let mut draw = || policy.delay(&kind.into(), 50, Duration::ZERO, down_for, rng);
        (0..1_000).map(|_| draw()).max().expect("a thousand")
    }

    #[test]
    fn the_cap_for_refused_dials_ends_after_ten_seconds_and_holds_for_no_other_cause() {
        let policy = RestartPolicy::default();
        assert!(longest(&policy, CauseKind::Refused, ms(9_999)) <= ms(100));
        assert!(longest(&policy, CauseKind::Refused, ms(10_000)) > ms(9_800));
        assert!(longest(&policy, CauseKind::Closed, Duration::ZERO) > ms(29_000));
        let off = policy.with_refused(RefusedCap::off());
        assert!(longest(&off, CauseKind::Refused, Duration::ZERO) > ms(29_000));
    }

    #[test]
    fn after_ten_seconds_a_refused_dial_waits_no_longer_than_the_outage_has_lasted() {
        let policy = RestartPolicy::default();
        for down_for in [10_000, 11_000, 20_000, 29_000] {
            let longest = longest(&policy, CauseKind::Refused, ms(down_for));
            assert!(longest <= ms(down_for), "{longest:?} after {down_for} ms");
            assert!(longest > ms(down_for) * 9 / 10, "{longest:?}: still spread");
        }
        for down_for in [ms(30_000), ms(3_600_000), Duration::MAX] {
            let longest = longest(&policy, CauseKind::Refused, down_for);
            assert!(longest <= ms(30_000), "the ordinary cap holds: {longest:?}");
        }
    }

    #[test]
    fn a_short_window_never_lowers_the_cap_for_refused_dials() {
        let refused = RefusedCap::new(ms(500), ms(100)).expect("not zero");
        let policy = RestartPolicy::default().with_refused(refused);
        let longest = longest(&policy, CauseKind::Refused, ms(200));
        assert!(ms(450) < longest && longest <= ms(500), "{longest:?}");
    }

    #[test]
    fn refused_dials_stay_spread_under_their_cap() {
        let (policy, rng) = (RestartPolicy::default(), &mut StdRng::seed_from_u64(3));
        let refused = CauseKind::Refused.into();
        let mut draw = || policy.delay(&refused, 50, Duration::ZERO, Duration::ZERO, rng);
        let near_the_cap = (0..1_000).filter(|_| draw() > ms(99)).count();
        assert!(near_the_cap < 50, "{near_the_cap} of 1000");
    }

    #[test]
    fn the_floor_holds_for_refused_dials_too() {
        let backoff = Backoff::default().floored(ms(500)).expect("below the cap");
        let policy = RestartPolicy::default().with_backoff(backoff);
        let longest = longest(&policy, CauseKind::Refused, Duration::ZERO);
        assert_eq!(longest, ms(500));
    }

    #[test]
    fn a_cause_may_have_a_backoff_of_its_own() {
        let policy = RestartPolicy::default()
            .with_override(CauseKind::Unavailable, fixed(700))
            .and_then(|policy| policy.with_override(CauseKind::Refused, fixed(900)))
            .expect("both are transient");
        let delay = |kind| longest(&policy, kind, Duration::ZERO);
        assert_eq!(delay(CauseKind::Unavailable), ms(700));
        assert_eq!(delay(CauseKind::Refused), ms(900));
        let both = policy.clone().with_refused(RefusedCap::default());
        assert_eq!(longest(&both, CauseKind::Refused, ms(9_999)), ms(100));
        assert_eq!(longest(&both, CauseKind::Refused, ms(10_000)), ms(900));
    }

    #[test]
    fn refuses_a_backoff_for_a_cause_that_has_none() {
        for kind in [CauseKind::Denied, CauseKind::Requested] {
            let refused = RestartPolicy::default().with_override(kind, fixed(1));
            assert_eq!(refused.expect_err("parks").setting(), "overrides");
        }
    }

    #[test]
    fn attempts_are_exhausted_when_as_many_failed_as_were_allowed() {
        let policy = RestartPolicy::default();
        assert!(!policy.exhausted(u32::MAX));
        let three = NonZeroU32::new(3).expect("not zero");
        let policy = policy.with_attempts(Attempts::Limited(three));
        assert_eq!(
            [0, 2, 3, 4].map(|n| policy.exhausted(n)),
            [false, false, true, true]
        );
    }

    #[test]
    fn a_peer_that_accepts_and_closes_is_dialled_at_most_290_times_an_hour() {
        let (policy, seeds) = (RestartPolicy::default(), 400);
        let (mut total, mut most) = (0, 0);
        for seed in 0..seeds {
            let rng = &mut StdRng::seed_from_u64(seed);
            let (mut at, mut previous, mut attempt) = (Duration::ZERO, Duration::ZERO, 0);
            while at <= ms(3_600_000) {
                attempt += 1;
                previous = policy.delay(&CauseKind::Closed.into(), attempt, previous, at, rng);
                at += previous;
            }
            total += u64::from(attempt);
            most = most.max(attempt);
        }
        let mean = total / seeds;
        assert!((235..=260).contains(&mean), "{mean} on average");
        assert!(most <= 290, "{most} at most");
    }

    #[test]
    fn toml_comes_back_as_it_was() {
        let text = "attempts = 10\n\
            backoff = { kind = 'linear', base = '50ms', step = '1s', jitter = 'equal' }\n\
            refused = { cap = '200ms', within = '1m' }\n\
            intensity = { restarts = 3 }\n\
            [overrides]\n\
            unavailable = { kind = 'fixed', delay = '2s', jitter = { ratio = 0.2 } }\n\
            refused = { kind = 'none' }\n";
        let policy: RestartPolicy = toml::from_str(text).expect("valid");
        assert_eq!(policy.refused().cap(), ms(200));
        assert_eq!(policy.intensity().restarts(), 3);
        for policy in [policy, RestartPolicy::default()] {
            let written = toml::to_string(&policy).expect("not custom");
            assert_eq!(
                toml::from_str::<RestartPolicy>(&written).expect(&written),
                policy
            );
        }
        let empty: RestartPolicy = toml::from_str("").expect("all defaults");
        assert_eq!(empty, RestartPolicy::default());
    }

    #[test]
    fn a_configuration_that_cannot_be_is_refused() {
        for (text, message) in [
            ("attempts = 0", "from 1 to 4294967295"),
            ("attempts = -1", "from 1 to 4294967295"),
            ("attempts = 'many'", "\"unlimited\" or a number"),
            (
                "refused = { cap = '0s' }",
                "cap is 0ns, but must be more than zero",
            ),
            ("refused = { for = '1s' }", "unknown field `for`"),
            (
                "overrides = { denied = { kind = 'none' } }",
                "a transient cause or a crash",
            ),
            ("backof = { kind = 'none' }", "unknown field `backof`"),
        ] {
            let error = toml::from_str::<RestartPolicy>(text)
                .expect_err(text)
                .to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
