//! Supervision of one link of any kind: not a word of Redis here.
//!
//! | file | concept |
//! | --- | --- |
//! | `settings` | how a link is supervised |
//! | `options` | the same as a configuration file says it |
//! | `life` | the state machine of one link, pure |
//! | `backend` | what a kind of connection must offer |
//! | `task` | a connection actor that is one future, for most kinds |
//! | `wish` | what is wished of a running connection |
//! | `wishes` | how such a connection is told to end |
//! | `dial` | from a host and a port to a socket |
//! | `child` | one running connection actor, and how its end is seen |
//! | `circuit` | the circuit breaker of one link, shared |
//! | `tally` | results of many calls, told to the circuit in batches |
//! | `supervisor` | the actor that ties them together |
//! | `handle` | what all links can do, for those who hold one |

mod backend;
mod child;
mod circuit;
mod dial;
mod handle;
mod life;
mod options;
mod settings;
mod supervisor;
#[cfg(feature = "redis")]
mod tally;
mod task;
#[cfg(any(feature = "elasticsearch", feature = "mysql", feature = "redis"))]
mod wish;
#[cfg(any(feature = "elasticsearch", feature = "mysql"))]
mod wishes;

pub use backend::{Backend, Close, Lifeline};
pub use circuit::{Circuit, Pass};
pub use dial::dial_tcp;
pub use handle::Link;
pub use life::Generation;
pub use options::{BreakerOption, LinkOptions};
pub use settings::{LinkSettings, SharedGovernor};
#[cfg(feature = "redis")]
pub(crate) use supervisor::StopWithin;
pub use supervisor::{
    Distrust, ForceCircuit, Reconfigure, ReconnectNow, Start, Stop, Supervisor, Terminate,
};
#[cfg(feature = "redis")]
pub(crate) use tally::{Mark, Tally};
pub use task::Task;
#[cfg(any(feature = "elasticsearch", feature = "mysql", feature = "redis"))]
pub(crate) use wish::Wish;
#[cfg(any(feature = "elasticsearch", feature = "mysql"))]
pub(crate) use wishes::Wishes;
