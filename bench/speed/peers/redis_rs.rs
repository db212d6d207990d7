//! The crate `redis`: its multiplexed connection, its connection manager, its cluster client.

use redis::aio::{ConnectionLike, ConnectionManager, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;

use super::{Peer, Target};
use crate::failure;
use crate::support::waiting::Result;
use crate::workload::Call;

#[derive(Clone)]
pub(crate) struct Multiplexed(MultiplexedConnection);

#[derive(Clone)]
pub(crate) struct Manager(ConnectionManager);

#[derive(Clone)]
pub(crate) struct Cluster(ClusterConnection);

fn client(target: &Target) -> Result<redis::Client> {
    redis::Client::open(format!("redis://127.0.0.1:{}", target.ports[0])).map_err(failure)
}

async fn ask(
    connection: &mut impl ConnectionLike,
    call: Call,
    key: &str,
    value: &str,
) -> Result<usize> {
    match call {
        Call::Get(_) => {
            let command = redis::cmd("GET").arg(key).to_owned();
            let value: bytes::Bytes = command.query_async(connection).await.map_err(failure)?;
            Ok(value.len())
        }
        Call::Set(_) => {
            let command = redis::cmd("SET").arg(key).arg(value).to_owned();
            command.exec_async(connection).await.map_err(failure)?;
            Ok(0)
        }
        Call::Incr => {
            let command = redis::cmd("INCR").arg(key).to_owned();
            let _: i64 = command.query_async(connection).await.map_err(failure)?;
            Ok(0)
        }
        Call::Pipeline(count) => {
            let mut pipe = redis::pipe();
            for _ in 0..count {
                pipe.cmd("GET").arg(key);
            }
            let values: Vec<bytes::Bytes> = pipe.query_async(connection).await.map_err(failure)?;
            Ok(values.len())
        }
        Call::Range(_) => {
            let command = redis::cmd("LRANGE").arg(key).arg(0).arg(-1).to_owned();
            let values: Vec<bytes::Bytes> =
                command.query_async(connection).await.map_err(failure)?;
            Ok(values.len())
        }
    }
}

impl Peer for Multiplexed {
    async fn connect(target: &Target) -> Result<Self> {
        // Its own default of half a second is too short for a million elements.
        let config = redis::AsyncConnectionConfig::new()
            .set_response_timeout(Some(std::time::Duration::from_secs(30)));
        let client = client(target)?;
        let connection = client.get_multiplexed_async_connection_with_config(&config);
        connection.await.map(Self).map_err(failure)
    }

    async fn call(&mut self, call: Call, key: &str, value: &str) -> Result<usize> {
        ask(&mut self.0, call, key, value).await
    }
}

impl Peer for Manager {
    async fn connect(target: &Target) -> Result<Self> {
        let config = redis::aio::ConnectionManagerConfig::new()
            .set_response_timeout(Some(std::time::Duration::from_secs(30)));
        let client = client(target)?;
        let connection = client.get_connection_manager_with_config(config);
        connection.await.map(Self).map_err(failure)
    }

    async fn call(&mut self, call: Call, key: &str, value: &str) -> Result<usize> {
        ask(&mut self.0, call, key, value).await
    }
}

impl Peer for Cluster {
    async fn connect(target: &Target) -> Result<Self> {
        let nodes: Vec<_> = (target.ports.iter())
            .map(|port| format!("redis://127.0.0.1:{port}"))
            .collect();
        let client = ClusterClient::new(nodes).map_err(failure)?;
        let connection = client.get_async_connection().await;
        connection.map(Self).map_err(failure)
    }

    async fn call(&mut self, call: Call, key: &str, value: &str) -> Result<usize> {
        ask(&mut self.0, call, key, value).await
    }
}
