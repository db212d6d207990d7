//! The circuit breaker as it was given: [`GivenBreaker`].

use serde::Deserialize;

use super::off;
use crate::policy::BreakerSettings;

/// A table or `"off"`; on with its defaults unless said otherwise.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct GivenBreaker(#[serde(with = "off::table")] pub(super) Option<BreakerSettings>);

impl Default for GivenBreaker {
    fn default() -> Self {
        Self(Some(BreakerSettings::default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::config::Config;

    #[test]
    fn it_is_on_by_default_and_can_be_switched_off_or_set() {
        let read = |text: &str| {
            let text = format!("endpoints = ['localhost:1']\n{text}");
            toml::from_str::<Config>(&text)
        };
        let default = BreakerSettings::default();
        assert_eq!(read("").expect("valid").breaker, Some(default));
        assert_eq!(read("breaker = 'off'").expect("valid").breaker, None);
        let seven = default.with_consecutive(7).expect("valid");
        let set = read("breaker = { consecutive = 7 }").expect("valid");
        assert_eq!(set.breaker, Some(seven));
        for config in [set, read("breaker = 'off'").expect("valid")] {
            let written = toml::to_string(&config).expect("can be written");
            assert_eq!(toml::from_str::<Config>(&written).expect(&written), config);
        }
        let error = read("breaker = { probes = 0 }")
            .expect_err("zero")
            .to_string();
        assert!(error.contains("probes is 0"), "{error}");
        assert!(read("breaker = 'on'").is_err());
    }
}
