//! Whether and when a request that was not served is sent again: [`retry`], as its
//! [`RetryPolicy`](crate::redis::RetryPolicy) says.

use std::time::{Duration, Instant};

use actix::Context;

use crate::clock::now;
use crate::endpoint::Endpoint;
use crate::redis::cluster::Signal;
use crate::redis::handoff::{Bounced, Reason};
use crate::redis::request::Request;
use crate::redis::retry::{Failure, RetryPolicy};
use crate::redis::router::put_off::Until;
use crate::redis::router::router::{Core, Router, Topology};

/// Tries a request again, or answers it.
pub(super) fn retry<T: Topology>(
    topology: &mut T,
    core: &mut Core,
    bounced: Bounced,
    ctx: &mut Context<Router<T>>,
) {
    let config = std::sync::Arc::clone(&core.config);
    let policy = bounced.request.policy(&config.retry);
    if bounced.request.once || !is_wanted(policy, &bounced) {
        bounced.answer();
        return;
    }
    let retries = bounced.request.retries;
    let lost = matches!(bounced.reason, Reason::Lost(_));
    if lost && retries.after_loss >= policy.max_losses {
        bounced.answer_exhausted();
    } else if policy
        .max_retries
        .is_none_or(|max| retries.this_round < max)
    {
        core.send_again(bounced, ctx);
    } else if retries.rounds < policy.cluster_error_retry_attempts
        && topology.look_past(&bounced.endpoint, core, ctx)
    {
        core.begin_round(bounced, ctx);
    } else {
        bounced.answer_exhausted();
    }
}

fn is_wanted(policy: &RetryPolicy, bounced: &Bounced) -> bool {
    let failure = match &bounced.reason {
        Reason::Lost(_) => Failure::ConnectionLost,
        Reason::Unanswered(_) => Failure::Timeout,
        Reason::Reply(error) => match Signal::of(error, &bounced.endpoint) {
            Signal::Loading => Failure::Loading,
            Signal::TryAgain => Failure::TryAgain,
            Signal::ClusterDown => Failure::ClusterDown,
            Signal::MasterDown => Failure::MasterDown,
            Signal::ReadOnly => Failure::ReadOnly,
            Signal::Moved(_) | Signal::Ask(_) | Signal::None => {
                return policy.is_code(error.code());
            }
        },
    };
    policy.is_on(failure)
}

impl Core {
    fn send_again<T: Topology>(&mut self, mut bounced: Bounced, ctx: &mut Context<Router<T>>) {
        let now = now();
        let lost = matches!(bounced.reason, Reason::Lost(_));
        let request = &mut bounced.request;
        request.retries.all = request.retries.all.saturating_add(1);
        request.retries.this_round = request.retries.this_round.saturating_add(1);
        if lost {
            request.retries.after_loss += 1;
        }
        let pause = if lost {
            Duration::ZERO
        } else {
            let policy = request.policy(&self.config.retry);
            let retry = request.retries.this_round;
            policy.backoff.delay(retry, Duration::ZERO, &mut self.rng)
        };
        // A pause beyond what the clock can tell ends after every deadline.
        let due = now.checked_add(pause);
        let Some(due) = due.filter(|due| *due < bounced.request.deadline) else {
            // No time for another: what is known now is the answer.
            bounced.request.retries.all -= 1;
            bounced.answer();
            return;
        };
        let endpoint = bounced.endpoint.clone();
        if !self.pay_for_retry(&endpoint, now) {
            let due = (now + self.longest_pause(&bounced.request)).min(bounced.request.deadline);
            self.hold(bounced, due, Until::Budget(endpoint), ctx);
        } else if pause.is_zero() {
            self.shared.place(bounced.remember());
        } else {
            self.hold(bounced, due, Until::Due, ctx);
        }
    }

    /// Begins the retries anew once the topology is.
    fn begin_round<T: Topology>(&mut self, mut bounced: Bounced, ctx: &mut Context<Router<T>>) {
        let retries = &mut bounced.request.retries;
        retries.all = retries.all.saturating_add(1);
        retries.rounds += 1;
        retries.this_round = 0;
        self.wait_for_topology(bounced, ctx);
    }

    /// Places a request again once the topology was read anew, at the latest when that takes too
    /// long.
    pub(super) fn wait_for_topology<T: Topology>(
        &mut self,
        bounced: Bounced,
        ctx: &mut Context<Router<T>>,
    ) {
        let cluster = &self.config.cluster;
        let latest = now() + cluster.refresh_cooldown + cluster.refresh_timeout;
        let latest = latest.min(bounced.request.deadline);
        self.hold(bounced, latest, Until::Topology, ctx);
    }

    /// Whether this node's budget has a retry left; then it is taken. A node that left needs none.
    pub(super) fn pay_for_retry(&mut self, node: &Endpoint, now: Instant) -> bool {
        self.nodes
            .get_mut(node)
            .is_none_or(|node| node.pay_for_retry(now))
    }

    /// Deposits what was sent lately with the nodes it went to. Accounts tell seconds apart, so
    /// this is done each second; only those lanes are looked at that had any traffic.
    pub(super) fn count_traffic(&mut self, now: Instant) {
        for (lane, requests) in self.traffic.count() {
            let node = lane.endpoint().and_then(|there| self.nodes.get_mut(there));
            if let Some(node) = node {
                node.deposit(requests, now);
            }
        }
    }

    pub(super) fn longest_pause(&self, request: &Request) -> Duration {
        let cap = request.policy(&self.config.retry).backoff.cap();
        cap.clamp(Duration::from_millis(1), Duration::from_secs(1))
    }
}
