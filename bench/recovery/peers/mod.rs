//! Every client behind one trait: [`Peer`]; and who takes part: [`Contender`].
//!
//! A `SET` may be sent again where that can be said of a command, and a call has the same time-out
//! with all of them.

mod everlink;
mod fred;
mod redis_rs;
mod rustis;

use std::future::Future;

use serde::{Deserialize, Serialize};

pub(crate) use everlink::Everlink;
pub(crate) use fred::Fred;
pub(crate) use redis_rs::{Cluster, Manager};
pub(crate) use rustis::Rustis;

pub(crate) use crate::clients::Target;
use crate::support::waiting::Result;

/// A client as its users use it: cloned for each call.
pub(crate) trait Peer: Clone + Send + Sync + 'static {
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
