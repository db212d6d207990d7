//! What a breaker says of itself: [`BreakerState`], and why it tripped: [`Trip`].

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Counts the changes of a breaker's state. A result that was begun under an earlier one is
/// ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub(crate) u32);

/// The state of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BreakerState {
    /// Calls go through, and are counted.
    Closed,
    /// Calls fail at once, for a while.
    Open,
    /// A few calls go through as probes; the others fail at once.
    HalfOpen,
    /// Calls fail at once until somebody says otherwise.
    ForcedOpen,
    /// Calls go through until somebody says otherwise; nothing trips it.
    ForcedClosed,
}

/// Why a breaker opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Trip {
    /// Too many of the calls in the window failed.
    FailureRate {
        /// Those that failed.
        failures: u32,
        /// All of them.
        calls: u32,
    },
    /// So many in a row failed.
    Consecutive {
        /// How many.
        failures: u32,
    },
    /// Too many of the calls in the window were slow.
    SlowRate {
        /// Those that were slow.
        slow: u32,
        /// All of them.
        calls: u32,
    },
    /// It was half-open, and a probe failed or the connection was lost.
    Probe,
    /// Somebody said so.
    Forced,
}

/// What an operator can say to a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Force {
    /// Open, whatever happens.
    Open,
    /// Closed, whatever happens.
    Closed,
    /// As its rules say: one that was forced open becomes half-open, one that was forced closed
    /// begins to count anew. Does nothing to one that was not forced.
    Release,
}

/// A call may not go through now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// Open, half-open or forced open.
    pub state: BreakerState,
    /// When it is worth asking again: when it turns half-open, or when the place of a probe is
    /// free at the latest. None while it is forced open.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
            Self::ForcedOpen => "forced open",
            Self::ForcedClosed => "forced closed",
        })
    }
}

impl fmt::Display for Trip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FailureRate { failures, calls } => {
                write!(f, "{failures} of {calls} calls failed")
            }
            Self::Consecutive { failures } => write!(f, "{failures} failures in a row"),
            Self::SlowRate { slow, calls } => write!(f, "{slow} of {calls} calls were slow"),
            Self::Probe => f.write_str("a probe failed"),
            Self::Forced => f.write_str("forced"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "circuit is {}", self.state)?;
        match (self.state, self.retry_after) {
            (BreakerState::HalfOpen, _) => f.write_str(", its probes are under way"),
            (_, Some(after)) => write!(f, ", tried again in {after:.1?}"),
            (_, None) => Ok(()),
        }
    }
}
