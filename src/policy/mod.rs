//! Decisions about restarts and dials, as pure values: how long to wait before the next attempt
//! ([`Backoff`], [`Jitter`]), what a link does after a failure ([`RestartPolicy`]), how many
//! crashes are too many ([`Intensity`], [`CrashLog`]), how many dials a process makes
//! ([`Governor`]), how much load retries may add ([`RetryBudget`], [`RetryAccount`]), and when a
//! server is not asked for a while ([`Breaker`]).
//!
//! Nothing here reads a clock or holds a random source: the time is an argument, and so is the
//! generator. Equal arguments give equal answers.
//!
//! The defaults are those of a well-behaved client. A configuration file that changes some of
//! them looks like this:
//!
//! ```
//! # use everlink::policy::RestartPolicy;
//! let policy: RestartPolicy = toml::from_str(r#"
//!     backoff = { kind = "exponential", base = "100ms", factor = 2.0, cap = "30s", jitter = "full" }
//!     refused = { cap = "100ms", within = "10s" }
//!     attempts = "unlimited"
//!     intensity = { restarts = 5, period = "60s" }
//!
//!     [overrides]
//!     unavailable = { kind = "fixed", delay = "1s", jitter = { ratio = 0.2 } }
//! "#)?;
//! # Ok::<(), toml::de::Error>(())
//! ```

mod attempts;
mod backoff;
mod backoff_form;
mod breaker;
mod error;
mod governor;
mod growth;
mod intensity;
mod jitter;
pub(crate) mod off;
mod refused;
mod restart;
mod retry_budget;

pub use attempts::Attempts;
pub use backoff::Backoff;
pub use breaker::{
    Breaker, BreakerSettings, BreakerState, Epoch, Force, ProbeId, Refusal, Results, SlowCalls,
    Trip,
};
pub use error::PolicyError;
pub use governor::Governor;
pub use intensity::{CrashLog, Intensity};
pub use jitter::{Jitter, Ratio};
pub use refused::RefusedCap;
pub use restart::RestartPolicy;
pub use retry_budget::{RetryAccount, RetryBudget};
