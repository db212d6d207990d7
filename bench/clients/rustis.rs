//! rustis, which reconnects by default.

use rustis::client::{Client, IntoConfig};

use super::Target;
use crate::failure;
use crate::support::waiting::Result;

/// # Errors
/// It does not connect.
pub(crate) async fn open(target: &Target) -> Result<Client> {
    let url = target.url("redis", "redis+cluster");
    let mut config = url.into_config().map_err(failure)?;
    if let Some(timeout) = target.timeout {
        config.command_timeout = timeout;
    }
    Client::connect(config).await.map_err(failure)
}
