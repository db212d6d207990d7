//! What is measured against: [`Servers`].

use everlink::redis::Slot;

use crate::support::raw::RawClient;
use crate::support::redis_cluster::{RedisCluster, RedisClusterOptions};
use crate::support::redis_server::{RedisServer, RedisServerOptions};
use crate::support::waiting::Result;
use crate::workload::{Call, KEYS, LARGE_KEYS};

/// One server, and a cluster of 3 primaries and 3 replicas if it is wanted. Nothing is written to
/// disk.
pub(crate) struct Servers {
    one: RedisServer,
    cluster: Option<RedisCluster>,
}

impl Servers {
    /// # Errors
    /// There is no Redis server, or it does not start.
    pub(crate) async fn start(clustered: bool) -> Result<Self> {
        let options = RedisServerOptions::default().volatile();
        let one = RedisServer::start(options.clone()).await?;
        let mut client = one.connect().await?;
        for size in [64, 16_384, 1_048_576] {
            let call = Call::Get(size);
            let count = if size > 1_024 { LARGE_KEYS } else { KEYS };
            for task in 0..count {
                set(&mut client, &call.key(task), &call.value()).await?;
            }
        }
        for elements in [10_000, 1_000_000] {
            fill(&mut client, &Call::Range(elements).key(0), elements).await?;
        }
        let cluster = if clustered {
            let options = RedisClusterOptions {
                server: options,
                node_timeout_ms: 5_000,
                ..RedisClusterOptions::default()
            };
            let cluster = RedisCluster::start(options).await?;
            for task in 0..KEYS {
                let call = Call::Get(64);
                let key = call.key(task);
                let node = cluster.primary_of_slot(Slot::of(key.as_bytes()).get());
                let command = ["SET", &key, &call.value()];
                cluster.tell(node.await?, &command).await?;
            }
            Some(cluster)
        } else {
            None
        };
        Ok(Self { one, cluster })
    }

    /// What to dial.
    pub(crate) fn ports(&self, cluster: bool) -> Vec<u16> {
        match &self.cluster {
            Some(nodes) if cluster => nodes.nodes().iter().map(RedisServer::port).collect(),
            _ => vec![self.one.port()],
        }
    }

    /// # Errors
    /// A server has ended.
    pub(crate) fn pids(&self, cluster: bool) -> Result<Vec<u32>> {
        match &self.cluster {
            // Replicas only follow.
            Some(nodes) if cluster => nodes.nodes()[..3].iter().map(RedisServer::pid).collect(),
            _ => Ok(vec![self.one.pid()?]),
        }
    }
}

async fn set(client: &mut RawClient, key: &str, value: &str) -> Result<()> {
    client.command(&["SET", key, value]).await?.refused()?;
    Ok(())
}

async fn fill(client: &mut RawClient, key: &str, elements: usize) -> Result<()> {
    let mut push = vec!["RPUSH".to_owned(), key.to_owned()];
    push.extend(std::iter::repeat_n("v".repeat(64), 10_000));
    for _ in 0..elements / 10_000 {
        client.command(&push).await?.refused()?;
    }
    Ok(())
}
