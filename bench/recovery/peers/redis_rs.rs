//! The crate `redis`: its connection manager, and its cluster client.

use redis::aio::{ConnectionLike, ConnectionManager};
use redis::cluster_async::ClusterConnection;

use super::{Peer, Target};
use crate::clients::redis_rs as clients;
use crate::failure;
use crate::support::waiting::Result;

#[derive(Clone)]
pub(crate) struct Manager(ConnectionManager);

#[derive(Clone)]
pub(crate) struct Cluster(ClusterConnection);

async fn set(connection: &mut impl ConnectionLike, key: &str, value: &str) -> Result<()> {
    let mut set = redis::cmd("SET");
    let set = set.arg(key).arg(value).exec_async(connection);
    set.await.map_err(failure)
}

async fn incr(connection: &mut impl ConnectionLike, key: &str) -> Result<i64> {
    let incr = redis::cmd("INCR").arg(key).query_async(connection).await;
    incr.map_err(failure)
}

impl Peer for Manager {
    async fn connect(target: &Target) -> Result<Self> {
        clients::manager(target).await.map(Self)
    }

    async fn set(&mut self, key: &str, value: &str) -> Result<()> {
        set(&mut self.0, key, value).await
    }

    async fn incr(&mut self, key: &str) -> Result<i64> {
        incr(&mut self.0, key).await
    }
}

impl Peer for Cluster {
    async fn connect(target: &Target) -> Result<Self> {
        clients::cluster(target).await.map(Self)
    }

    async fn set(&mut self, key: &str, value: &str) -> Result<()> {
        set(&mut self.0, key, value).await
    }

    async fn incr(&mut self, key: &str) -> Result<i64> {
        incr(&mut self.0, key).await
    }
}
