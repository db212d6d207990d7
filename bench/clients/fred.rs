//! fred, with the policy of reconnecting that its README shows: without one it never does.

use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::types::Builder;
use fred::types::config::{Config, ReconnectPolicy, Server, ServerConfig};

use super::Target;
use crate::failure;
use crate::support::waiting::Result;

/// # Errors
/// It does not connect.
pub(crate) async fn open(target: &Target) -> Result<Client> {
    let server = |port: &u16| Server::new("127.0.0.1", *port);
    let config = Config {
        server: if target.cluster {
            ServerConfig::Clustered {
                hosts: target.ports.iter().map(server).collect(),
                policy: Default::default(),
            }
        } else {
            ServerConfig::Centralized {
                server: server(&target.ports[0]),
            }
        },
        ..Config::default()
    };
    let mut builder = Builder::from_config(config);
    builder.set_policy(ReconnectPolicy::new_exponential(0, 100, 30_000, 2));
    if let Some(timeout) = target.timeout {
        builder.with_performance_config(|settings| settings.default_command_timeout = timeout);
    }
    let client = builder.build().map_err(failure)?;
    client.init().await.map_err(failure)?;
    Ok(client)
}
