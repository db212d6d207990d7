//! [`Backoff`]: how long to wait before the next attempt.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use rand::{Rng, RngExt};
use serde::Deserialize;

use crate::policy::backoff_form::RawBackoff;
use crate::policy::error::PolicyError;
use crate::policy::growth::{Custom, Growth};
use crate::policy::jitter::{Basis, Jitter};

pub(super) const BASE: Duration = Duration::from_millis(100);
pub(super) const FACTOR: f64 = 2.0;
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
    pub(super) growth: Growth,
    pub(super) jitter: Jitter,
    /// Unset ones follow the growth, so that `fixed(60 s)` is not silently cut to 30 s.
    pub(super) cap: Option<Duration>,
    pub(super) floor: Option<Duration>,
}

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
    /// attempt, so it should depend on the number only. If it panics, the delay is the cap. Cannot be written to a
    /// configuration.
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
            let base = self.growth.base().unwrap_or(CAP);
            CAP.max(base).max(self.floor.unwrap_or_default())
        };
        self.cap.unwrap_or_else(default)
    }

    /// The shortest delay, whether set or by default.
    pub fn floor(&self) -> Duration {
        let default = || {
            let base = self.growth.base().unwrap_or(FLOOR);
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
}

fn positive(setting: &'static str, value: Duration) -> Result<Duration, PolicyError> {
    if value.is_zero() {
        return Err(PolicyError::new(setting, value, "more than zero"));
    }
    Ok(value)
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

#[cfg(test)]
mod tests;
