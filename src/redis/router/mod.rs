//! From a caller to the right connection.
//!
//! | file | concept |
//! | --- | --- |
//! | `routes` | where each command goes: an immutable snapshot |
//! | `known` | the same on the router's own thread |
//! | `node` | one node: its links and their lanes |
//! | `seats` | arbiters with connections of their own |
//! | `seat_book` | who has which seat, for whoever takes one |
//! | `host` | what starts connections on such an arbiter |
//! | `router` | the actor: bounced requests, news, the nodes |
//! | `doors` | commands and pipelines as messages |
//! | `breath` | a full mailbox starves nobody |
//! | `operations` | health check, reconnect, forced breakers, ready |
//! | `shutdown` | how a router ends |
//! | `ledger` | what is held, in bytes |
//! | `questions` | what a router asks of its own accord |
//! | `refresh` | how the topology is read |
//! | `cluster` | what a cluster needs: slot map, redirects, refreshes |
//! | `surroundings` | dialer, governor and seed: what a simulation replaces |
//! | `standalone` | what one server needs |
//! | `retry`, `put_off` | whether and when a request is sent again |
//! | `since` | from when the time of a call counts |
//! | `client` | the handle for callers that are no actors |
//! | `home` | on which thread a router lives |

mod breath;
mod client;
mod cluster;
mod doors;
mod home;
mod host;
mod known;
mod ledger;
#[cfg(test)]
mod names;
mod node;
mod operations;
mod put_off;
mod questions;
mod refresh;
mod retry;
#[expect(
    clippy::module_inception,
    reason = "the actor is what the room is named for"
)]
mod router;
mod routes;
mod seat_book;
mod seats;
mod shutdown;
#[cfg(test)]
mod simulation;
mod since;
mod standalone;
mod surroundings;

pub use client::{AnyRouter, Client};
pub use cluster::{Cluster, ClusterRouter};
pub use doors::Dispatching;
pub use ledger::ReadMemory;
pub use operations::{
    AwaitReady, ForceBreaker, HealthCheck, HealthReport, HealthStatus, NodeHealth, Reconnect,
};
pub use router::{Router, Topology};
pub use shutdown::{Shutdown, ShutdownSummary, ShuttingDown};
pub use standalone::{OneServer, Standalone};
