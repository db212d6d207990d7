//! Every client behind one trait: [`Peer`]; and who takes part: [`Contender`].

mod bare;
mod everlink;
mod fred;
mod redis_benchmark;
mod redis_rs;
mod rustis;

use std::future::Future;

use serde::{Deserialize, Serialize};

pub(crate) use bare::{BareActor, BareLoop};
pub(crate) use everlink::{ThroughClient, ThroughRouter};
pub(crate) use fred::Fred;
pub(crate) use redis_benchmark::benchmark;
pub(crate) use redis_rs::{Cluster, Manager, Multiplexed};
pub(crate) use rustis::Rustis;

pub(crate) use crate::clients::Target;
use crate::stage::Threads;
use crate::support::waiting::Result;
use crate::workload::{Call, Payload, Workload};

/// A client as its users use it: cloned for each task.
pub(crate) trait Peer: Clone + Send + Sync + 'static {
    /// # Errors
    /// It does not connect.
    fn connect(target: &Target) -> impl Future<Output = Result<Self>>;

    /// Does one call, and tells the size of the answer: bytes of a value, elements of a list.
    ///
    /// # Errors
    /// Whatever the client says.
    fn call(
        &mut self,
        call: Call,
        key: &str,
        payload: &Payload,
    ) -> impl Future<Output = Result<usize>> + Send;
}

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Contender {
    EverlinkClient,
    EverlinkRouter,
    /// One client, with connections on each caller's arbiter.
    EverlinkHere,
    RedisRs,
    RedisRsManager,
    RedisRsCluster,
    Fred,
    Rustis,
    RedisBenchmark,
    /// No client: a yardstick for one.
    BareLoop,
    /// The same, for one behind an actor.
    BareActor,
}

impl Contender {
    const ALL: [Self; 11] = [
        Self::EverlinkClient,
        Self::EverlinkRouter,
        Self::EverlinkHere,
        Self::RedisRs,
        Self::RedisRsManager,
        Self::RedisRsCluster,
        Self::Fred,
        Self::Rustis,
        Self::RedisBenchmark,
        Self::BareLoop,
        Self::BareActor,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::EverlinkClient => "everlink Client",
            Self::EverlinkRouter => "everlink router.send",
            Self::EverlinkHere => "everlink Client::here",
            Self::RedisRs => "redis-rs",
            Self::RedisRsManager => "redis-rs manager",
            Self::RedisRsCluster => "redis-rs cluster",
            Self::Fred => "fred",
            Self::Rustis => "rustis",
            Self::RedisBenchmark => "redis-benchmark",
            Self::BareLoop => "bare loop",
            Self::BareActor => "bare actor",
        }
    }

    pub(crate) fn is_everlink(self) -> bool {
        matches!(
            self,
            Self::EverlinkClient | Self::EverlinkRouter | Self::EverlinkHere
        )
    }

    /// Everybody who can do this.
    pub(crate) fn of(workload: &Workload) -> Vec<Self> {
        let can = |contender: &Self| match contender {
            Self::EverlinkClient | Self::EverlinkRouter | Self::Fred | Self::Rustis => true,
            Self::EverlinkHere => matches!(workload.threads, Threads::Each(_)),
            Self::RedisRs | Self::RedisRsManager => !workload.cluster,
            Self::RedisRsCluster => workload.cluster,
            Self::RedisBenchmark => redis_benchmark::can(workload),
            Self::BareLoop | Self::BareActor => bare::can(workload),
        };
        Self::ALL.into_iter().filter(can).collect()
    }
}
