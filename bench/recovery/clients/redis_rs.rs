//! The crate `redis`: its connection manager, and its cluster client.

use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;

use super::{Client, Target};
use crate::failure;
use crate::support::waiting::Result;

#[derive(Clone)]
pub(crate) struct Manager(ConnectionManager);

#[derive(Clone)]
pub(crate) struct Cluster(ClusterConnection);

async fn set(connection: &mut impl ConnectionLike, key: &str, value: &str) -> Result<()> {
    let set = redis::cmd("SET").arg(key).arg(value).to_owned();
    set.exec_async(connection).await.map_err(failure)
}

async fn incr(connection: &mut impl ConnectionLike, key: &str) -> Result<i64> {
    let incr = redis::cmd("INCR").arg(key).to_owned();
    incr.query_async(connection).await.map_err(failure)
}

impl Client for Manager {
    async fn connect(target: &Target) -> Result<Self> {
        let config = ConnectionManagerConfig::new().set_response_timeout(Some(target.timeout));
        let client = redis::Client::open(format!("redis://{}", target.hosts()));
        let client = client.map_err(failure)?;
        let manager = client.get_connection_manager_with_config(config).await;
        manager.map(Self).map_err(failure)
    }

    async fn set(&mut self, key: &str, value: &str) -> Result<()> {
        set(&mut self.0, key, value).await
    }

    async fn incr(&mut self, key: &str) -> Result<i64> {
        incr(&mut self.0, key).await
    }
}

impl Client for Cluster {
    async fn connect(target: &Target) -> Result<Self> {
        let nodes = (target.ports.iter()).map(|port| format!("redis://127.0.0.1:{port}"));
        let builder = ClusterClient::builder(nodes).response_timeout(target.timeout);
        let client = builder.build().map_err(failure)?;
        let connection = client.get_async_connection().await;
        connection.map(Self).map_err(failure)
    }

    async fn set(&mut self, key: &str, value: &str) -> Result<()> {
        set(&mut self.0, key, value).await
    }

    async fn incr(&mut self, key: &str) -> Result<i64> {
        incr(&mut self.0, key).await
    }
}
