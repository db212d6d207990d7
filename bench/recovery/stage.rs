//! The servers: [`Stage`].

use crate::scenarios::Scenario;
use crate::support::redis_cluster::{RedisCluster, RedisClusterOptions};
use crate::support::redis_server::{RedisServer, RedisServerOptions};
use crate::support::waiting::{Failure, Result};

/// One server, or a cluster of 3 primaries and 3 replicas. Nothing is written to disk.
pub(crate) enum Stage {
    One(RedisServer),
    Cluster(RedisCluster),
}

impl Stage {
    /// # Errors
    /// There is no Redis server, or it does not start.
    pub(crate) async fn start(scenario: Scenario) -> Result<Self> {
        let server = RedisServerOptions::default().volatile();
        if !scenario.in_cluster() {
            return RedisServer::start(server).await.map(Self::One);
        }
        let options = RedisClusterOptions {
            server,
            require_full_coverage: scenario == Scenario::Failover,
            ..RedisClusterOptions::default()
        };
        RedisCluster::start(options).await.map(Self::Cluster)
    }

    /// What to dial.
    pub(crate) fn ports(&self) -> Vec<u16> {
        match self {
            Self::One(server) => vec![server.port()],
            Self::Cluster(cluster) => cluster.nodes().iter().map(RedisServer::port).collect(),
        }
    }

    /// # Errors
    /// There is a cluster instead.
    pub(crate) fn one(&self) -> Result<&RedisServer> {
        match self {
            Self::One(server) => Ok(server),
            Self::Cluster(_) => Err(Failure::new("one server was expected")),
        }
    }

    /// # Errors
    /// There is one server instead.
    pub(crate) fn cluster(&self) -> Result<&RedisCluster> {
        match self {
            Self::Cluster(cluster) => Ok(cluster),
            Self::One(_) => Err(Failure::new("a cluster was expected")),
        }
    }
}
