//! fred, with the policy of reconnecting that its README shows: without one it never does.

use fred::clients::Client as Handle;
use fred::interfaces::{ClientLike, KeysInterface};
use fred::types::config::{Config, ReconnectPolicy, Server, ServerConfig};
use fred::types::{Builder, Value};

use super::{Client, Target};
use crate::failure;
use crate::support::waiting::Result;

#[derive(Clone)]
pub(crate) struct Fred(Handle);

impl Client for Fred {
    async fn connect(target: &Target) -> Result<Self> {
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
        builder
            .with_performance_config(|settings| settings.default_command_timeout = target.timeout);
        let client = builder.build().map_err(failure)?;
        client.init().await.map_err(failure)?;
        Ok(Self(client))
    }

    async fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let set = self.0.set::<Value, _, _>(key, value, None, None, false);
        set.await.map(drop).map_err(failure)
    }

    async fn incr(&mut self, key: &str) -> Result<i64> {
        self.0.incr(key).await.map_err(failure)
    }
}
