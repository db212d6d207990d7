//! [`Growth`]: the delay an attempt would have before bounds and jitter.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Growth {
    None,
    Fixed { delay: Duration },
    Linear { base: Duration, step: Duration },
    Exponential { base: Duration, factor: f64 },
    Custom(Custom),
}

#[derive(Clone)]
pub(super) struct Custom(pub(super) Arc<dyn Fn(u32) -> Duration + Send + Sync>);

impl Growth {
    /// The delay before bounds and jitter. Saturates: an outage may last for any number of
    /// attempts.
    pub(super) fn computed(&self, attempt: u32) -> Duration {
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
            // Foreign code: whoever asks for a delay keeps something alive.
            Self::Custom(Custom(delay)) => {
                catch_unwind(AssertUnwindSafe(|| delay(attempt))).unwrap_or(Duration::MAX)
            }
        }
    }

    /// Where it begins, if that is known.
    pub(super) fn base(&self) -> Option<Duration> {
        match *self {
            Self::None | Self::Custom(_) => None,
            Self::Fixed { delay } => Some(delay),
            Self::Linear { base, .. } | Self::Exponential { base, .. } => Some(base),
        }
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
