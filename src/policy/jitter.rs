//! [`Jitter`]: how a computed delay is spread, so that many links that lost the same peer at the
//! same instant do not all dial it again at the same instant.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::policy::error::PolicyError;

/// How a delay is drawn around the one that the growth computed.
///
/// The terms are those of "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015). Each
/// draw is uniform over a range that lies between floor and cap. It is the *range* that is cut at
/// the cap, never the drawn value: cutting values would put many of them exactly on the cap, and
/// a fleet that waits there would dial in step.
///
/// In a configuration: `jitter = "full"`, or `jitter = { ratio = 0.2 }`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Jitter {
    /// The computed delay itself.
    None,
    /// From the floor to the computed delay. Spreads best; the mean is about half of the computed
    /// delay.
    #[default]
    Full,
    /// From half of the computed delay to all of it.
    Equal,
    /// From the base to three times the delay before, whatever the attempt's number. The lower end
    /// is the delay of the first attempt, but at most half of the cap, so that something is left
    /// to draw from.
    Decorrelated,
    /// The computed delay, plus or minus this share of it. Made with [`Jitter::ratio`].
    Ratio(Ratio),
}

/// A share from 0 to 1, both included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Ratio(f64);

impl Ratio {
    /// One half.
    pub(super) const HALF: Self = Self(0.5);

    /// A share from 0 to 1.
    ///
    /// # Errors
    /// When it is not a number from 0 to 1.
    pub fn new(ratio: f64) -> Result<Self, PolicyError> {
        if !(0.0..=1.0).contains(&ratio) {
            return Err(PolicyError::new("ratio", ratio, "a number from 0 to 1"));
        }
        Ok(Self(ratio))
    }

    /// The share as a number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Ratio {
    type Error = PolicyError;

    fn try_from(ratio: f64) -> Result<Self, PolicyError> {
        Self::new(ratio)
    }
}

impl From<Ratio> for f64 {
    fn from(ratio: Ratio) -> Self {
        ratio.0
    }
}

/// What the range of a draw depends on. Always `floor <= first, computed <= cap`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Basis {
    pub(super) floor: Duration,
    /// The computed delay of the first attempt.
    pub(super) first: Duration,
    /// The computed delay of this attempt.
    pub(super) computed: Duration,
    /// The delay that was drawn before; zero if there was none.
    pub(super) previous: Duration,
    pub(super) cap: Duration,
}

impl Jitter {
    /// Plus or minus `ratio` of the computed delay.
    ///
    /// # Errors
    /// When `ratio` is not a number from 0 to 1.
    pub fn ratio(ratio: f64) -> Result<Self, PolicyError> {
        Ratio::new(ratio).map(Self::Ratio)
    }

    /// The shortest and the longest delay that may be drawn; never empty.
    pub(super) fn range(self, basis: Basis) -> RangeInclusive<Duration> {
        let Basis {
            floor,
            first,
            computed,
            previous,
            cap,
        } = basis;
        match self {
            Self::None => computed..=computed,
            Self::Full => floor..=computed,
            Self::Equal => floor.max(computed / 2)..=computed,
            Self::Decorrelated => {
                let longest = previous.max(first).saturating_mul(3).min(cap);
                floor.max(first.min(cap / 2))..=longest
            }
            Self::Ratio(Ratio(ratio)) => {
                let spread = Duration::try_from_secs_f64(computed.as_secs_f64() * ratio)
                    .unwrap_or(Duration::MAX);
                let shortest = computed.saturating_sub(spread).max(floor);
                shortest..=computed.saturating_add(spread).min(cap)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn basis() -> Basis {
        Basis {
            floor: ms(10),
            first: ms(100),
            computed: ms(800),
            previous: ms(300),
            cap: ms(1_000),
        }
    }

    #[test]
    fn each_kind_draws_from_its_own_range() {
        assert_eq!(Jitter::None.range(basis()), ms(800)..=ms(800));
        assert_eq!(Jitter::Full.range(basis()), ms(10)..=ms(800));
        assert_eq!(Jitter::Equal.range(basis()), ms(400)..=ms(800));
        assert_eq!(Jitter::Decorrelated.range(basis()), ms(100)..=ms(900));
        let ratio = Jitter::ratio(0.2).expect("0.2 is a share");
        assert_eq!(ratio.range(basis()), ms(640)..=ms(960));
    }

    #[test]
    fn a_range_above_the_cap_is_cut_and_stays_wide() {
        let at_cap = Basis {
            computed: ms(1_000),
            previous: ms(1_000),
            ..basis()
        };
        assert_eq!(Jitter::Full.range(at_cap), ms(10)..=ms(1_000));
        assert_eq!(Jitter::Decorrelated.range(at_cap), ms(100)..=ms(1_000));
        let ratio = Jitter::ratio(0.2).expect("0.2 is a share");
        assert_eq!(ratio.range(at_cap), ms(800)..=ms(1_000));
    }

    #[test]
    fn the_first_decorrelated_delay_reaches_three_times_the_base() {
        let first = Basis {
            previous: Duration::ZERO,
            ..basis()
        };
        assert_eq!(Jitter::Decorrelated.range(first), ms(100)..=ms(300));
    }

    #[test]
    fn decorrelated_keeps_something_to_draw_from_when_the_base_reaches_the_cap() {
        let narrow = Basis {
            first: ms(1_000),
            ..basis()
        };
        assert_eq!(Jitter::Decorrelated.range(narrow), ms(500)..=ms(1_000));
    }

    #[test]
    fn refuses_a_ratio_outside_of_zero_to_one() {
        for ratio in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let error = Jitter::ratio(ratio).expect_err("not a share");
            assert_eq!(error.setting(), "ratio");
        }
        let error = Jitter::ratio(1.5).expect_err("not a share").to_string();
        assert_eq!(error, "ratio is 1.5, but must be a number from 0 to 1");
    }

    #[test]
    fn reads_what_it_writes() {
        let ratio = Jitter::ratio(0.2).expect("0.2 is a share");
        for (jitter, text) in [
            (Jitter::None, r#""none""#),
            (Jitter::Full, r#""full""#),
            (Jitter::Equal, r#""equal""#),
            (Jitter::Decorrelated, r#""decorrelated""#),
            (ratio, r#"{"ratio":0.2}"#),
        ] {
            assert_eq!(serde_json::to_string(&jitter).expect("plain"), text);
            let back: Jitter = serde_json::from_str(text).expect("just written");
            assert_eq!(back, jitter);
        }
        let refused = serde_json::from_str::<Jitter>(r#"{"ratio":2}"#);
        let refused = refused.expect_err("not a share").to_string();
        assert!(refused.contains("from 0 to 1"), "{refused}");
    }
}
