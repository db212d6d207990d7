//! Everything a user does on a real cluster, and what happens to it there.
#![cfg(feature = "redis")]

#[path = "cluster/addresses.rs"]
mod addresses;
mod application;
#[path = "cluster/calls.rs"]
mod calls;
#[path = "cluster/circuit.rs"]
mod circuit;
#[path = "cluster/failover.rs"]
mod failover;
#[path = "cluster/load.rs"]
mod load;
#[path = "cluster/resharding.rs"]
mod resharding;
#[path = "cluster/routing.rs"]
mod routing;
mod support;

use everlink::redis::Config;

use crate::application::{SOON, local};
use crate::support::redis_cluster::{RedisCluster, RedisClusterOptions};

/// Three primaries with a replica each, for one test.
pub(crate) async fn cluster() -> RedisCluster {
    let started = RedisCluster::start(RedisClusterOptions::default()).await;
    started.expect("a cluster")
}

/// Three primaries without replicas, where none is needed.
pub(crate) async fn primaries() -> RedisCluster {
    let options = RedisClusterOptions {
        replicas_per_primary: 0,
        ..RedisClusterOptions::default()
    };
    RedisCluster::start(options).await.expect("a cluster")
}

/// The configuration for a cluster, from one of its nodes.
pub(crate) fn seeded(cluster: &RedisCluster) -> Config {
    Config::cluster([local(cluster.nodes()[0].port())]).command_timeout(SOON)
}
