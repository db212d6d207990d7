//! One node as its router holds it: [`Node`], its link and its lane.

use std::sync::Arc;

use actix::Addr;
use actix_rt::task::JoinHandle;

use crate::endpoint::{Endpoint, LinkName};
use crate::link::{LinkSettings, Start, Supervisor, Terminate};
use crate::redis::config::Config;
use crate::redis::connection::{Dialer, RedisBackend};
use crate::redis::handoff::Handoff;
use crate::redis::lane::Lane;
use crate::registry::Registry;

/// A node's link and lane. Dropping it ends both at once; what waits in the lane is answered.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: LinkName,
    pub(crate) link: Addr<Supervisor<RedisBackend>>,
    pub(crate) lane: Arc<Lane>,
    keeper: JoinHandle<()>,
}

/// What all nodes of a router have in common.
#[derive(Debug, Clone)]
pub(crate) struct NodeMaker {
    pub(crate) config: Arc<Config>,
    pub(crate) dialer: Dialer,
    pub(crate) handoff: Handoff,
    pub(crate) registry: Addr<Registry>,
}

impl NodeMaker {
    /// Makes the node's link and starts it.
    #[expect(
        clippy::disallowed_methods,
        reason = "the first message to a new actor"
    )]
    pub(crate) fn start(&self, name: LinkName, endpoint: Endpoint) -> Node {
        let config = &self.config;
        let lane = Lane::new(Some(endpoint.clone()), config.waiting, config.when_down);
        let keeper = actix_rt::spawn(Arc::clone(&lane).keep());
        let backend = RedisBackend {
            endpoint,
            config: Arc::clone(config),
            dialer: self.dialer.clone(),
            lane: Arc::clone(&lane),
            handoff: self.handoff.clone(),
        };
        let link =
            Supervisor::start_link(name.clone(), backend, link_settings(config), &self.registry);
        link.do_send(Start);
        Node {
            name,
            link,
            lane,
            keeper,
        }
    }
}

impl Drop for Node {
    #[expect(clippy::disallowed_methods, reason = "the last message to an actor")]
    fn drop(&mut self) {
        self.link.do_send(Terminate);
        // What is left is answered by its own guard.
        drop(self.lane.close());
        self.keeper.abort();
    }
}

fn link_settings(config: &Config) -> LinkSettings {
    LinkSettings {
        restart: config.restart.clone(),
        connect_timeout: config.timeouts.connect,
        drain_timeout: config.timeouts.drain,
        kill_timeout: config.timeouts.kill,
        stable_after: config.supervision.stable_after,
        park_probe: config.supervision.park_probe,
        ..LinkSettings::default()
    }
}
