//! One connection to one Redis node.
//!
//! | file | concept |
//! | --- | --- |
//! | `transport` | sockets and how they are dialled |
//! | `exchange` | question and answer on a fresh stream |
//! | `handshake` | what is said first |
//! | `in_flight` | what waits for a reply, pure |
//! | `vigil` | whether there is progress, pure |
//! | `ending` | how a running connection is told to end |
//! | `pump` | the socket's work as one future |
//! | `actor` | the connection actor around it |

mod actor;
mod ending;
mod exchange;
mod handshake;
mod in_flight;
mod pump;
#[cfg(test)]
mod rig;
mod transport;
mod vigil;

pub(crate) use actor::{RedisBackend, connect};
pub(crate) use transport::Dialer;
