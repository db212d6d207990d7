//! How a link is supervised, as a configuration file says it: [`LinkOptions`].

use std::fmt;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::link::circuit::Circuit;
use crate::link::settings::LinkSettings;
use crate::policy::{BreakerSettings, PolicyError, RestartPolicy, off};

/// No setting is longer: sums of instants must not overflow.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What the links of every backend can be told, whatever they carry.
///
/// | setting | default | meaning |
/// | --- | --- | --- |
/// | `restart` | [`RestartPolicy`] | when to try again, how often, when to give up |
/// | `breaker` | the backend's usual one | a table of [`BreakerSettings`], or `"off"` |
/// | `connect_timeout` | 5 s | how long an attempt may take, handshake included |
/// | `drain_timeout` | 5 s | how long a connection may finish what is in flight when it is closed |
/// | `kill_timeout` | 1 s | how long it may then take to end before it is aborted |
/// | `stable_after` | 10 s | up for so long, its attempts count from the start again |
/// | `park_probe` | 5 min | how often a parked link looks whether its cause is gone, or `"off"` |
///
/// Each duration but `drain_timeout` is more than zero, and none is longer than a year.
///
/// ```
/// # use everlink::link::LinkOptions;
/// let options: LinkOptions = toml::from_str(r#"
///     connect_timeout = "2s"
///     breaker = "off"
///     restart = { attempts = 10 }
/// "#)?;
/// options.check()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LinkOptions {
    /// When to try again, how often, and when to give up.
    pub restart: RestartPolicy,
    /// When calls fail at once for a while.
    pub breaker: BreakerOption,
    /// How long an attempt may take, handshake included. Default 5 s.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// How long a connection may finish what is in flight when it is closed on request; zero
    /// does not wait. Default 5 s.
    #[serde(with = "humantime_serde")]
    pub drain_timeout: Duration,
    /// How long a connection that should have ended may take to do so before it is aborted.
    /// Default 1 s.
    #[serde(with = "humantime_serde")]
    pub kill_timeout: Duration,
    /// How long a link must be up before its attempts count from the start again. Default 10 s.
    #[serde(with = "humantime_serde")]
    pub stable_after: Duration,
    /// How often a parked link looks whether its cause is gone; `None`, or `"off"` in text, never
    /// looks. Default 5 min.
    #[serde(with = "off::duration")]
    pub park_probe: Option<Duration>,
}

/// The breaker of a link. In a configuration a table of [`BreakerSettings`], or `"off"`; left out,
/// the usual one of the backend. A table begins with the defaults of [`BreakerSettings`], not with
/// those of the backend.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum BreakerOption {
    /// The one that links of this backend usually have.
    #[default]
    Usual,
    /// None.
    Off,
    /// This one.
    Set(BreakerSettings),
}

impl Default for LinkOptions {
    fn default() -> Self {
        let settings = LinkSettings::default();
        Self {
            restart: settings.restart,
            breaker: BreakerOption::default(),
            connect_timeout: settings.connect_timeout,
            drain_timeout: settings.drain_timeout,
            kill_timeout: settings.kill_timeout,
            stable_after: settings.stable_after,
            park_probe: settings.park_probe,
        }
    }
}

impl LinkOptions {
    /// Looks whether they can be.
    ///
    /// # Errors
    /// The first setting that is out of its bounds.
    pub fn check(&self) -> Result<(), PolicyError> {
        for (name, span) in [
            ("connect_timeout", self.connect_timeout),
            ("kill_timeout", self.kill_timeout),
            ("stable_after", self.stable_after),
            ("park_probe", self.park_probe.unwrap_or(LONGEST)),
        ] {
            if span.is_zero() || span > LONGEST {
                let allowed = "more than zero and at most a year";
                return Err(PolicyError::new(name, span, allowed));
            }
        }
        if self.drain_timeout > LONGEST {
            let allowed = "at most a year";
            return Err(PolicyError::new(
                "drain_timeout",
                self.drain_timeout,
                allowed,
            ));
        }
        Ok(())
    }

    /// A closed breaker as these say, if there is one; `usual` is what the backend has by default.
    pub fn circuit(&self, usual: Option<BreakerSettings>) -> Option<Circuit> {
        let settings = match self.breaker {
            BreakerOption::Usual => usual,
            BreakerOption::Off => None,
            BreakerOption::Set(settings) => Some(settings),
        };
        settings.map(Circuit::new)
    }
}

/// With the governor of the process, and random jitter.
impl From<&LinkOptions> for LinkSettings {
    fn from(options: &LinkOptions) -> Self {
        Self {
            restart: options.restart.clone(),
            connect_timeout: options.connect_timeout,
            drain_timeout: options.drain_timeout,
            kill_timeout: options.kill_timeout,
            stable_after: options.stable_after,
            park_probe: options.park_probe,
            ..Self::default()
        }
    }
}

const USUAL: &str = "usual";
const OFF: &str = "off";

impl Serialize for BreakerOption {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Usual => serializer.serialize_str(USUAL),
            Self::Off => serializer.serialize_str(OFF),
            Self::Set(settings) => settings.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for BreakerOption {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(GivenBreaker)
    }
}

/// An untagged enum would lose what is wrong in the table.
struct GivenBreaker;

impl<'de> Visitor<'de> for GivenBreaker {
    type Value = BreakerOption;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table, \"off\" or \"usual\"")
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<BreakerOption, E> {
        match word {
            USUAL => Ok(BreakerOption::Usual),
            OFF => Ok(BreakerOption::Off),
            _ => Err(E::invalid_value(Unexpected::Str(word), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<BreakerOption, A::Error> {
        BreakerSettings::deserialize(MapAccessDeserializer::new(table)).map(BreakerOption::Set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<LinkOptions, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn what_is_not_said_is_as_for_every_link() {
        let settings = LinkSettings::from(&read("connect_timeout = '2s'").expect("valid"));
        let default = LinkSettings::default();
        assert_eq!(settings.connect_timeout, Duration::from_secs(2));
        assert_eq!(settings.drain_timeout, default.drain_timeout);
        assert_eq!(settings.park_probe, default.park_probe);
        assert_eq!(read("").expect("valid"), LinkOptions::default());
    }

    #[test]
    fn the_breaker_is_the_usual_one_a_table_or_off() {
        let three = BreakerSettings::default()
            .with_consecutive(3)
            .expect("valid");
        let option = |text| read(text).expect("valid").breaker;
        assert_eq!(option(""), BreakerOption::Usual);
        assert_eq!(option("breaker = 'off'"), BreakerOption::Off);
        assert_eq!(
            option("breaker = { consecutive = 3 }"),
            BreakerOption::Set(three)
        );
        let off = read("breaker = 'off'").expect("valid");
        assert!(off.circuit(Some(three)).is_none());
        let usual = LinkOptions::default();
        assert!(usual.circuit(Some(three)).is_some());
        assert!(usual.circuit(None).is_none());
        let error = read("breaker = { probes = 0 }").expect_err("zero");
        assert!(error.to_string().contains("probes is 0"), "{error}");
        assert!(read("breaker = 'on'").is_err());
    }

    #[test]
    fn toml_comes_back_as_it_was() {
        for text in [
            "",
            "breaker = 'off'\npark_probe = 'off'",
            "breaker = { probes = 1 }\nrestart = { attempts = 3 }\ndrain_timeout = '0s'",
        ] {
            let options = read(text).expect("valid");
            let written = toml::to_string(&options).expect("can be written");
            assert_eq!(read(&written).expect(&written), options);
            options.check().expect("within bounds");
        }
    }

    #[test]
    fn times_that_cannot_be_are_refused() {
        for name in [
            "connect_timeout",
            "kill_timeout",
            "stable_after",
            "park_probe",
        ] {
            for span in ["0s", "366d"] {
                let options = read(&format!("{name} = '{span}'")).expect("a time");
                assert_eq!(options.check().expect_err(name).setting(), name);
            }
        }
        assert!(
            read("drain_timeout = '366d'")
                .expect("a time")
                .check()
                .is_err()
        );
    }
}
