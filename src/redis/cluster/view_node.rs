//! A node of a cluster, as another one reports it: [`ViewNode`].

use std::fmt;
use std::sync::Arc;

use crate::endpoint::Endpoint;

/// One node of a [`ClusterView`](super::ClusterView).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ViewNode {
    /// Its id.
    pub id: NodeId,
    /// What to dial; the user's endpoint map is applied.
    pub endpoint: Endpoint,
    /// Primary or replica. Whoever owns a slot is a primary.
    pub role: Role,
    /// Its configuration epoch; of a replica, that of its primary. None if `CLUSTER NODES` was not
    /// available.
    pub config_epoch: Option<u64>,
    /// The cluster agreed that it failed, or it has no known address, or is no member yet. Not
    /// set for a node that only the asked one suspects. False if `CLUSTER NODES` was not
    /// available.
    pub failed: bool,
    /// The asked node has a connection to it. True if `CLUSTER NODES` was not available.
    pub link_up: bool,
}

/// Primary or replica.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// It may own slots.
    Primary,
    /// It copies a primary.
    Replica {
        /// Which one. None if it knows none, as when its primary was forgotten.
        of: Option<NodeId>,
    },
}

/// The id a cluster knows a node by. It survives a change of address. Servers before Redis 4 do
/// not report it in `CLUSTER SLOTS`; without it, the endpoint stands in its place.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(Arc<str>);

impl NodeId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for NodeId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
