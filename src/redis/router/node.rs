//! One node as its router holds it: [`Node`], with a link and a lane for each seat.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Addr;
use actix_rt::task::JoinHandle;

use crate::endpoint::{Endpoint, LinkName};
use crate::link::{
    Circuit, LinkSettings, ReconnectNow, SharedGovernor, Start, Supervisor, Terminate,
};
use crate::policy::RetryAccount;
use crate::redis::config::{Config, WhenDown};
use crate::redis::connection::{Dialer, RedisBackend};
use crate::redis::handoff::Handoff;
use crate::redis::lane::{Lane, Submitted, Traffic};
use crate::redis::request::Request;
use crate::redis::router::routes::Shared;
use crate::redis::seat::Seat;
use crate::registry::Registry;

/// A node: what all seats have of it in common, and the links to it. Dropping it ends them at once;
/// what waits in their lanes is answered.
#[derive(Debug)]
pub(crate) struct Node {
    /// On the router's arbiter.
    pub(crate) main: NodeLink,
    /// On the arbiters of seats. One may be missing: it is not started yet.
    pub(crate) seats: BTreeMap<Seat, NodeLink>,
    retries: RetryAccount,
    /// When its connections were replaced last because of what it answered.
    reconnected_at: Option<Instant>,
}

/// A link to a node, and its lane. Dropping it ends both at once; what waits in the lane is
/// answered.
#[derive(Debug)]
pub(crate) struct NodeLink {
    pub(crate) name: LinkName,
    pub(crate) link: Addr<Supervisor<RedisBackend>>,
    pub(crate) lane: Arc<Lane>,
    /// Routes of its seat lead here. Of the shared link they always may.
    pub(crate) open: bool,
    keeper: JoinHandle<()>,
}

/// What all links of a router have in common.
#[derive(Debug, Clone)]
pub(crate) struct LinkMaker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) governor: SharedGovernor,
    pub(crate) handoff: Handoff,
    pub(crate) registry: Addr<Registry>,
    pub(crate) traffic: Arc<Traffic>,
}

/// A link to be made.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) name: LinkName,
    pub(crate) endpoint: Endpoint,
    pub(crate) circuit: Option<Circuit>,
    pub(crate) seed: u64,
}

impl LinkMaker {
    /// Makes a link for a seat, on the current arbiter, and starts it.
    #[expect(
        clippy::disallowed_methods,
        reason = "the first message to a new actor"
    )]
    pub(crate) fn start(&self, order: Order, seat: Seat, dialer: &Dialer) -> NodeLink {
        let Order {
            name,
            endpoint,
            circuit,
            seed,
        } = order;
        let config = &self.shared.config;
        let when_down = if seat.is_shared() {
            config.when_down
        } else {
            // The shared link decides what becomes of it.
            WhenDown::Wait
        };
        let there = Some(endpoint.clone());
        let traffic = Arc::clone(&self.traffic);
        let lane = Lane::behind(circuit, there, config.waiting, when_down, traffic);
        self.shared.ledger().enter(name.clone(), &lane);
        let keeper = actix_rt::spawn(Arc::clone(&lane).keep());
        let backend = RedisBackend {
            endpoint,
            config: Arc::clone(config),
            dialer: dialer.clone(),
            lane: Arc::clone(&lane),
            handoff: self.handoff.of(seat),
        };
        let settings = LinkSettings {
            governor: self.governor.clone(),
            seed: Some(seed),
            ..link_settings(config)
        };
        let link = Supervisor::start_link(name.clone(), backend, settings, &self.registry);
        link.do_send(Start);
        NodeLink {
            name,
            link,
            lane,
            open: seat.is_shared(),
            keeper,
        }
    }
}

impl Node {
    pub(crate) fn new(main: NodeLink, config: &Config, now: Instant) -> Self {
        Self {
            main,
            seats: BTreeMap::new(),
            retries: RetryAccount::new(config.retry_budget, now),
            reconnected_at: None,
        }
    }

    /// Its links, the shared one first.
    pub(crate) fn links(&self) -> impl Iterator<Item = &NodeLink> {
        std::iter::once(&self.main).chain(self.seats.values())
    }

    pub(crate) fn into_links(self) -> impl Iterator<Item = NodeLink> {
        std::iter::once(self.main).chain(self.seats.into_values())
    }

    /// Where requests of this seat go: to its own lane while that is open, else to the shared one.
    pub(crate) fn lane(&self, seat: Seat) -> &Arc<Lane> {
        match self.seats.get(&seat) {
            Some(link) if link.open => &link.lane,
            Some(_) | None => &self.main.lane,
        }
    }

    /// Its shared link is up, and all that have written to it hear from it.
    pub(crate) fn is_well(&self) -> bool {
        self.main.lane.is_well() && !self.seats.values().any(|link| link.lane.is_suspect())
    }

    /// Requests that waited for a seat's link wait for the shared one instead. They are given back
    /// if the node has left.
    pub(crate) fn move_to_main(&self, requests: Vec<Request>) -> Vec<Request> {
        let moved = requests.into_iter();
        moved
            .filter_map(|request| match self.main.lane.submit_again(request) {
                Submitted::Taken | Submitted::Waits => None,
                Submitted::Gone(request) => Some(request),
            })
            .collect()
    }

    /// Replaces its connections, at most once in a cooldown.
    #[expect(clippy::disallowed_methods, reason = "once in a cooldown")]
    pub(crate) fn reconnect_once(&mut self, now: Instant, cooldown: Duration) {
        let recently = |at: Instant| now.saturating_duration_since(at) < cooldown;
        if self.reconnected_at.is_some_and(recently) {
            return;
        }
        self.reconnected_at = Some(now);
        for link in self.links() {
            link.link.do_send(ReconnectNow);
        }
    }

    /// So many requests were sent to it.
    pub(crate) fn deposit(&mut self, requests: usize, now: Instant) {
        self.retries.deposit(requests, now);
    }

    /// Whether the budget has a retry left; then it is taken.
    pub(crate) fn pay_for_retry(&mut self, now: Instant) -> bool {
        let latest = self.links().map(|link| link.lane.count_taken()).sum();
        self.deposit(latest, now);
        self.retries.withdraw(now)
    }
}

impl Drop for NodeLink {
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
