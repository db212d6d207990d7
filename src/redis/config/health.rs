//! How a connection is checked and judged while it is up: [`Health`] and [`Supervision`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bounds::{counted, positive};
use super::off;
use crate::redis::error::Result;

/// The check of a silent connection: a `PING`. Any answer means alive, an error such as `LOADING`
/// too. After [`failures`](Self::failures) in a row the connection is closed and made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Health {
    /// Whether to check at all. Default true.
    pub enabled: bool,
    /// Silence after which a check is sent; greater than zero. Default 5 s.
    #[serde(with = "humantime_serde")]
    pub idle: Duration,
    /// How long its answer may take; greater than zero. Default 2 s.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Checks that fail in a row before the connection is unhealthy; at least 1. Default 3.
    pub failures: u32,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            enabled: true,
            idle: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            failures: 3,
        }
    }
}

impl Health {
    /// Sets [`enabled`](Self::enabled); default true.
    #[must_use]
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// Sets [`idle`](Self::idle); default 5 s, zero is refused by `validate`.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// Sets [`timeout`](Self::timeout); default 2 s, zero is refused by `validate`.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets [`failures`](Self::failures); default 3, zero is refused by `validate`.
    #[must_use]
    pub fn failures(mut self, failures: u32) -> Self {
        self.failures = failures;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        positive("health.idle", self.idle)?;
        positive("health.timeout", self.timeout)?;
        counted("health.failures", self.failures, 1, u32::MAX)
    }
}

/// When a link counts as stable, and what a parked one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Supervision {
    /// How long a connection must be up before the count of attempts starts anew; greater than
    /// zero, or a peer that accepts and closes would be dialled without backoff. Default 10 s.
    #[serde(with = "humantime_serde")]
    pub stable_after: Duration,
    /// How often a parked link looks whether its cause is gone; greater than zero. `"off"` in text
    /// leaves it parked until somebody asks. Default 5 min.
    #[serde(with = "off::duration")]
    pub park_probe: Option<Duration>,
}

impl Default for Supervision {
    fn default() -> Self {
        Self {
            stable_after: Duration::from_secs(10),
            park_probe: Some(Duration::from_secs(5 * 60)),
        }
    }
}

impl Supervision {
    /// Sets [`stable_after`](Self::stable_after); default 10 s, zero is refused by `validate`.
    #[must_use]
    pub fn stable_after(mut self, stable_after: Duration) -> Self {
        self.stable_after = stable_after;
        self
    }

    /// Sets [`park_probe`](Self::park_probe), `None` is off; default 5 min, zero is refused by
    /// `validate`.
    #[must_use]
    pub fn park_probe(mut self, park_probe: Option<Duration>) -> Self {
        self.park_probe = park_probe;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        positive("supervision.stable_after", self.stable_after)?;
        match self.park_probe {
            Some(every) => positive("supervision.park_probe", every),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_zeros() {
        let zero = Duration::ZERO;
        let health = Health::default();
        let supervision = Supervision::default();
        for (field, result) in [
            ("health.idle", health.idle(zero).check()),
            ("health.timeout", health.timeout(zero).check()),
            ("health.failures", health.failures(0).check()),
            (
                "supervision.stable_after",
                supervision.stable_after(zero).check(),
            ),
            (
                "supervision.park_probe",
                supervision.park_probe(Some(zero)).check(),
            ),
        ] {
            let error = result.expect_err(field).to_string();
            assert!(error.contains(field), "{error}");
        }
    }

    #[test]
    fn the_probe_of_a_parked_link_can_be_switched_off() {
        let supervision: Supervision = toml::from_str("park_probe = 'off'").expect("valid");
        assert_eq!(supervision, Supervision::default().park_probe(None));
        supervision.check().expect("off is allowed");
    }
}
