//! Every client behind one trait: [`Client`]; and who takes part: [`Contender`].
//!
//! Each is set up as its documentation says for a service that must go on: it reconnects without
//! end where it can be told to, a `SET` may be sent again where that can be said of a command, and a
//! call has the same time-out with all of them. Everything else is left at its default.

mod everlink;
mod fred;
mod redis_rs;
mod rustis;

use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use everlink::Everlink;
pub(crate) use fred::Fred;
pub(crate) use redis_rs::{Cluster, Manager};
pub(crate) use rustis::Rustis;

use crate::support::waiting::Result;

/// Where the servers are, and how long a call may take.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Target {
    /// Of one server, or of the nodes of a cluster.
    pub(crate) ports: Vec<u16>,
    pub(crate) cluster: bool,
    pub(crate) timeout: Duration,
}

impl Target {
    fn hosts(&self) -> String {
        let hosts: Vec<_> = (self.ports.iter())
            .map(|port| format!("127.0.0.1:{port}"))
            .collect();
        hosts.join(",")
    }
}

/// A client as its users use it: cloned for each call.
pub(crate) trait Client: Clone + Send + Sync + 'static {
    /// # Errors
    /// It does not connect.
    fn connect(target: &Target) -> impl Future<Output = Result<Self>>;

    /// # Errors
    /// Whatever the client says.
    fn set(&mut self, key: &str, value: &str) -> impl Future<Output = Result<()>> + Send;

    /// # Errors
    /// Whatever the client says.
    fn incr(&mut self, key: &str) -> impl Future<Output = Result<i64>> + Send;
}

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Contender {
    Everlink,
    RedisRs,
    Fred,
    Rustis,
}

impl Contender {
    pub(crate) const ALL: [Self; 4] = [Self::Everlink, Self::RedisRs, Self::Fred, Self::Rustis];

    pub(crate) fn name(self, cluster: bool) -> &'static str {
        match self {
            Self::Everlink => "everlink",
            Self::RedisRs if cluster => "redis-rs cluster",
            Self::RedisRs => "redis-rs manager",
            Self::Fred => "fred",
            Self::Rustis => "rustis",
        }
    }
}
