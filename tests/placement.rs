//! Arbiters with connections of their own: [`Client::here`](everlink::redis::Client::here).
#![cfg(feature = "redis")]

mod application;
#[path = "placement/ends.rs"]
mod ends;
#[path = "placement/healing.rs"]
mod healing;
#[path = "placement/sharing.rs"]
mod sharing;
mod support;
#[path = "placement/worker.rs"]
mod worker;

use everlink::redis::{Client, Config, Slot, cmd};

use crate::application::{Application, SOON, local};
use crate::support::redis_cluster::{RedisCluster, RedisClusterOptions};
use crate::support::redis_server::{RedisServer, RedisServerOptions};
use crate::support::waiting::{self, Wait};

/// A key of each of the three primaries of the beginning.
pub(crate) fn keys() -> [String; 3] {
    [0, 6000, 16_000].map(key_in)
}

/// A key in this slot.
pub(crate) fn key_in(slot: u16) -> String {
    (0_u32..)
        .map(|number| format!("key:{number}"))
        .find(|key| Slot::of(key.as_bytes()).get() == slot)
        .expect("each slot has keys")
}

pub(crate) async fn server() -> RedisServer {
    let options = RedisServerOptions::default().volatile();
    RedisServer::start(options).await.expect("a server")
}

/// Three primaries, each with so many replicas.
pub(crate) async fn cluster(replicas_per_primary: usize) -> RedisCluster {
    let options = RedisClusterOptions {
        replicas_per_primary,
        ..RedisClusterOptions::default()
    };
    RedisCluster::start(options).await.expect("a cluster")
}

pub(crate) fn seeded(cluster: &RedisCluster) -> Config {
    Config::cluster([local(cluster.nodes()[0].port())]).command_timeout(SOON)
}

/// The connection that serves this key for this handle, as its server calls it.
pub(crate) async fn connection(client: &Client, key: &str) -> i64 {
    let asked = client.query(cmd("CLIENT").arg("ID").route_by(key)).await;
    asked.expect("a connection")
}

/// The links of seats, by the end of their names.
pub(crate) async fn links_of_seats(application: &Application) -> Vec<String> {
    let links = application.client.status().await.expect("a registry");
    let names = links.iter().map(|link| link.link.to_string());
    names.filter(|name| name.contains('@')).collect()
}

/// Waits until seats have so many links.
pub(crate) async fn links_of_seats_are(
    application: &Application,
    count: usize,
) -> waiting::Result<()> {
    let mut wait = Wait::up_to(SOON, format!("{count} links of seats"));
    loop {
        let links = links_of_seats(application).await;
        if links.len() == count {
            return Ok(());
        }
        wait.again(format!("{links:?}")).await?;
    }
}
