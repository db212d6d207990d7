//! An eye on the cluster that owes nothing to everlink: [`Observer`]. It tells from which moment on
//! the cluster can serve a slot again, so that the client is not blamed for the cluster's time, nor
//! praised for it.

use std::rc::Rc;
use std::time::Duration;

use super::cells::Cell;
use crate::support::cluster_view::NodeLine;
use crate::support::raw::Reply;
use crate::support::redis_cluster::RedisCluster;
use crate::support::waiting::{Failure, Result};

/// How often a node is asked: the error of the measured moment.
const LOOK_EVERY: Duration = Duration::from_millis(4);
/// How long a cluster may take to promote a replica.
const LIMIT: Duration = Duration::from_secs(20);

/// Sees the cluster over plain sockets.
#[derive(Debug, Clone)]
pub(crate) struct Observer {
    pub(crate) cluster: Rc<RedisCluster>,
}

impl Observer {
    /// A node's own line of `CLUSTER NODES`.
    pub(crate) async fn own_line(&self, node: usize) -> Result<NodeLine> {
        let view = self.cluster.view(node).await?;
        let own = view.into_iter().find(NodeLine::is_myself);
        own.ok_or_else(|| Failure::new(format!("node {node} does not know itself")))
    }

    /// Which cells a node serves.
    pub(crate) async fn cells_of(&self, node: usize, cells: &[Cell]) -> Result<Vec<bool>> {
        let own = self.own_line(node).await?;
        Ok(cells.iter().map(|cell| own.serves(cell.slot)).collect())
    }

    /// The replica of a primary.
    pub(crate) async fn replica_of(&self, primary: usize) -> Result<usize> {
        let view = self.cluster.view(primary).await?;
        let own = view.iter().find(|line| line.is_myself());
        let id = own.map(|line| line.id.clone());
        let replica = view.iter().find(|line| line.primary == id && id.is_some());
        replica
            .and_then(|line| self.cluster.index_of(line.port))
            .ok_or_else(|| Failure::new(format!("node {primary} has no replica")))
    }

    /// Waits until `node` executes a write to the cell.
    pub(crate) async fn wait_until_served(&self, node: usize, cell: &Cell) -> Result<()> {
        let looking = async {
            let mut client = self.cluster.nodes()[node].connect().await?;
            loop {
                match client.command(&["SET", &cell.probe, "1"]).await? {
                    // A server does not tell when it begins to serve: it is asked at this pace.
                    Reply::Error(_) => tokio::time::sleep(LOOK_EVERY).await,
                    _ => return Ok(()),
                }
            }
        };
        tokio::time::timeout(LIMIT, looking)
            .await
            .map_err(|_| Failure::new(format!("node {node} was not promoted in {LIMIT:?}")))?
    }
}
