//! A client for Redis, Valkey and their clusters.
//!
//! Two doors lead to the same machine: send [`Command`]s and [`Pipeline`]s as messages to a
//! [`ClusterRouter`] or a [`Standalone`] actor, or call a [`Client`], a handle that is cheap to
//! clone and works from any thread. Commands are data: [`cmd`]`("SET").arg(key).arg(value)`;
//! replies convert into what is asked for, by [`FromValue`]. An [`Error`] tells what became of the
//! command: its [`Outcome`].
//!
//! # The way of a command
//!
//! ```text
//! command   caller ─► Client / router actor ─► Shared::dispatch ─► Lane ─► Pump ─► socket
//! reply     socket ─► Decoder ─► Pump ─► the caller, straight (one oneshot)
//! redirect  Pump ─► router actor ─► another Lane                   (the slow path)
//! waiting   caller ─► the link's Lane ─► the next connection's Pump
//! ```
//!
//! | module | what is there | pure |
//! | --- | --- | --- |
//! | `value`, `error` | replies, and what can go wrong | yes |
//! | `slot` | hash slots and hash tags | yes |
//! | `spares` | what finished commands leave for the next ones | yes |
//! | `awaited` | one answer on its way to its caller | |
//! | [`resp`] | from bytes to replies, within limits | yes |
//! | [`from_value`] | from replies to Rust values | yes |
//! | `retry` | when a command is sent again: the settings | yes |
//! | [`command`] | commands, their arguments, keys and flags | yes |
//! | [`config`] | the configuration | yes |
//! | [`cluster`] | redirects, topology, slot map | yes |
//! | `refusal` | what an error reply proves | yes |
//! | `memory` | what a client holds, in bytes | |
//! | `seat` | whose connections a request goes over | |
//! | `request` | one command on its way, answered exactly once | |
//! | `lane` | where requests wait for the connection of one link | |
//! | `handoff` | from a connection back to its router | |
//! | `connection` | one socket's life: dial, handshake, pump | |
//! | `router` | from a caller to the right connection | |

mod awaited;
pub mod cluster;
pub mod command;
pub mod config;
mod connection;
mod error;
pub mod from_value;
mod handoff;
mod lane;
mod looking;
mod memory;
mod refusal;
mod request;
pub mod resp;
mod retry;
mod router;
mod seat;
mod slot;
mod spares;
mod value;

pub use command::{Command, Pipeline, ToArgs, cmd, pipe};
pub use config::Config;
pub use error::{Error, ErrorKind, Outcome, Result};
pub use from_value::FromValue;
pub use memory::{LinkMemory, Memory};
pub use request::Replies;
pub use retry::{Failure, RetryMode, RetryPolicy};
pub use router::{
    AnyRouter, AwaitReady, Client, Cluster, ClusterRouter, Dispatching, ForceBreaker, HealthCheck,
    HealthReport, HealthStatus, NodeHealth, OneServer, ReadMemory, Reconnect, Router, Shutdown,
    ShutdownSummary, ShuttingDown, Standalone, Topology,
};
pub use slot::Slot;
pub use value::{ServerError, Value, Verbatim};
