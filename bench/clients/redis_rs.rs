//! The crate `redis`: its multiplexed connection, its connection manager, its cluster client. The
//! manager tries to reconnect as often as its default says: it cannot be told to go on for ever,
//! and each call begins anew.

use redis::AsyncConnectionConfig;
use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;

use super::{AMPLE, Target};
use crate::failure;
use crate::support::waiting::Result;

fn client(target: &Target) -> Result<redis::Client> {
    redis::Client::open(format!("redis://127.0.0.1:{}", target.ports[0])).map_err(failure)
}

/// Its own default of half a second is too short for a million elements.
///
/// # Errors
/// It does not connect.
pub(crate) async fn multiplexed(target: &Target) -> Result<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new();
    let config = config.set_response_timeout(Some(target.timeout.unwrap_or(AMPLE)));
    let client = client(target)?;
    let connection = client.get_multiplexed_async_connection_with_config(&config);
    connection.await.map_err(failure)
}

/// # Errors
/// It does not connect.
pub(crate) async fn manager(target: &Target) -> Result<ConnectionManager> {
    let config = ConnectionManagerConfig::new();
    let config = config.set_response_timeout(Some(target.timeout.unwrap_or(AMPLE)));
    let client = client(target)?;
    let manager = client.get_connection_manager_with_config(config);
    manager.await.map_err(failure)
}

/// # Errors
/// It does not connect.
pub(crate) async fn cluster(target: &Target) -> Result<ClusterConnection> {
    let nodes = (target.ports.iter()).map(|port| format!("redis://127.0.0.1:{port}"));
    let builder = ClusterClient::builder(nodes);
    let builder = builder.response_timeout(target.timeout.unwrap_or(AMPLE));
    let client = builder.build().map_err(failure)?;
    client.get_async_connection().await.map_err(failure)
}
