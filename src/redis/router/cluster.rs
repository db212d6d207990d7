//! Routing to a cluster: the slot map, redirects, and when the topology is read anew.

mod redirects;
mod schedule;

use std::sync::Arc;
use std::time::Instant;

use actix::{ActorFutureExt, AsyncContext, Context, SpawnHandle};
use rand::seq::SliceRandom;

use crate::clock::now;
use crate::endpoint::Endpoint;
use crate::event::{EventKind, RefreshTrigger};
use crate::exit::{Cause, CauseKind, Class};
use crate::link::Distrust;
use crate::redis::cluster::{EpochGuard, Roster, Signal, SlotMap};
use crate::redis::config::{Config, Mode};
use crate::redis::handoff::{News, NodeNews, Refused};
use crate::redis::router::node::Node;
use crate::redis::router::refresh::{Question, Reading};
use crate::redis::router::retry::retry;
use crate::redis::router::router::sealed::Topology;
use crate::redis::router::router::{Core, Router};
use crate::redis::router::routes::KeyRoutes;
use crate::redis::seat::Seat;

/// Routes commands to the nodes of a Redis or Valkey Cluster: holds the slot map, follows
/// redirects, refreshes the map. Send it [`Command`](crate::redis::Command)s and
/// [`Pipeline`](crate::redis::Pipeline)s.
pub type ClusterRouter = Router<Cluster>;

/// Nodes that are asked for the topology at once.
const ASKED_AT_ONCE: usize = 3;
/// What a router knows of its cluster.
#[derive(Debug)]
pub struct Cluster {
    map: Arc<SlotMap>,
    roster: Roster,
    guard: EpochGuard,
    refreshing: bool,
    /// A trigger that came while a refresh was under way.
    again: Option<RefreshTrigger>,
    last_begun: Option<Instant>,
    failures: u32,
    /// A node that the next refresh does not ask: requests failed there again and again.
    past: Option<Endpoint>,
    timer: Option<(Instant, SpawnHandle)>,
}

type Ctx = Context<Router<Cluster>>;

#[expect(private_interfaces, reason = "sealed")]
impl Topology for Cluster {
    const MODE: Mode = Mode::Cluster;

    fn new(_: &Config) -> Self {
        Self {
            map: Arc::new(SlotMap::empty()),
            roster: Roster::new([]),
            guard: EpochGuard::new(),
            refreshing: false,
            again: None,
            last_begun: None,
            failures: 0,
            past: None,
            timer: None,
        }
    }

    fn routes(&self, core: &mut Core, seat: Seat) -> KeyRoutes {
        let mut lane = |endpoint| Some(Arc::clone(core.node(endpoint)?.lane(seat)));
        // The map numbers its nodes: were one left out, slots would lead to the node after it.
        let lanes: Option<_> = self.map.nodes().iter().map(&mut lane).collect();
        match lanes {
            Some(lanes) => KeyRoutes::Slots {
                map: Arc::clone(&self.map),
                lanes,
            },
            // The router ends.
            None => KeyRoutes::Nowhere,
        }
    }

    fn started(&mut self, core: &mut Core, ctx: &mut Ctx) {
        self.refresh(RefreshTrigger::Start, core, ctx);
    }

    fn refused(&mut self, core: &mut Core, refused: Refused, ctx: &mut Ctx) {
        match Signal::of(&refused.error, &refused.endpoint) {
            Signal::Moved(redirect) | Signal::Ask(redirect) => {
                self.follow(&redirect, core, refused, ctx);
            }
            Signal::ClusterDown | Signal::ReadOnly | Signal::MasterDown => {
                self.want(RefreshTrigger::Unsettled, core, ctx);
                retry(self, core, refused.into(), ctx);
            }
            Signal::TryAgain | Signal::Loading | Signal::None => {
                retry(self, core, refused.into(), ctx);
            }
        }
    }

    fn look_past(&mut self, node: &Endpoint, core: &mut Core, ctx: &mut Ctx) -> bool {
        self.past = Some(node.clone());
        self.want(RefreshTrigger::Unsettled, core, ctx);
        true
    }

    fn news(&mut self, core: &mut Core, news: &NodeNews, ctx: &mut Ctx) {
        match news.news {
            News::Up => {}
            News::Lost | News::Down | News::Quiet => {
                if self.map.nodes().contains(&news.endpoint) {
                    self.want(RefreshTrigger::NodeDown, core, ctx);
                }
            }
        }
    }

    fn look(&mut self, core: &mut Core, ctx: &mut Ctx) {
        self.failures = 0;
        self.refresh(RefreshTrigger::Requested, core, ctx);
    }

    fn is_ready(&self, core: &Core) -> bool {
        self.map.uncovered() == 0 && self.map.owners().all(|owner| core.is_up_for_all(owner))
    }
}

impl Cluster {
    /// Slots without an owner, or an owner that cannot serve.
    fn is_unsettled(&self, core: &Core) -> bool {
        let mut owners = self.map.owners().filter_map(|owner| core.nodes.get(owner));
        self.map.uncovered() > 0 || !owners.all(Node::is_well)
    }

    /// Reads the topology; one reading at a time.
    fn refresh(&mut self, trigger: RefreshTrigger, core: &mut Core, ctx: &mut Ctx) {
        if self.refreshing {
            self.again = Some(trigger);
            return;
        }
        if let Some((_, handle)) = self.timer.take() {
            ctx.cancel_future(handle);
        }
        self.refreshing = true;
        self.last_begun = Some(now());
        let past = self.past.take();
        let mut nodes: Vec<_> = core
            .nodes
            .values()
            .filter(|node| node.is_well() && node.main.lane.endpoint() != past.as_ref())
            .map(|node| Arc::clone(&node.main.lane))
            .collect();
        nodes.shuffle(&mut core.rng);
        nodes.truncate(ASKED_AT_ONCE);
        let mut seeds = core.config.endpoints.clone();
        seeds.retain(|seed| Some(seed) != past.as_ref());
        if seeds.is_empty() && nodes.is_empty() {
            // There is nobody else to ask.
            seeds.clone_from(&core.config.endpoints);
        }
        seeds.shuffle(&mut core.rng);
        let question = Question {
            config: Arc::clone(&core.config),
            dialer: core.dialer.clone(),
            nodes,
            seeds,
            epoch: self.guard.newest(),
        };
        let asked = actix::fut::wrap_future::<_, Router<Self>>(question.ask());
        ctx.spawn(asked.map(move |reading, router, ctx| {
            router.refreshed(trigger, reading, ctx);
        }));
    }

    fn accept(
        &mut self,
        trigger: RefreshTrigger,
        reading: &Reading,
        core: &mut Core,
        ctx: &mut Ctx,
    ) {
        let view = &reading.view;
        if reading.from_seed {
            self.guard.reset_after_seed_fallback();
        }
        if !self.guard.accept(view.epoch()) {
            return;
        }
        self.failures = 0;
        core.shared.limbo().down(None);
        let change = self
            .roster
            .apply(view, now(), core.config.cluster.node_grace);
        let map = SlotMap::from_view(view);
        let slots_moved = map.diff(&self.map);
        let uncovered_before = self.map.uncovered();
        let changed = slots_moved > 0
            || uncovered_before != map.uncovered()
            || !change.added.is_empty()
            || !change.removed.is_empty();
        self.map = Arc::new(map);
        for endpoint in &change.added {
            core.node(endpoint);
        }
        let removed = change.removed.iter();
        let retired = removed
            .filter_map(|endpoint| core.nodes.remove(endpoint))
            .flat_map(Node::into_links)
            .collect();
        if changed {
            self.publish(core);
            let event = core.narrator.event(
                0,
                EventKind::TopologyChanged {
                    trigger,
                    added: change.added,
                    removed: change.removed,
                    slots_moved,
                    slots_uncovered: self.map.uncovered(),
                },
            );
            core.narrator.tell(event);
        }
        ctx.spawn(actix::fut::wrap_future(core.retire(retired)));
        let links = core.nodes.values().flat_map(Node::links);
        for link in links.filter(|link| !link.lane.is_well()) {
            core.shared.place_waiting(&link.lane);
        }
        distrust_failed(view, core);
    }

    fn failed(&mut self, trigger: RefreshTrigger, cause: Cause, core: &mut Core) {
        self.failures = self.failures.saturating_add(1);
        if cause.class() == Class::Permanent {
            // What waits for a first node would wait in vain.
            core.shared.limbo().park(cause.clone());
        } else {
            core.shared.limbo().down(Some(cause.clone()));
        }
        let event = core
            .narrator
            .event(0, EventKind::TopologyFailed { trigger, cause });
        core.narrator.tell(event);
    }
}

impl Router<Cluster> {
    fn refreshed(
        &mut self,
        trigger: RefreshTrigger,
        reading: Result<Reading, Cause>,
        ctx: &mut Ctx,
    ) {
        self.with(|cluster, core| {
            cluster.refreshing = false;
            let permanent = match reading {
                Ok(reading) => {
                    cluster.accept(trigger, &reading, core, ctx);
                    false
                }
                Err(cause) => {
                    let permanent = cause.class() == Class::Permanent;
                    cluster.failed(trigger, cause, core);
                    permanent
                }
            };
            if cluster.again.is_none() {
                core.begin_rounds();
            }
            cluster.plan(permanent, core, ctx);
        });
        self.settle_ready();
    }
}

/// The cluster agreed that a node failed, and we have not heard from it either: its connection is
/// not worth waiting for.
#[expect(
    clippy::disallowed_methods,
    reason = "at most one for each link and refresh"
)]
fn distrust_failed(view: &crate::redis::cluster::ClusterView, core: &Core) {
    for failed in view.nodes().iter().filter(|node| node.failed) {
        let node = core.nodes.get(&failed.endpoint).into_iter();
        let links = node.flat_map(Node::links);
        for link in links.filter(|link| link.lane.is_suspect()) {
            link.link.do_send(Distrust(Cause::new(
                CauseKind::Stalled,
                "nothing was heard, and the cluster marked the node as failed",
            )));
        }
    }
}
