//! When a breaker trips, and for how long: [`BreakerSettings`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::policy::error::PolicyError;
use crate::policy::jitter::Ratio;

/// No setting is longer: sums of instants must not overflow.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// The most probes at once; it bounds what a breaker holds.
const MOST_PROBES: u32 = 1_000;

/// When a breaker trips, and for how long. Every value is checked when it is set.
///
/// | setting | default | meaning |
/// | --- | --- | --- |
/// | `failure_rate` | 0.5 | trips when this share of the calls in the window failed |
/// | `minimum_calls` | 20 | but not before the window has so many |
/// | `window` | 10 s | how far back calls count, to a tenth of it |
/// | `consecutive` | 5 | trips also after so many failures in a row |
/// | `slow` | off | trips also when this share of the calls took longer than that |
/// | `failed_connects` | false | whether a failed connect counts as a failed call |
/// | `open` | 5 s | how long it stays open the first time |
/// | `open_max` | 60 s | each probe that fails doubles that, up to here |
/// | `probes` | 3 | so many calls go through while it is half-open; if all succeed it closes |
/// | `probe_timeout` | 10 s | a probe of which nothing is heard for so long gives its place back |
///
/// In a configuration:
///
/// ```
/// # use everlink::policy::BreakerSettings;
/// let settings: BreakerSettings = toml::from_str(r#"
///     failure_rate = 0.3
///     window = "30s"
///     slow = { rate = 0.8, longer_than = "500ms" }
/// "#)?;
/// assert_eq!(settings.consecutive(), 5);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawSettings")]
pub struct BreakerSettings {
    failure_rate: Ratio,
    minimum_calls: u32,
    #[serde(with = "humantime_serde")]
    window: Duration,
    consecutive: u32,
    failed_connects: bool,
    #[serde(with = "humantime_serde")]
    open: Duration,
    #[serde(with = "humantime_serde")]
    open_max: Duration,
    probes: u32,
    #[serde(with = "humantime_serde")]
    probe_timeout: Duration,
    #[serde(skip_serializing_if = "Option::is_none")]
    slow: Option<SlowCalls>,
}

/// How many calls may be slow, and which are.
///
/// In a configuration: `slow = { rate = 0.8, longer_than = "500ms" }`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawSlow")]
pub struct SlowCalls {
    rate: Ratio,
    #[serde(with = "humantime_serde")]
    longer_than: Duration,
}

impl SlowCalls {
    /// Trips when the share `rate` of the calls in the window took longer than `longer_than`.
    ///
    /// # Errors
    /// When `rate` is not above 0 and at most 1, or `longer_than` is zero.
    pub fn new(rate: f64, longer_than: Duration) -> Result<Self, PolicyError> {
        Ok(Self {
            rate: share("rate", rate)?,
            longer_than: span("longer_than", longer_than)?,
        })
    }

    /// The share that trips.
    pub fn rate(&self) -> f64 {
        self.rate.get()
    }

    /// What is slow.
    pub fn longer_than(&self) -> Duration {
        self.longer_than
    }
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failure_rate: Ratio::HALF,
            minimum_calls: 20,
            window: Duration::from_secs(10),
            consecutive: 5,
            failed_connects: false,
            open: Duration::from_secs(5),
            open_max: Duration::from_secs(60),
            probes: 3,
            probe_timeout: Duration::from_secs(10),
            slow: None,
        }
    }
}

impl BreakerSettings {
    /// Trips when this share of at least so many calls in the window failed; default 0.5 of 20.
    ///
    /// # Errors
    /// When the share is not above 0 and at most 1, or the number is zero.
    pub fn with_failure_rate(mut self, rate: f64, minimum_calls: u32) -> Result<Self, PolicyError> {
        self.failure_rate = share("failure_rate", rate)?;
        self.minimum_calls = count("minimum_calls", minimum_calls, u32::MAX)?;
        Ok(self)
    }

    /// How far back calls count; default 10 s.
    ///
    /// # Errors
    /// When it is shorter than 10 ms or longer than a year.
    pub fn with_window(mut self, window: Duration) -> Result<Self, PolicyError> {
        self.window = span("window", window)?;
        if window < Duration::from_millis(10) {
            return Err(PolicyError::new("window", window, "at least 10ms"));
        }
        Ok(self)
    }

    /// Trips after so many failures in a row; default 5. `u32::MAX` is as good as never.
    ///
    /// # Errors
    /// When it is zero.
    pub fn with_consecutive(mut self, failures: u32) -> Result<Self, PolicyError> {
        self.consecutive = count("consecutive", failures, u32::MAX)?;
        Ok(self)
    }

    /// Counts slow calls too; default off. As many calls are needed as for the rate of failures.
    #[must_use]
    pub fn with_slow(mut self, slow: Option<SlowCalls>) -> Self {
        self.slow = slow;
        self
    }

    /// Whether a failed connect counts as a failed call; default false.
    #[must_use]
    pub fn with_failed_connects(mut self, count: bool) -> Self {
        self.failed_connects = count;
        self
    }

    /// How long it stays open the first time, and at the most after probes that failed; default
    /// 5 s and 60 s. A reply that comes meanwhile may end the first time earlier, see
    /// [`Breaker::heard`](crate::policy::Breaker::heard).
    ///
    /// # Errors
    /// When one of them is zero or longer than a year, or the first is longer than the second.
    pub fn with_open(mut self, open: Duration, max: Duration) -> Result<Self, PolicyError> {
        self.open = span("open", open)?;
        self.open_max = span("open_max", max)?;
        if open > max {
            return Err(PolicyError::new("open", open, "at most open_max"));
        }
        Ok(self)
    }

    /// How many calls go through while it is half-open, and how long each may hold its place;
    /// default 3 and 10 s.
    ///
    /// # Errors
    /// When one of them is zero, there are more than 1000 probes, or the time is longer than a
    /// year.
    pub fn with_probes(mut self, probes: u32, timeout: Duration) -> Result<Self, PolicyError> {
        self.probes = count("probes", probes, MOST_PROBES)?;
        self.probe_timeout = span("probe_timeout", timeout)?;
        Ok(self)
    }

    /// The share of failed calls that trips.
    pub fn failure_rate(&self) -> f64 {
        self.failure_rate.get()
    }

    /// How many calls the window must have before a share counts.
    pub fn minimum_calls(&self) -> u32 {
        self.minimum_calls
    }

    /// How far back calls count.
    pub fn window(&self) -> Duration {
        self.window
    }

    /// Failures in a row that trip.
    pub fn consecutive(&self) -> u32 {
        self.consecutive
    }

    /// Which calls are slow, and how many may be.
    pub fn slow(&self) -> Option<SlowCalls> {
        self.slow
    }

    /// Whether failed connects count.
    pub fn failed_connects(&self) -> bool {
        self.failed_connects
    }

    /// How long it is open the first time.
    pub fn open(&self) -> Duration {
        self.open
    }

    /// How long it is open at the most.
    pub fn open_max(&self) -> Duration {
        self.open_max
    }

    /// Probes that must succeed.
    pub fn probes(&self) -> u32 {
        self.probes
    }

    /// How long a probe may hold its place.
    pub fn probe_timeout(&self) -> Duration {
        self.probe_timeout
    }

    /// How long it is open after so many trips in a row without being closed between them.
    pub(super) fn open_for(&self, trips: u32) -> Duration {
        let factor = 1_u32
            .checked_shl(trips.saturating_sub(1))
            .unwrap_or(u32::MAX);
        self.open.saturating_mul(factor).min(self.open_max)
    }
}

fn share(setting: &'static str, value: f64) -> Result<Ratio, PolicyError> {
    match Ratio::new(value) {
        Ok(ratio) if value > 0.0 => Ok(ratio),
        _ => Err(PolicyError::new(setting, value, "above 0 and at most 1")),
    }
}

fn count(setting: &'static str, value: u32, most: u32) -> Result<u32, PolicyError> {
    if value == 0 || value > most {
        return Err(PolicyError::new(
            setting,
            value,
            format!("from 1 to {most}"),
        ));
    }
    Ok(value)
}

fn span(setting: &'static str, value: Duration) -> Result<Duration, PolicyError> {
    if value.is_zero() || value > LONGEST {
        let allowed = "more than zero and at most a year";
        return Err(PolicyError::new(setting, value, allowed));
    }
    Ok(value)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSlow {
    rate: f64,
    #[serde(with = "humantime_serde")]
    longer_than: Duration,
}

impl TryFrom<RawSlow> for SlowCalls {
    type Error = PolicyError;

    fn try_from(raw: RawSlow) -> Result<Self, PolicyError> {
        Self::new(raw.rate, raw.longer_than)
    }
}

/// As it stands in a configuration: what is missing has its default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawSettings {
    failure_rate: f64,
    minimum_calls: u32,
    #[serde(with = "humantime_serde")]
    window: Duration,
    consecutive: u32,
    failed_connects: bool,
    #[serde(with = "humantime_serde")]
    open: Duration,
    #[serde(with = "humantime_serde")]
    open_max: Duration,
    probes: u32,
    #[serde(with = "humantime_serde")]
    probe_timeout: Duration,
    slow: Option<SlowCalls>,
}

impl Default for RawSettings {
    fn default() -> Self {
        let default = BreakerSettings::default();
        Self {
            failure_rate: default.failure_rate(),
            minimum_calls: default.minimum_calls,
            window: default.window,
            consecutive: default.consecutive,
            failed_connects: default.failed_connects,
            open: default.open,
            open_max: default.open_max,
            probes: default.probes,
            probe_timeout: default.probe_timeout,
            slow: default.slow,
        }
    }
}

impl TryFrom<RawSettings> for BreakerSettings {
    type Error = PolicyError;

    fn try_from(raw: RawSettings) -> Result<Self, PolicyError> {
        Self::default()
            .with_failure_rate(raw.failure_rate, raw.minimum_calls)?
            .with_window(raw.window)?
            .with_consecutive(raw.consecutive)?
            .with_slow(raw.slow)
            .with_failed_connects(raw.failed_connects)
            .with_open(raw.open, raw.open_max)?
            .with_probes(raw.probes, raw.probe_timeout)
    }
}
