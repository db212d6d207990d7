//! Failures that users of other clients suffered, provoked here: those that no other test
//! provokes. `docs/known-failures.md` lists all of them.
#![cfg(feature = "redis")]

mod application;
#[path = "failures/changed_places.rs"]
mod changed_places;
#[path = "failures/endless_calls.rs"]
mod endless_calls;
#[path = "failures/full_queues.rs"]
mod full_queues;
#[path = "failures/half_open.rs"]
mod half_open;
#[path = "failures/hung_node.rs"]
mod hung_node;
#[path = "failures/large_replies.rs"]
mod large_replies;
#[path = "failures/refreshes.rs"]
mod refreshes;
#[path = "failures/revived.rs"]
mod revived;
#[path = "failures/secrets.rs"]
mod secrets;
mod support;
#[path = "failures/unsolicited.rs"]
mod unsolicited;

use crate::support::redis_cluster::{RedisCluster, RedisClusterOptions};
use crate::support::redis_server::{RedisServer, RedisServerOptions};

/// One server that writes nothing to disk.
pub(crate) async fn volatile() -> RedisServer {
    let options = RedisServerOptions::default().volatile();
    RedisServer::start(options).await.expect("a server")
}

/// Three primaries with so many replicas each, which serve what is left of the slots when one of
/// them is gone.
pub(crate) async fn partial_cluster(replicas_per_primary: usize) -> RedisCluster {
    let options = RedisClusterOptions {
        replicas_per_primary,
        require_full_coverage: false,
        ..RedisClusterOptions::default()
    };
    RedisCluster::start(options).await.expect("a cluster")
}

/// For each third of the slots a key in it; each primary of the beginning has one.
pub(crate) fn key_of_each_primary() -> [String; 3] {
    [0, 6000, 16_000].map(|slot| {
        (0_u32..)
            .map(|number| format!("key:{number}"))
            .find(|key| everlink::redis::Slot::of(key.as_bytes()).get() == slot)
            .expect("each slot has keys")
    })
}
