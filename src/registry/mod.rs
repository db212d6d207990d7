//! Who is connected, and who wants to know: the status of every link, and the broadcast of events.
//!
//! | file | concept |
//! | --- | --- |
//! | `status` | how one link stands, derived from its events |
//! | `narrator` | numbers the events of one link and tells them |
//! | `subscriber` | one subscribed actor, with its bounded queue |
//! | `registry` | the actor that keeps the statuses and broadcasts |
//! | `ready` | waiting for links to come up |
//! | `callbacks` | closures instead of an actor |
//! | `log` | a subscriber that logs with `tracing` |

mod callbacks;
mod log;
mod narrator;
mod ready;
#[expect(
    clippy::module_inception,
    reason = "the actor is what the room is named for"
)]
mod registry;
mod status;
mod subscriber;

pub use callbacks::Callbacks;
pub use log::EventLog;
pub use narrator::Narrator;
pub use ready::{NotReady, Ready};
pub use registry::{QueuedBytes, Registry, Snapshot, Subscribe};
pub(crate) use status::LastUsed;
pub use status::LinkStatus;
pub use subscriber::Filter;
