//! The circuit breaker: when a server is not asked for a while because what it was asked failed.
//!
//! | file | concept |
//! | --- | --- |
//! | `settings` | when it trips, and for how long |
//! | `window` | calls and failures of the last seconds, in a bounded number of buckets |
//! | `probes` | the few calls that go through while it is half-open |
//! | `state` | what it says of itself: its state, and why it tripped |
//! | `breaker` | the state machine |

#[expect(
    clippy::module_inception,
    reason = "the machine is what the room is named for"
)]
mod breaker;
#[cfg(test)]
mod heard;
#[cfg(test)]
mod late;
#[cfg(test)]
mod model;
mod probes;
mod settings;
mod state;
#[cfg(test)]
mod tests;
mod window;

pub use breaker::{Breaker, Results};
pub use probes::ProbeId;
pub use settings::{BreakerSettings, SlowCalls};
pub use state::{BreakerState, Epoch, Force, Refusal, Trip};
