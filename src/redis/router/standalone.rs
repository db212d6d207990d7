//! Routing to one server.

use std::sync::Arc;

use actix::Context;

use crate::endpoint::Endpoint;
use crate::exit::{Cause, CauseKind};
use crate::redis::cluster::Signal;
use crate::redis::config::{Config, Mode};
use crate::redis::error::{ErrorKind, Outcome};
use crate::redis::handoff::{Bounced, NodeNews, Reason};
use crate::redis::router::router::sealed::Topology;
use crate::redis::router::router::{Core, Router};
use crate::redis::router::routes::KeyRoutes;

/// Sends commands to one server. It takes the same messages as a
/// [`ClusterRouter`](crate::redis::ClusterRouter).
pub type Standalone = Router<OneServer>;

/// A repeatable request whose connection dies with it is sent again so many times.
const LOST_TRIES: u8 = 3;

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

    fn routes(&self, core: &mut Core) -> KeyRoutes {
        let node = self
            .endpoint
            .as_ref()
            .and_then(|endpoint| core.node(endpoint))
            .map(|node| Arc::clone(&node.lane));
        match node {
            Some(lane) => KeyRoutes::One(lane),
            None => KeyRoutes::Nowhere,
        }
    }

    fn started(&mut self, _: &mut Core, _: &mut Context<Router<Self>>) {}

    fn bounced(&mut self, core: &mut Core, mut bounced: Bounced, ctx: &mut Context<Router<Self>>) {
        let error = match &bounced.reason {
            Reason::Reply(error) => error,
            Reason::Lost(_) => {
                if bounced.request.attempts >= LOST_TRIES {
                    bounced.answer();
                    return;
                }
                bounced.request.attempts += 1;
                core.shared.place(bounced.request);
                return;
            }
        };
        match Signal::of(error, &bounced.endpoint) {
            Signal::Loading | Signal::TryAgain | Signal::ClusterDown | Signal::MasterDown => {
                core.put_off(bounced, ctx);
            }
            // Demoted: the name may lead to another server by now.
            Signal::ReadOnly => {
                core.reconnect_once(&bounced.endpoint);
                bounced.answer();
            }
            // A server of a cluster, used as a single one: the caller should know.
            Signal::Moved(_) | Signal::Ask(_) => answer_member_of_cluster(bounced),
            Signal::None => bounced.answer(),
        }
    }

    fn news(&mut self, _: &mut Core, _: &NodeNews, _: &mut Context<Router<Self>>) {}

    fn look(&mut self, _: &mut Core, _: &mut Context<Router<Self>>) {}

    fn is_ready(&self, core: &Core) -> bool {
        core.nodes.values().all(|node| node.lane.is_up())
    }
}

fn answer_member_of_cluster(bounced: Bounced) {
    match bounced.reason {
        Reason::Reply(error) => bounced.request.fail_because(
            ErrorKind::Server(error),
            Outcome::Refused,
            Some(&bounced.endpoint),
            Some(Cause::new(
                CauseKind::Misconfigured,
                "the server is part of a cluster; use redis-cluster:// or Config::cluster",
            )),
        ),
        Reason::Lost(_) => bounced.answer(),
    }
}
