//! everlink.

use std::time::Duration;

use everlink::redis::{Client, Config};

use super::{AMPLE, Target};
use crate::failure;
use crate::support::waiting::Result;

/// A client whose links are up.
///
/// # Errors
/// They do not come up.
pub(crate) async fn open(target: &Target) -> Result<Client> {
    let config = Config::from_url(&target.url("redis", "redis-cluster")).map_err(failure)?;
    let config = config.command_timeout(target.timeout.unwrap_or(AMPLE));
    ready(Client::open(config).await.map_err(failure)?).await
}

/// # Errors
/// Its links do not come up.
pub(crate) async fn ready(client: Client) -> Result<Client> {
    let ready = client.ready(Duration::from_secs(10)).await;
    ready.map_err(failure)?;
    Ok(client)
}
