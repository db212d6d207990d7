//! One node as its router holds it: [`Node`], its link and its lane.

use std::sync::Arc;
use std::time::Instant;

use actix::Addr;
use actix_rt::task::JoinHandle;

use crate::endpoint::{Endpoint, LinkName};
use crate::link::{Circuit, LinkSettings, SharedGovernor, Start, Supervisor, Terminate};
use crate::policy::RetryAccount;
use crate::redis::config::Config;
use crate::redis::connection::{Dialer, RedisBackend};
use crate::redis::handoff::Handoff;
use crate::redis::lane::Lane;
use crate::redis::router::routes::Shared;
use crate::registry::Registry;

/// A node's link and lane. Dropping it ends both at once; what waits in the lane is answered.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: LinkName,
    pub(crate) link: Addr<Supervisor<RedisBackend>>,
    pub(crate) lane: Arc<Lane>,
    keeper: JoinHandle<()>,
    retries: RetryAccount,
    /// How many of the lane's requests are deposited in that account.
    deposited: u64,
}

/// What all nodes of a router have in common.
#[derive(Debug, Clone)]
pub(crate) struct NodeMaker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) dialer: Dialer,
    pub(crate) governor: SharedGovernor,
    pub(crate) handoff: Handoff,
    pub(crate) registry: Addr<Registry>,
}

impl NodeMaker {
    /// Makes the node's link and starts it.
    #[expect(
        clippy::disallowed_methods,
        reason = "the first message to a new actor"
    )]
    pub(crate) fn start(
        &self,
        name: LinkName,
        endpoint: Endpoint,
        now: Instant,
        seed: u64,
    ) -> Node {
        let config = &self.shared.config;
        let lane = Lane::behind(
            config.breaker.map(Circuit::new),
            Some(endpoint.clone()),
            config.waiting,
            config.when_down,
        );
        self.shared.ledger().enter(name.clone(), &lane);
        let keeper = actix_rt::spawn(Arc::clone(&lane).keep());
        let backend = RedisBackend {
            endpoint,
            config: Arc::clone(config),
            dialer: self.dialer.clone(),
            lane: Arc::clone(&lane),
            handoff: self.handoff.clone(),
        };
        let settings = LinkSettings {
            governor: self.governor.clone(),
            seed: Some(seed),
            ..link_settings(config)
        };
        let link = Supervisor::start_link(name.clone(), backend, settings, &self.registry);
        link.do_send(Start);
        Node {
            name,
            link,
            lane,
            keeper,
            retries: RetryAccount::new(config.retry_budget, now),
            deposited: 0,
        }
    }
}

impl Node {
    /// Counts the traffic since the last time. The account tells seconds apart, so this is done
    /// each second.
    pub(crate) fn count_traffic(&mut self, now: Instant) {
        let taken = self.lane.taken();
        let requests = usize::try_from(taken - self.deposited).unwrap_or(usize::MAX);
        self.retries.deposit(requests, now);
        self.deposited = taken;
    }

    /// Whether the budget has a retry left; then it is taken.
    pub(crate) fn pay_for_retry(&mut self, now: Instant) -> bool {
        self.count_traffic(now);
        self.retries.withdraw(now)
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
