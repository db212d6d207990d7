//! Requests that a node sent elsewhere: where they go, and what the map learns from it.

use std::sync::Arc;

use crate::endpoint::Endpoint;
use crate::event::RefreshTrigger;
use crate::redis::cluster::{Redirect, RedirectKind, RedirectTarget};
use crate::redis::error::{ErrorKind, Outcome};
use crate::redis::handoff::Refused;
use crate::redis::lane::Submitted;
use crate::redis::router::cluster::{Cluster, Ctx};
use crate::redis::router::router::Core;
use crate::redis::router::router::sealed::Topology;

impl Cluster {
    /// Sends a redirected request where the server said.
    pub(super) fn follow(
        &mut self,
        redirect: &Redirect,
        core: &mut Core,
        mut refused: Refused,
        ctx: &mut Ctx,
    ) {
        let target = match &redirect.endpoint {
            RedirectTarget::Node(endpoint) => core.config.endpoint_map.apply(endpoint.clone()),
            // Not followed, so not counted: it waits for the refresh, up to its deadline.
            RedirectTarget::Unknown => {
                self.want(RefreshTrigger::Moved, core, ctx);
                core.wait_for_topology(refused.into(), ctx);
                return;
            }
        };
        if !core.config.allows(&target) {
            let kind = ErrorKind::NotAllowed(target);
            refused
                .request
                .fail(kind, Outcome::Refused, Some(&refused.endpoint));
            return;
        }
        if refused.request.redirects >= core.config.cluster.max_redirects {
            give_up_redirects(refused);
            return;
        }
        refused.request.redirects += 1;
        // What counts from here on is how the next node stands.
        refused.request.set_refusal(None);
        // It leaves again as every other node does, once no view has shown it for long enough.
        self.roster.learn(&target);
        match redirect.kind {
            RedirectKind::Moved => {
                if target == refused.endpoint {
                    // Behind one address another server answers now (a proxy, a load balancer):
                    // a new connection may reach the right one.
                    core.reconnect_once(&target);
                } else {
                    self.moved(redirect, &target, core);
                    self.want(RefreshTrigger::Moved, core, ctx);
                }
                bring(core, &target, refused);
            }
            RedirectKind::Ask => {
                refused.request.asking = true;
                bring(core, &target, refused);
            }
        }
    }

    /// Patches the one slot; the refresh that follows brings the rest.
    fn moved(&mut self, redirect: &Redirect, target: &Endpoint, core: &mut Core) {
        let Some((map, index)) = self.map.with_node(target) else {
            return;
        };
        self.map = Arc::new(map.with_moved(redirect.slot, index));
        self.publish(core);
    }
}

/// Brings a request to the node it was redirected to.
fn bring(core: &mut Core, target: &Endpoint, refused: Refused) {
    let Some(node) = core.node(target) else {
        refused.answer();
        return;
    };
    let lane = node.lane(refused.request.seat);
    if let Submitted::Gone(request) = lane.submit(refused.request) {
        core.shared.place(request);
    }
}

fn give_up_redirects(refused: Refused) {
    let kind = ErrorKind::Redirects {
        count: refused.request.redirects,
        last: refused.error,
    };
    refused
        .request
        .fail(kind, Outcome::Refused, Some(&refused.endpoint));
}
