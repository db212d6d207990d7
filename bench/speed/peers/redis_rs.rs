//! The crate `redis`: its multiplexed connection, its connection manager, its cluster client.

use redis::aio::{ConnectionLike, ConnectionManager, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;

use super::{Peer, Target};
use crate::clients::redis_rs as clients;
use crate::failure;
use crate::support::waiting::Result;
use crate::workload::{Call, Payload};

#[derive(Clone)]
pub(crate) struct Multiplexed(MultiplexedConnection);

#[derive(Clone)]
pub(crate) struct Manager(ConnectionManager);

#[derive(Clone)]
pub(crate) struct Cluster(ClusterConnection);

async fn ask(
    connection: &mut impl ConnectionLike,
    call: Call,
    key: &str,
    payload: &Payload,
) -> Result<usize> {
    match call {
        Call::Get(_) => {
            let value = redis::cmd("GET").arg(key).query_async(connection).await;
            let value: bytes::Bytes = value.map_err(failure)?;
            Ok(value.len())
        }
        Call::Set(_) => {
            let mut set = redis::cmd("SET");
            let set = set.arg(key).arg(&payload.text).exec_async(connection);
            set.await.map_err(failure)?;
            Ok(0)
        }
        Call::Incr => {
            let value = redis::cmd("INCR").arg(key).query_async(connection).await;
            let _: i64 = value.map_err(failure)?;
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
            let mut range = redis::cmd("LRANGE");
            let values = range.arg(key).arg(0).arg(-1).query_async(connection).await;
            let values: Vec<bytes::Bytes> = values.map_err(failure)?;
            Ok(values.len())
        }
    }
}

impl Peer for Multiplexed {
    async fn connect(target: &Target) -> Result<Self> {
        clients::multiplexed(target).await.map(Self)
    }

    async fn call(&mut self, call: Call, key: &str, payload: &Payload) -> Result<usize> {
        ask(&mut self.0, call, key, payload).await
    }
}

impl Peer for Manager {
    async fn connect(target: &Target) -> Result<Self> {
        clients::manager(target).await.map(Self)
    }

    async fn call(&mut self, call: Call, key: &str, payload: &Payload) -> Result<usize> {
        ask(&mut self.0, call, key, payload).await
    }
}

impl Peer for Cluster {
    async fn connect(target: &Target) -> Result<Self> {
        clients::cluster(target).await.map(Self)
    }

    async fn call(&mut self, call: Call, key: &str, payload: &Payload) -> Result<usize> {
        ask(&mut self.0, call, key, payload).await
    }
}
