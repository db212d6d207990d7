//! Every client, set up once for all benchmarks: [`Target`], and `open` of each.
//!
//! Each is set up as its documentation says for a service that must go on: it reconnects without
//! end where it can be told to. Everything else is left at its default.

pub(crate) mod everlink;
pub(crate) mod fred;
pub(crate) mod redis_rs;
pub(crate) mod rustis;

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Where the servers are, and how long a call may take.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Target {
    /// Of one server, or of the nodes of a cluster.
    pub(crate) ports: Vec<u16>,
    pub(crate) cluster: bool,
    /// None: as long as the slowest call needs, and no longer than the client allows by itself
    /// where that is enough.
    pub(crate) timeout: Option<Duration>,
}

/// More than any call of a benchmark takes.
const AMPLE: Duration = Duration::from_secs(30);

impl Target {
    /// `redis://127.0.0.1:1,127.0.0.1:2` and so on, for those that take all nodes in one URL.
    fn url(&self, one: &str, cluster: &str) -> String {
        let hosts: Vec<_> = (self.ports.iter())
            .map(|port| format!("127.0.0.1:{port}"))
            .collect();
        let scheme = if self.cluster { cluster } else { one };
        format!("{scheme}://{}", hosts.join(","))
    }
}
