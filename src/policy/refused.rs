//! [`RefusedCap`]: refused dials are repeated sooner.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::policy::error::PolicyError;

/// A lower cap for the delay after a refused dial, while an outage is young.
///
/// A refused dial is cheap, and tells that the host is there and only its server is not: most
/// often it is being restarted and back within seconds. Default: 100 ms for the first 10 s. How
/// many dials that makes in all is the governor's business.
///
/// After that time no delay is longer than the outage has lasted so far, so that recovery stays in
/// proportion: by then a link has made so many attempts that its backoff alone would wait for up
/// to 30 s, and a server that is back after 11 s would stand idle for longer than it was away. A
/// link is thus up again, at the latest, when twice the outage has passed; the backoff's own cap
/// holds all the same.
///
/// In a configuration: `refused = { cap = "100ms", within = "10s" }`; `within = "0s"` switches it
/// off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawRefusedCap")]
pub struct RefusedCap {
    #[serde(with = "humantime_serde")]
    cap: Duration,
    #[serde(with = "humantime_serde")]
    within: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRefusedCap {
    #[serde(default, with = "humantime_serde")]
    cap: Option<Duration>,
    #[serde(default, with = "humantime_serde")]
    within: Option<Duration>,
}

impl RefusedCap {
    /// No delay after a refused dial is longer than `cap` while the outage is younger than
    /// `within`, nor, later, longer than the outage has lasted (or `cap`, where that is more).
    ///
    /// # Errors
    /// When `cap` is zero.
    pub fn new(cap: Duration, within: Duration) -> Result<Self, PolicyError> {
        if cap.is_zero() {
            return Err(PolicyError::new("cap", cap, "more than zero"));
        }
        Ok(Self { cap, within })
    }

    /// Refused dials wait as all others do.
    pub fn off() -> Self {
        let within = Duration::ZERO;
        Self {
            within,
            ..Self::default()
        }
    }

    /// The longest delay.
    pub fn cap(&self) -> Duration {
        self.cap
    }

    /// How long after the beginning of an outage the cap holds; zero if it is off.
    pub fn within(&self) -> Duration {
        self.within
    }

    /// The longest delay in an outage that has lasted for `down_for`.
    pub(super) fn limit(&self, down_for: Duration) -> Duration {
        if self.within.is_zero() {
            Duration::MAX
        } else if down_for < self.within {
            self.cap
        } else {
            down_for.max(self.cap)
        }
    }
}

impl Default for RefusedCap {
    fn default() -> Self {
        Self {
            cap: Duration::from_millis(100),
            within: Duration::from_secs(10),
        }
    }
}

impl TryFrom<RawRefusedCap> for RefusedCap {
    type Error = PolicyError;

    fn try_from(raw: RawRefusedCap) -> Result<Self, PolicyError> {
        let default = Self::default();
        let cap = raw.cap.unwrap_or(default.cap);
        Self::new(cap, raw.within.unwrap_or(default.within))
    }
}
