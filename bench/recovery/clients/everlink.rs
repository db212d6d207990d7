//! everlink, through its `Client`, with its defaults. A `SET` is marked as repeatable.

use std::time::Duration;

use everlink::redis::{Client as Handle, Config, cmd};

use super::{Client, Target};
use crate::failure;
use crate::support::waiting::Result;

#[derive(Clone)]
pub(crate) struct Everlink(Handle);

impl Client for Everlink {
    async fn connect(target: &Target) -> Result<Self> {
        let scheme = if target.cluster {
            "redis-cluster"
        } else {
            "redis"
        };
        let config = Config::from_url(&format!("{scheme}://{}", target.hosts()));
        let config = config.map_err(failure)?.command_timeout(target.timeout);
        let client = Handle::open(config).await.map_err(failure)?;
        let ready = client.ready(Duration::from_secs(10)).await;
        ready.map_err(failure)?;
        Ok(Self(client))
    }

    async fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let set = cmd("SET").arg(key).arg(value).idempotent();
        self.0.query(set).await.map_err(failure)
    }

    async fn incr(&mut self, key: &str) -> Result<i64> {
        self.0.query(cmd("INCR").arg(key)).await.map_err(failure)
    }
}
