//! [`Backoff`]: how long to wait before the next attempt.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use humantime_serde::Serde;
use rand::{Rng, RngExt};
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};

use crate::policy::jitter::{Basis, Jitter, PolicyError};

const BASE: Duration = Duration::from_millis(100);
const FACTOR: f64 = 2.0;
const FIXED: Duration = Duration::from_secs(1);
const CAP: Duration = Duration::from_secs(30);
const FLOOR: Duration = Duration::from_millis(10);

/// The delay before each attempt: a growth, spread by a [`Jitter`], between a floor and a cap.
///
/// Default: 100 ms, doubled with each attempt, full jitter, floor 10 ms, cap 30 s. Against a peer
/// that accepts and closes at once that makes about 250 attempts an hour.
///
/// A cap that was not set is 30 s, or the base or the floor where that is more; a floor that was
/// not set is 10 ms, or the base or the cap where that is less. Cap and floor can be set in any
/// order.
///
/// ```
/// # use std::time::Duration;
/// # use everlink::policy::{Backoff, Jitter};
/// let backoff = Backoff::exponential(Duration::from_millis(200), 1.5)?
///     .capped(Duration::from_secs(60))?
///     .jittered(Jitter::Equal);
/// assert_eq!(*backoff.range(2, Duration::ZERO).end(), Duration::from_millis(300));
/// # Ok::<(), everlink::policy::PolicyError>(())
/// ```
///
/// In a configuration, where everything but `kind` may be left out:
/// `{ kind = "exponential", base = "100ms", factor = 2.0, cap = "30s", floor = "10ms", jitter = "full" }`,
/// `{ kind = "linear", base = "100ms", step = "1s" }`, `{ kind = "fixed", delay = "1s" }` or
/// `{ kind = "none" }`.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "RawBackoff")]
pub struct Backoff {
    growth: Growth,
    jitter: Jitter,
    /// Unset ones follow the growth, so that `fixed(60 s)` is not silently cut to 30 s.
    cap: Option<Duration>,
    floor: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq)]
enum Growth {
    None,
    Fixed { delay: Duration },
    Linear { base: Duration, step: Duration },
    Exponential { base: Duration, factor: f64 },
    Custom(Custom),
}

#[derive(Clone)]
struct Custom(Arc<dyn Fn(u32) -> Duration + Send + Sync>);

impl Backoff {
    /// No delay at all. Cap, floor and jitter do not apply. Only for peers whose dials are paced
    /// by something else.
    pub fn none() -> Self {
        Self::new(Growth::None, Jitter::None)
    }

    /// The same delay each time, without jitter unless one is set.
    ///
    /// # Errors
    /// When `delay` is zero.
    pub fn fixed(delay: Duration) -> Result<Self, PolicyError> {
        let delay = positive("delay", delay)?;
        Ok(Self::new(Growth::Fixed { delay }, Jitter::None))
    }

    /// `base` for the first attempt, `step` more for each one after it, with full jitter.
    ///
    /// # Errors
    /// When `base` is zero.
    pub fn linear(base: Duration, step: Duration) -> Result<Self, PolicyError> {
        let base = positive("base", base)?;
        Ok(Self::new(Growth::Linear { base, step }, Jitter::Full))
    }

    /// `base` for the first attempt, `factor` times as much for each one after it, with full
    /// jitter.
    ///
    /// # Errors
    /// When `base` is zero, or `factor` is not a finite number of at least 1.
    pub fn exponential(base: Duration, factor: f64) -> Result<Self, PolicyError> {
        let base = positive("base", base)?;
        if !(factor.is_finite() && factor >= 1.0) {
            let allowed = "a finite number of at least 1";
            return Err(PolicyError::new("factor", factor, allowed));
        }
        let growth = Growth::Exponential { base, factor };
        Ok(Self::new(growth, Jitter::Full))
    }

    /// What `delay` answers for the number of the attempt, from 1; bounded by cap and floor, and
    /// without jitter unless one is set. It must not block. It may be asked more than once for an
    /// attempt, so it should depend on the number only. Cannot be written to a configuration.
    pub fn custom(delay: impl Fn(u32) -> Duration + Send + Sync + 'static) -> Self {
        Self::new(Growth::Custom(Custom(Arc::new(delay))), Jitter::None)
    }

    fn new(growth: Growth, jitter: Jitter) -> Self {
        Self {
            growth,
            jitter,
            cap: None,
            floor: None,
        }
    }

    /// No delay is longer than `cap`, jitter included.
    ///
    /// # Errors
    /// When `cap` is zero, or below a floor that was set.
    pub fn capped(mut self, cap: Duration) -> Result<Self, PolicyError> {
        let cap = positive("cap", cap)?;
        if let Some(floor) = self.floor
            && cap < floor
        {
            let allowed = format!("at least the floor of {floor:?}");
            return Err(PolicyError::new("cap", cap, allowed));
        }
        if !self.is_none() {
            self.cap = Some(cap);
        }
        Ok(self)
    }

    /// No delay is shorter than `floor`, jitter included. Zero switches the floor off.
    ///
    /// # Errors
    /// When `floor` is above a cap that was set.
    pub fn floored(mut self, floor: Duration) -> Result<Self, PolicyError> {
        if let Some(cap) = self.cap
            && cap < floor
        {
            let allowed = format!("at most the cap of {cap:?}");
            return Err(PolicyError::new("floor", floor, allowed));
        }
        if !self.is_none() {
            self.floor = Some(floor);
        }
        Ok(self)
    }

    /// Spreads the delays in this way.
    pub fn jittered(mut self, jitter: Jitter) -> Self {
        if !self.is_none() {
            self.jitter = jitter;
        }
        self
    }

    /// How delays are spread.
    pub fn jitter(&self) -> Jitter {
        self.jitter
    }

    /// The longest delay, whether set or by default.
    pub fn cap(&self) -> Duration {
        let default = || {
            let base = self.base().unwrap_or(CAP);
            CAP.max(base).max(self.floor.unwrap_or_default())
        };
        self.cap.unwrap_or_else(default)
    }

    /// The shortest delay, whether set or by default.
    pub fn floor(&self) -> Duration {
        let default = || {
            let base = self.base().unwrap_or(FLOOR);
            FLOOR.min(base).min(self.cap())
        };
        self.floor.unwrap_or_else(default)
    }

    /// The delay before an attempt.
    ///
    /// `attempt` counts from 1. `previous` is the delay before the attempt before, zero if there
    /// was none; only decorrelated jitter looks at it. Any number and any duration is fine: the
    /// result lies between floor and cap (and is zero for [`Backoff::none`]).
    pub fn delay(
        &self,
        attempt: u32,
        previous: Duration,
        rng: &mut (impl Rng + ?Sized),
    ) -> Duration {
        self.delay_up_to(Duration::MAX, attempt, previous, rng)
    }

    /// The same under a lower cap; the floor holds all the same.
    pub(super) fn delay_up_to(
        &self,
        limit: Duration,
        attempt: u32,
        previous: Duration,
        rng: &mut (impl Rng + ?Sized),
    ) -> Duration {
        rng.random_range(self.range_up_to(limit, attempt, previous))
    }

    /// From the shortest to the longest delay that [`Backoff::delay`] may answer.
    pub fn range(&self, attempt: u32, previous: Duration) -> RangeInclusive<Duration> {
        self.range_up_to(Duration::MAX, attempt, previous)
    }

    fn range_up_to(
        &self,
        limit: Duration,
        attempt: u32,
        previous: Duration,
    ) -> RangeInclusive<Duration> {
        if self.is_none() {
            return Duration::ZERO..=Duration::ZERO;
        }
        let floor = self.floor();
        let cap = self.cap().min(limit).max(floor);
        let bounded = |attempt| self.growth.computed(attempt).clamp(floor, cap);
        self.jitter.range(Basis {
            floor,
            first: bounded(1),
            computed: bounded(attempt.max(1)),
            previous,
            cap,
        })
    }

    fn is_none(&self) -> bool {
        matches!(self.growth, Growth::None)
    }

    fn base(&self) -> Option<Duration> {
        match self.growth {
            Growth::None | Growth::Custom(_) => None,
            Growth::Fixed { delay } => Some(delay),
            Growth::Linear { base, .. } | Growth::Exponential { base, .. } => Some(base),
        }
    }
}

fn positive(setting: &'static str, value: Duration) -> Result<Duration, PolicyError> {
    if value.is_zero() {
        return Err(PolicyError::new(setting, value, "more than zero"));
    }
    Ok(value)
}

impl Growth {
    /// The delay before bounds and jitter. Saturates: an outage may last for any number of
    /// attempts.
    fn computed(&self, attempt: u32) -> Duration {
        let grown = attempt.saturating_sub(1);
        match self {
            Self::None => Duration::ZERO,
            Self::Fixed { delay } => *delay,
            Self::Linear { base, step } => base.saturating_add(step.saturating_mul(grown)),
            Self::Exponential { base, factor } => {
                // Infinity is what a float overflows to; `try_from` refuses it.
                let seconds = base.as_secs_f64() * factor.powf(f64::from(grown));
                Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
            }
            Self::Custom(Custom(delay)) => delay(attempt),
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        let growth = Growth::Exponential {
            base: BASE,
            factor: FACTOR,
        };
        Self::new(growth, Jitter::Full)
    }
}

/// Equal when they answer alike; custom functions are equal when they are the same one.
impl PartialEq for Backoff {
    fn eq(&self, other: &Self) -> bool {
        self.growth == other.growth
            && self.jitter == other.jitter
            && self.cap() == other.cap()
            && self.floor() == other.floor()
    }
}

impl PartialEq for Custom {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("function")
    }
}

/// The form in a configuration, not yet validated. The common fields stand in each kind, because
/// serde cannot flatten them and refuse unknown fields at once.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum RawBackoff {
    None {},
    Fixed {
        delay: Option<Serde<Duration>>,
        cap: Option<Serde<Duration>>,
        floor: Option<Serde<Duration>>,
        jitter: Option<Jitter>,
    },
    Linear {
        base: Option<Serde<Duration>>,
        step: Option<Serde<Duration>>,
        cap: Option<Serde<Duration>>,
        floor: Option<Serde<Duration>>,
        jitter: Option<Jitter>,
    },
    Exponential {
        base: Option<Serde<Duration>>,
        factor: Option<f64>,
        cap: Option<Serde<Duration>>,
        floor: Option<Serde<Duration>>,
        jitter: Option<Jitter>,
    },
}

impl TryFrom<RawBackoff> for Backoff {
    type Error = PolicyError;

    #[rustfmt::skip]
    fn try_from(raw: RawBackoff) -> Result<Self, PolicyError> {
        let or = |value: Option<Serde<Duration>>, default| value.map_or(default, Serde::into_inner);
        let (backoff, cap, floor, jitter) = match raw {
            RawBackoff::None {} => return Ok(Self::none()),
            RawBackoff::Fixed { delay, cap, floor, jitter } => {
                (Self::fixed(or(delay, FIXED))?, cap, floor, jitter)
            }
            RawBackoff::Linear { base, step, cap, floor, jitter } => {
                let base = or(base, BASE);
                (Self::linear(base, or(step, base))?, cap, floor, jitter)
            }
            RawBackoff::Exponential { base, factor, cap, floor, jitter } => {
                let factor = factor.unwrap_or(FACTOR);
                (Self::exponential(or(base, BASE), factor)?, cap, floor, jitter)
            }
        };
        let jitter = jitter.unwrap_or(backoff.jitter);
        let mut backoff = backoff.jittered(jitter);
        if let Some(cap) = cap {
            backoff = backoff.capped(cap.into_inner())?;
        }
        if let Some(floor) = floor {
            backoff = backoff.floored(floor.into_inner())?;
        }
        Ok(backoff)
    }
}

impl Serialize for Backoff {
    #[rustfmt::skip]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = |value: Duration| Some(Serde::from(value));
        let (cap, floor) = (self.cap.map(Serde::from), self.floor.map(Serde::from));
        let jitter = Some(self.jitter);
        let raw = match self.growth {
            Growth::None => RawBackoff::None {},
            Growth::Fixed { delay } => {
                RawBackoff::Fixed { delay: text(delay), cap, floor, jitter }
            }
            Growth::Linear { base, step } => {
                RawBackoff::Linear { base: text(base), step: text(step), cap, floor, jitter }
            }
            Growth::Exponential { base, factor } => {
                RawBackoff::Exponential { base: text(base), factor: Some(factor), cap, floor, jitter }
            }
            Growth::Custom(_) => {
                let message = "a backoff made of a custom function cannot be serialized";
                return Err(S::Error::custom(message));
            }
        };
        raw.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn any_duration() -> impl Strategy<Value = Duration> {
        prop_oneof![
            (1_u64..100_000).prop_map(Duration::from_nanos),
            (1_u64..100_000).prop_map(Duration::from_millis),
            (1_u64.., 0_u32..1_000_000_000).prop_map(|(s, n)| Duration::new(s, n)),
            Just(Duration::MAX),
        ]
    }

    fn any_growing() -> impl Strategy<Value = Backoff> {
        let factor = prop_oneof![1.0..4.0_f64, Just(1.0), Just(f64::MAX)];
        prop_oneof![
            any_duration().prop_map(Backoff::fixed),
            (any_duration(), any_duration()).prop_map(|(b, s)| Backoff::linear(b, s)),
            (any_duration(), factor).prop_map(|(b, f)| Backoff::exponential(b, f)),
        ]
        .prop_map(|backoff| backoff.expect("generated within the rules"))
    }

    fn any_jitter() -> impl Strategy<Value = Jitter> {
        prop_oneof![
            Just(Jitter::None),
            Just(Jitter::Full),
            Just(Jitter::Equal),
            Just(Jitter::Decorrelated),
            (0.0..=1.0_f64).prop_map(|r| Jitter::ratio(r).expect("a share")),
        ]
    }

    prop_compose! {
        fn any_backoff()(
            backoff in any_growing(),
            jitter in any_jitter(),
            bounds in (any_duration(), any_duration()),
            cap_set in any::<bool>(),
            floor_set in any::<bool>(),
        ) -> Backoff {
            let mut backoff = backoff.jittered(jitter);
            if cap_set {
                backoff = backoff.capped(bounds.0.max(bounds.1)).expect("not zero");
            }
            if floor_set {
                backoff = backoff.floored(bounds.0.min(bounds.1)).expect("below the cap");
            }
            backoff
        }
    }

    fn any_attempt() -> impl Strategy<Value = u32> {
        prop_oneof![0_u32..40, any::<u32>(), Just(u32::MAX)]
    }

    proptest! {
        #[test]
        fn a_delay_lies_between_floor_and_cap_and_repeats_under_the_same_seed(
            backoff in any_backoff(),
            attempt in any_attempt(),
            previous in any_duration(),
            seed in any::<u64>(),
        ) {
            let draw = || backoff.delay(attempt, previous, &mut StdRng::seed_from_u64(seed));
            let delay = draw();
            prop_assert!(backoff.floor() <= delay && delay <= backoff.cap());
            prop_assert!(backoff.range(attempt, previous).contains(&delay));
            prop_assert_eq!(draw(), delay);
        }

        #[test]
        fn the_longest_delay_never_shrinks_with_the_attempt(
            backoff in any_backoff(),
            attempts in (any_attempt(), any_attempt()),
            previous in any_duration(),
        ) {
            let longest = |attempt| *backoff.range(attempt, previous).end();
            let (early, late) = (attempts.0.min(attempts.1), attempts.0.max(attempts.1));
            prop_assert!(longest(early) <= longest(late));
        }

        #[test]
        fn a_custom_function_is_bounded_as_well(
            answer in any_duration(),
            jitter in any_jitter(),
            attempt in any_attempt(),
            seed in any::<u64>(),
        ) {
            let backoff = Backoff::custom(move |_| answer).jittered(jitter);
            let delay = backoff.delay(attempt, answer, &mut StdRng::seed_from_u64(seed));
            prop_assert!(FLOOR <= delay && delay <= CAP);
        }

        #[test]
        fn decorrelated_stays_between_the_base_and_thrice_the_delay_before(
            seed in any::<u64>(),
        ) {
            let rng = &mut StdRng::seed_from_u64(seed);
            let backoff = Backoff::default().jittered(Jitter::Decorrelated);
            let mut previous = Duration::ZERO;
            for attempt in 1..100 {
                let delay = backoff.delay(attempt, previous, rng);
                prop_assert!(BASE <= delay && delay <= CAP.min(previous.max(BASE) * 3));
                previous = delay;
            }
        }

        #[test]
        fn toml_comes_back_as_it_was(
            backoff in any_backoff().prop_filter("humantime ends there", |backoff| {
                let year = Duration::from_secs(31_557_600);
                *backoff.range(2, Duration::ZERO).end() < year && backoff.cap() < year
            }),
        ) {
            let text = toml::to_string(&backoff).expect("not custom");
            prop_assert_eq!(toml::from_str::<Backoff>(&text).expect("just written"), backoff);
        }
    }

    fn draws(backoff: &Backoff, attempt: u32) -> Vec<f64> {
        let rng = &mut StdRng::seed_from_u64(7);
        let mut draw = || backoff.delay(attempt, CAP, rng).as_secs_f64();
        (0..4_000).map(|_| draw()).collect()
    }

    #[test]
    fn delays_spread_evenly_even_at_the_cap() {
        let ratio = Jitter::ratio(0.2).expect("a share");
        for (jitter, mean) in [
            (Jitter::Full, 15.0),
            (Jitter::Equal, 22.5),
            (Jitter::Decorrelated, 15.05),
            (ratio, 27.0),
        ] {
            let draws = draws(&Backoff::default().jittered(jitter), u32::MAX);
            let measured = draws.iter().sum::<f64>() / draws.len() as f64;
            assert!((measured - mean).abs() < 0.4, "{jitter:?}: {measured}");
            let at_cap = draws.iter().filter(|&&delay| delay > 29.9).count();
            assert!(at_cap < draws.len() / 20, "{jitter:?}: {at_cap} at the cap");
        }
    }

    #[test]
    fn grows_as_its_kind_says() {
        let longest = |backoff: &Backoff| [1, 2, 3, 4].map(|n| *backoff.range(n, CAP).end());
        let fixed = Backoff::fixed(ms(50)).expect("valid");
        assert_eq!(longest(&fixed), [ms(50); 4]);
        let linear = Backoff::linear(ms(100), ms(30)).expect("valid");
        assert_eq!(longest(&linear), [ms(100), ms(130), ms(160), ms(190)]);
        let default = Backoff::default();
        assert_eq!(longest(&default), [ms(100), ms(200), ms(400), ms(800)]);
        let custom = Backoff::custom(|attempt| ms(u64::from(attempt) * 7 + 10));
        assert_eq!(longest(&custom), [ms(17), ms(24), ms(31), ms(38)]);
        assert_eq!(longest(&Backoff::none()), [Duration::ZERO; 4]);
    }

    #[test]
    fn bounds_that_were_not_set_follow_the_base() {
        let slow = Backoff::fixed(ms(60_000)).expect("valid");
        assert_eq!(slow.range(1, CAP), ms(60_000)..=ms(60_000));
        let quick = Backoff::fixed(ms(1)).expect("valid");
        assert_eq!(quick.range(1, CAP), ms(1)..=ms(1));
        let low = Backoff::default().capped(ms(5)).expect("valid");
        assert_eq!((low.floor(), low.cap()), (ms(5), ms(5)));
        let high = Backoff::default().floored(ms(60_000)).expect("valid");
        assert_eq!((high.floor(), high.cap()), (ms(60_000), ms(60_000)));
    }

    #[test]
    fn refuses_settings_that_cannot_be_and_says_why() {
        let zero = Duration::ZERO;
        let too_low = Backoff::default().floored(ms(20)).expect("valid");
        for (result, message) in [
            (
                Backoff::fixed(zero),
                "delay is 0ns, but must be more than zero",
            ),
            (
                Backoff::linear(zero, ms(1)),
                "base is 0ns, but must be more than zero",
            ),
            (
                Backoff::exponential(ms(1), 0.5),
                "factor is 0.5, but must be a finite number of at least 1",
            ),
            (
                Backoff::exponential(ms(1), f64::NAN),
                "factor is NaN, but must be a finite number of at least 1",
            ),
            (
                Backoff::default().capped(zero),
                "cap is 0ns, but must be more than zero",
            ),
            (
                too_low.capped(ms(10)),
                "cap is 10ms, but must be at least the floor of 20ms",
            ),
        ] {
            assert_eq!(result.expect_err(message).to_string(), message);
        }
    }

    #[test]
    fn a_configuration_names_only_what_differs() {
        let read = |text: &str| toml::from_str::<Backoff>(text);
        let default = read("kind = 'exponential'").expect("all defaults");
        assert_eq!(default, Backoff::default());
        let text = "kind = 'linear'\nbase = '1s'\ncap = '5s'\njitter = { ratio = 0.2 }";
        let linear = Backoff::linear(ms(1_000), ms(1_000)).and_then(|b| b.capped(ms(5_000)));
        let ratio = Jitter::ratio(0.2).expect("a share");
        assert_eq!(
            read(text).expect("valid"),
            linear.expect("valid").jittered(ratio)
        );
        assert_eq!(read("kind = 'none'").expect("valid"), Backoff::none());
    }

    #[test]
    fn a_configuration_that_cannot_be_is_refused() {
        for (text, message) in [
            ("kind = 'custom'", "unknown variant `custom`"),
            ("kind = 'fixed'\nfactor = 2", "unknown field `factor`"),
            ("kind = 'none'\ncap = '1s'", "unknown field `cap`"),
            ("kind = 'fixed'\nbsae = '1s'", "unknown field `bsae`"),
            (
                "kind = 'exponential'\nfloor = '2s'\ncap = '1s'",
                "floor is 2s, but must be at most the cap of 1s",
            ),
            ("base = '1s'", "missing field `kind`"),
        ] {
            let error = toml::from_str::<Backoff>(text).expect_err(text).to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn a_custom_function_says_that_it_cannot_be_written() {
        let error = toml::to_string(&Backoff::custom(|_| BASE)).expect_err("custom");
        assert!(
            error
                .to_string()
                .contains("custom function cannot be serialized")
        );
    }

    #[test]
    fn can_be_shared_between_threads() {
        fn shared<T: Clone + Send + Sync + fmt::Debug>() {}
        shared::<Backoff>();
    }
}
