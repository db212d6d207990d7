//! What an operator asks of a router, whatever it routes to: [`HealthCheck`], [`Reconnect`],
//! [`ForceBreaker`], [`AwaitReady`].

use std::time::Duration;

use actix::{Context, Handler, Message, ResponseFuture};
use futures_util::future::join_all;
use serde::Serialize;

use crate::endpoint::{Endpoint, LinkName};
use crate::link::{ForceCircuit, ReconnectNow};
use crate::policy::Force;
use crate::redis::command::cmd;
use crate::redis::error::{Error, ErrorKind, Outcome, Result};
use crate::redis::router::node::Node;
use crate::redis::router::questions::ask;
use crate::redis::router::router::{Router, Topology};
use crate::registry::Ready;

/// Asks every node for a sign of life, over each connection to it.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "HealthReport")]
pub struct HealthCheck;

/// How the nodes answered a [`HealthCheck`].
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct HealthReport {
    /// Every node answered, on all links to it, and there is at least one.
    pub healthy: bool,
    /// One entry for each link, by endpoint; more than one for a node if arbiters have connections
    /// of their own ([`Client::here`](crate::redis::Client::here)).
    pub nodes: Vec<NodeHealth>,
}

/// How one node answered.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct NodeHealth {
    /// The node.
    pub endpoint: Endpoint,
    /// Its link.
    pub link: LinkName,
    /// What it said.
    pub status: HealthStatus,
}

/// The answer of one node.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "status")]
#[non_exhaustive]
pub enum HealthStatus {
    /// It answered.
    Ok {
        /// From the call to the answer, with the time in the queue.
        #[serde(with = "humantime_serde")]
        round_trip: Duration,
    },
    /// It answered with an error, such as `LOADING`: alive, and not serving.
    Error {
        /// Its text.
        text: String,
    },
    /// No answer: not connected, or not in time.
    PingFailed {
        /// Why.
        text: String,
    },
}

impl<T: Topology> Handler<HealthCheck> for Router<T> {
    type Result = ResponseFuture<HealthReport>;

    fn handle(&mut self, _: HealthCheck, ctx: &mut Context<Self>) -> Self::Result {
        self.breathe(ctx);
        let timeout = self.core.config.health.timeout;
        let checks: Vec<_> = self
            .core
            .nodes
            .iter()
            .flat_map(|(endpoint, node)| node.links().map(move |link| (endpoint, link)))
            .map(|(endpoint, link)| {
                let lane = std::sync::Arc::clone(&link.lane);
                let (endpoint, link) = (endpoint.clone(), link.name.clone());
                async move {
                    let began = tokio::time::Instant::now();
                    let status = if lane.is_up() {
                        match ask(lane, cmd("PING"), timeout).await {
                            Ok(_) => HealthStatus::Ok {
                                round_trip: began.elapsed(),
                            },
                            Err(error) => failed(&error),
                        }
                    } else {
                        HealthStatus::PingFailed {
                            text: "not connected".to_owned(),
                        }
                    };
                    NodeHealth {
                        endpoint,
                        link,
                        status,
                    }
                }
            })
            .collect();
        Box::pin(async move {
            let mut nodes = join_all(checks).await;
            nodes.sort_by(|one, other| {
                let order = one.endpoint.cmp(&other.endpoint);
                order.then_with(|| one.link.cmp(&other.link))
            });
            let healthy = !nodes.is_empty()
                && nodes
                    .iter()
                    .all(|node| matches!(node.status, HealthStatus::Ok { .. }));
            HealthReport { healthy, nodes }
        })
    }
}

fn failed(error: &Error) -> HealthStatus {
    let text = error.kind().to_string();
    match error.kind() {
        ErrorKind::Server(_) => HealthStatus::Error { text },
        _ => HealthStatus::PingFailed { text },
    }
}

/// Replaces every connection by a new one, one node after the other, each finishing what is in
/// flight first; looks at the topology anew; revives parked links. Answers with the links that
/// did not come up within their connect timeout.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<LinkName>")]
pub struct Reconnect;

impl<T: Topology> Handler<Reconnect> for Router<T> {
    type Result = ResponseFuture<Vec<LinkName>>;

    fn handle(&mut self, _: Reconnect, ctx: &mut Context<Self>) -> Self::Result {
        self.breathe(ctx);
        self.with(|topology, core| topology.look(core, ctx));
        let links: Vec<_> = self
            .core
            .nodes
            .values()
            .flat_map(Node::links)
            .map(|link| (link.name.clone(), link.link.clone()))
            .collect();
        let registry = self.core.registry.clone();
        let timeouts = self.core.config.timeouts;
        let timeout =
            (timeouts.drain.saturating_add(timeouts.kill)).saturating_add(timeouts.connect);
        Box::pin(async move {
            let mut failed = Vec::new();
            for (name, link) in links {
                // The supervisor's report of the end reaches the registry before our question.
                let told = link.send(ReconnectNow).await;
                let ready = Ready {
                    links: vec![name.clone()],
                    timeout,
                };
                let up = matches!(registry.send(ready).await, Ok(Ok(())));
                if told.is_err() || !up {
                    failed.push(name);
                }
            }
            failed
        })
    }
}

/// Forces the circuit breakers of links open or closed, or releases them. Answers with the links
/// it concerned: those that have a breaker, of each node the shared one. Nodes that are found later
/// begin with one that is closed and not forced.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Vec<LinkName>")]
pub struct ForceBreaker {
    /// The node; none means all that are known now.
    pub endpoint: Option<Endpoint>,
    /// What the breakers have to be.
    pub force: Force,
}

impl<T: Topology> Handler<ForceBreaker> for Router<T> {
    type Result = ResponseFuture<Vec<LinkName>>;

    fn handle(&mut self, message: ForceBreaker, ctx: &mut Context<Self>) -> Self::Result {
        self.breathe(ctx);
        let ForceBreaker { endpoint, force } = message;
        let nodes = self.core.nodes.iter();
        let forced =
            nodes
                .filter(|(node, _)| endpoint.as_ref().is_none_or(|endpoint| endpoint == *node))
                .map(|(_, node)| {
                    let link = &node.main;
                    let (name, link) = (link.name.clone(), link.link.clone());
                    async move {
                        matches!(link.send(ForceCircuit(force)).await, Ok(true)).then_some(name)
                    }
                });
        let forced = join_all(forced.collect::<Vec<_>>());
        Box::pin(async move {
            let mut links: Vec<_> = forced.await.into_iter().flatten().collect();
            links.sort();
            links
        })
    }
}

/// Waits until every node that owns slots (or the one server) is up.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<()>")]
pub struct AwaitReady {
    /// How long to wait.
    pub timeout: Duration,
}

impl<T: Topology> Handler<AwaitReady> for Router<T> {
    type Result = ResponseFuture<Result<()>>;

    fn handle(&mut self, message: AwaitReady, ctx: &mut Context<Self>) -> Self::Result {
        self.breathe(ctx);
        let ready = self.core.await_ready();
        self.settle_ready();
        let shared = std::sync::Arc::clone(&self.core.shared);
        Box::pin(async move {
            match tokio::time::timeout(message.timeout, ready).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(Error::stopped()),
                Err(_) => {
                    let kind = ErrorKind::Deadline(message.timeout);
                    let error = Error::new(kind, Outcome::NotSent);
                    Err(match shared.down() {
                        Some((Some(endpoint), cause)) => error.at(&endpoint).because(Some(cause)),
                        Some((None, cause)) => error.because(Some(cause)),
                        None => error,
                    })
                }
            }
        })
    }
}
