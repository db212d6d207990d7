//! rustis, which reconnects by default. A `SET` is marked as repeatable.

use rustis::client::{Client as Handle, IntoConfig};
use rustis::commands::StringCommands;

use super::{Client, Target};
use crate::failure;
use crate::support::waiting::Result;

#[derive(Clone)]
pub(crate) struct Rustis(Handle);

impl Client for Rustis {
    async fn connect(target: &Target) -> Result<Self> {
        let scheme = if target.cluster {
            "redis+cluster"
        } else {
            "redis"
        };
        let url = format!("{scheme}://{}", target.hosts());
        let mut config = url.into_config().map_err(failure)?;
        config.command_timeout = target.timeout;
        Handle::connect(config).await.map(Self).map_err(failure)
    }

    async fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let set = self.0.set(key, value).retry_on_error(true);
        set.await.map_err(failure)
    }

    async fn incr(&mut self, key: &str) -> Result<i64> {
        self.0.incr(key).await.map_err(failure)
    }
}
