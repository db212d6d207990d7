//! The Redis client.
pub mod cluster;
pub mod command;
pub mod config;
mod connection;
mod error;
pub mod from_value;
mod handoff;
mod lane;
mod refusal;
mod request;
pub mod resp;
mod router;
mod slot;
mod value;

pub use command::{Command, Pipeline, ToArgs, cmd, pipe};
pub use config::Config;
pub use error::{Error, ErrorKind, Outcome, Result};
pub use from_value::FromValue;
pub use request::Replies;
pub use router::{
    AnyRouter, AwaitReady, Client, Cluster, ClusterRouter, Dispatching, HealthCheck, HealthReport,
    HealthStatus, NodeHealth, OneServer, Reconnect, Router, Shutdown, ShutdownSummary, Standalone,
    Topology,
};
pub use slot::Slot;
pub use value::{ServerError, Value};
