//! Supervision of one link of any kind: not a word of Redis here.
//!
//! | file | concept |
//! | --- | --- |
//! | `settings` | how a link is supervised |
//! | `life` | the state machine of one link, pure |
//! | `backend` | what a kind of connection must offer |
//! | `child` | one running connection actor, and how its end is seen |
//! | `supervisor` | the actor that ties them together |

mod backend;
mod child;
mod life;
mod settings;
mod supervisor;

pub use backend::{Backend, Close, Lifeline};
pub use life::Generation;
pub use settings::{LinkSettings, SharedGovernor};
pub use supervisor::{Distrust, Reconfigure, ReconnectNow, Start, Stop, Supervisor, Terminate};
