//! How the topology is read: from nodes that are up, all asked at once, the first good answer
//! counts; else from the seeds, by name, each over a connection of its own.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::endpoint::Endpoint;
use crate::exit::{Cause, CauseKind, Class};
use crate::redis::cluster::{ClusterView, ViewNode};
use crate::redis::command::cmd;
use crate::redis::config::Config;
use crate::redis::connection::{Dialer, connect};
use crate::redis::error::{Error, ErrorKind};
use crate::redis::lane::Lane;
use crate::redis::resp::Reply;
use crate::redis::router::questions::ask;
use crate::redis::value::Value;

/// A seed that has not answered after this long is not waited for before the next is asked.
const NEXT_SEED_AFTER: Duration = Duration::from_millis(250);

/// A topology, and where it came from.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) view: ClusterView,
    /// No known node answered: a seed did. The cluster may be another one than before.
    pub(crate) from_seed: bool,
}

/// Who may be asked, and what is too old to believe.
pub(crate) struct Question {
    pub(crate) config: Arc<Config>,
    pub(crate) dialer: Dialer,
    pub(crate) nodes: Vec<Arc<Lane>>,
    pub(crate) seeds: Vec<Endpoint>,
    /// Epochs of what is known; older answers of nodes are passed over.
    pub(crate) epoch: Option<u64>,
}

impl Question {
    /// Asks the nodes, then the seeds.
    ///
    /// # Errors
    ///
    /// A permanent cause if all who were asked have one; else a passing one, which names the
    /// permanent one if there is any: a single seed that is no cluster, or has another password, must
    /// not keep the others from being asked again.
    pub(crate) async fn ask(self) -> Result<Reading, Cause> {
        let mut failures = Failures::default();
        let mut views: FuturesUnordered<_> =
            self.nodes.iter().map(|lane| self.ask_node(lane)).collect();
        while let Some(view) = views.next().await {
            match view {
                Ok(view) => {
                    if view.epoch().is_some() && view.epoch() < self.epoch {
                        failures.add(Cause::new(
                            CauseKind::Unavailable,
                            "the answer was older than what is known",
                        ));
                        continue;
                    }
                    return Ok(Reading {
                        view,
                        from_seed: false,
                    });
                }
                Err(cause) => failures.add(cause),
            }
        }
        drop(views);
        // Nodes that all tell less than is known may be a cluster that was rebuilt: its epochs
        // begin low again. The seeds decide.
        let mut views: FuturesUnordered<_> = self
            .seeds
            .iter()
            .enumerate()
            .map(|(place, seed)| self.ask_seed(place, seed))
            .collect();
        while let Some(view) = views.next().await {
            match view {
                Ok(view) => {
                    return Ok(Reading {
                        view,
                        from_seed: true,
                    });
                }
                Err(cause) => failures.add(cause),
            }
        }
        Err(failures.cause())
    }

    async fn ask_node(&self, lane: &Arc<Lane>) -> Result<ClusterView, Cause> {
        let Some(endpoint) = lane.endpoint() else {
            return Err(CauseKind::Unavailable.into());
        };
        let timeout = self.config.cluster.refresh_timeout;
        let (slots, nodes) = futures_util::future::join(
            ask(Arc::clone(lane), cmd("CLUSTER").arg("SLOTS"), timeout),
            ask(Arc::clone(lane), cmd("CLUSTER").arg("NODES"), timeout),
        )
        .await;
        let slots = slots.map_err(|error| cause_of(&error))?;
        self.view(&slots, nodes.ok().as_ref(), endpoint)
    }

    async fn ask_seed(&self, place: usize, seed: &Endpoint) -> Result<ClusterView, Cause> {
        let patience = u32::try_from(place).unwrap_or(u32::MAX);
        tokio::time::sleep(NEXT_SEED_AFTER.saturating_mul(patience)).await;
        let timeout = self.config.cluster.refresh_timeout;
        let connecting = connect(&self.dialer, seed, &self.config);
        let mut exchange = tokio::time::timeout(self.config.timeouts.connect, connecting)
            .await
            .map_err(|_| CauseKind::ConnectTimeout)??;
        let question = vec![cmd("CLUSTER").arg("SLOTS"), cmd("CLUSTER").arg("NODES")];
        let replies = tokio::time::timeout(timeout, exchange.ask(question))
            .await
            .map_err(|_| CauseKind::Stalled)??;
        let mut replies = replies.into_iter();
        let slots = match replies.next() {
            Some(Reply::Value(slots)) => slots,
            Some(Reply::Error(error)) => return Err(refused(error.code())),
            Some(Reply::Push(_)) | None => return Err(CauseKind::Protocol.into()),
        };
        let nodes = match replies.next() {
            Some(Reply::Value(nodes)) => Some(nodes),
            Some(Reply::Error(_) | Reply::Push(_)) | None => None,
        };
        self.view(&slots, nodes.as_ref(), seed)
    }

    fn view(
        &self,
        slots: &Value,
        nodes: Option<&Value>,
        asked: &Endpoint,
    ) -> Result<ClusterView, Cause> {
        let map = |endpoint| self.config.endpoint_map.apply(endpoint);
        let view = ClusterView::from_replies(slots, nodes, asked, &map)
            .map_err(|error| Cause::new(CauseKind::Protocol, error.to_string()))?;
        if view.nodes().is_empty() {
            return Err(Cause::new(
                CauseKind::Unavailable,
                "the node knows no other",
            ));
        }
        let elsewhere = |node: &&ViewNode| !self.config.allows(&node.endpoint);
        if let Some(node) = view.nodes().iter().find(elsewhere) {
            let detail = format!(
                "{asked} announces {}, which allowed_endpoints does not allow",
                node.endpoint
            );
            return Err(Cause::new(CauseKind::Misconfigured, detail));
        }
        Ok(view)
    }
}

fn cause_of(error: &Error) -> Cause {
    match error.kind() {
        ErrorKind::Server(error) => refused(error.code()),
        ErrorKind::Lost(cause) | ErrorKind::Parked(cause) => cause.clone(),
        ErrorKind::Deadline(_) => CauseKind::Stalled.into(),
        _ => Cause::new(CauseKind::Unavailable, error.kind().to_string()),
    }
}

fn refused(code: &str) -> Cause {
    match code {
        "NOPERM" | "NOAUTH" => Cause::new(CauseKind::Denied, "the user may not call CLUSTER SLOTS"),
        "ERR" => Cause::new(
            CauseKind::Misconfigured,
            "the server is not part of a cluster; use redis:// or Config::standalone",
        ),
        code => Cause::new(CauseKind::Unavailable, code),
    }
}

/// Why nobody answered: the last passing cause, and the first permanent one.
#[derive(Debug, Default)]
struct Failures {
    passing: Option<Cause>,
    permanent: Option<Cause>,
}

impl Failures {
    fn add(&mut self, cause: Cause) {
        if cause.class() == Class::Permanent {
            self.permanent.get_or_insert(cause);
        } else {
            self.passing = Some(cause);
        }
    }

    fn cause(self) -> Cause {
        match (self.passing, self.permanent) {
            (Some(passing), Some(permanent)) => {
                // Said first, it is not what is cut off.
                let detail = format!("one said {permanent}; another: {passing}");
                Cause::new(passing.kind(), detail)
            }
            (Some(cause), None) | (None, Some(cause)) => cause,
            (None, None) => Cause::new(CauseKind::Unavailable, "there was nobody to ask"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(kinds: &[CauseKind]) -> Cause {
        let mut failures = Failures::default();
        for kind in kinds {
            failures.add((*kind).into());
        }
        failures.cause()
    }

    #[test]
    fn only_what_all_say_is_permanent() {
        use CauseKind::{Denied, Misconfigured, Refused, Reset};
        assert_eq!(cause(&[Refused, Reset]).kind(), Reset);
        assert_eq!(cause(&[Denied, Misconfigured]).kind(), Denied);
        for mixed in [[Denied, Refused], [Refused, Denied]] {
            let cause = cause(&mixed);
            assert_eq!(cause.kind(), Refused);
            assert!(cause.to_string().contains("denied"), "{cause}");
        }
        assert_eq!(cause(&[]).class(), Class::Transient);
    }
}
