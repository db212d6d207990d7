//! Routing to one server.

use std::sync::Arc;

use actix::Context;

use crate::endpoint::Endpoint;
use crate::exit::{Cause, CauseKind};
use crate::redis::cluster::Signal;
use crate::redis::config::{Config, Mode};
use crate::redis::error::{ErrorKind, Outcome};
use crate::redis::handoff::{NodeNews, Refused};
use crate::redis::router::retry::retry;
use crate::redis::router::router::sealed::Topology;
use crate::redis::router::router::{Core, Router};
use crate::redis::router::routes::KeyRoutes;
use crate::redis::seat::Seat;

/// Sends commands to one server. It takes the same messages as a
/// [`ClusterRouter`](crate::redis::ClusterRouter).
pub type Standalone = Router<OneServer>;

/// The topology of a single server.
#[derive(Debug)]
pub struct OneServer {
    endpoint: Option<Endpoint>,
}

#[expect(private_interfaces, reason = "sealed")]
impl Topology for OneServer {
    const MODE: Mode = Mode::Standalone;

    fn new(config: &Config) -> Self {
        Self {
            endpoint: config.endpoints.first().cloned(),
        }
    }

    fn routes(&self, core: &mut Core, seat: Seat) -> KeyRoutes {
        let node = self
            .endpoint
            .as_ref()
            .and_then(|endpoint| core.node(endpoint))
            .map(|node| Arc::clone(node.lane(seat)));
        match node {
            Some(lane) => KeyRoutes::One(lane),
            None => KeyRoutes::Nowhere,
        }
    }

    fn started(&mut self, _: &mut Core, _: &mut Context<Router<Self>>) {}

    fn refused(&mut self, core: &mut Core, refused: Refused, ctx: &mut Context<Router<Self>>) {
        match Signal::of(&refused.error, &refused.endpoint) {
            Signal::Loading
            | Signal::TryAgain
            | Signal::ClusterDown
            | Signal::MasterDown
            | Signal::None => retry(self, core, refused.into(), ctx),
            // Demoted: the name may lead to another server by now.
            Signal::ReadOnly => {
                core.reconnect_once(&refused.endpoint);
                refused.answer();
            }
            // A server of a cluster, used as a single one: the caller should know.
            Signal::Moved(_) | Signal::Ask(_) => answer_member_of_cluster(refused),
        }
    }

    fn news(&mut self, _: &mut Core, _: &NodeNews, _: &mut Context<Router<Self>>) {}

    fn look_past(&mut self, _: &Endpoint, _: &mut Core, _: &mut Context<Router<Self>>) -> bool {
        false
    }

    fn look(&mut self, _: &mut Core, _: &mut Context<Router<Self>>) {}

    fn is_ready(&self, core: &Core) -> bool {
        core.nodes.keys().all(|node| core.is_up_for_all(node))
    }
}

fn answer_member_of_cluster(refused: Refused) {
    refused.request.fail_because(
        ErrorKind::Server(refused.error),
        Outcome::Refused,
        Some(&refused.endpoint),
        Some(Cause::new(
            CauseKind::Misconfigured,
            "the server is part of a cluster; use redis-cluster:// or Config::cluster",
        )),
    );
}
