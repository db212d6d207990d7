//! The form of a [`Backoff`] in a configuration.

use std::time::Duration;

use humantime_serde::Serde;
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};

use crate::policy::backoff::{BASE, Backoff, FACTOR};
use crate::policy::error::PolicyError;
use crate::policy::growth::Growth;
use crate::policy::jitter::Jitter;

const FIXED: Duration = Duration::from_secs(1);

/// The form in a configuration, not yet validated. The common fields stand in each kind, because
/// serde cannot flatten them and refuse unknown fields at once.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum RawBackoff {
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

    fn try_from(raw: RawBackoff) -> Result<Self, PolicyError> {
        let or = |value: Option<Serde<Duration>>, default| value.map_or(default, Serde::into_inner);
        let (backoff, cap, floor, jitter) = match raw {
            RawBackoff::None {} => return Ok(Self::none()),
            RawBackoff::Fixed {
                delay,
                cap,
                floor,
                jitter,
            } => (Self::fixed(or(delay, FIXED))?, cap, floor, jitter),
            RawBackoff::Linear {
                base,
                step,
                cap,
                floor,
                jitter,
            } => {
                let base = or(base, BASE);
                (Self::linear(base, or(step, base))?, cap, floor, jitter)
            }
            RawBackoff::Exponential {
                base,
                factor,
                cap,
                floor,
                jitter,
            } => {
                let factor = factor.unwrap_or(FACTOR);
                (
                    Self::exponential(or(base, BASE), factor)?,
                    cap,
                    floor,
                    jitter,
                )
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
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = |value: Duration| Some(Serde::from(value));
        let (cap, floor) = (self.cap.map(Serde::from), self.floor.map(Serde::from));
        let jitter = Some(self.jitter);
        let raw = match self.growth {
            Growth::None => RawBackoff::None {},
            Growth::Fixed { delay } => RawBackoff::Fixed {
                delay: text(delay),
                cap,
                floor,
                jitter,
            },
            Growth::Linear { base, step } => RawBackoff::Linear {
                base: text(base),
                step: text(step),
                cap,
                floor,
                jitter,
            },
            Growth::Exponential { base, factor } => RawBackoff::Exponential {
                base: text(base),
                factor: Some(factor),
                cap,
                floor,
                jitter,
            },
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
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
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
}
