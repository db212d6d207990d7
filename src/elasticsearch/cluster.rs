//! What a client's handles, its links and its requests share: [`Shared`].

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::elasticsearch::error::{Error, ErrorKind, Result};
use crate::elasticsearch::node::Node;
use crate::elasticsearch::rotation::{self, Turn};
use crate::elasticsearch::settings::ElasticSettings;
use crate::policy::RetryAccount;

/// The nodes of this moment.
pub(super) type Nodes = Arc<[Arc<Node>]>;

/// Shared by all who have to do with one cluster, from any thread.
pub(super) struct Shared {
    settings: Mutex<Arc<ElasticSettings>>,
    nodes: Mutex<Nodes>,
    next: AtomicUsize,
    /// A node came, went, or stands otherwise than before.
    pub(super) changed: Arc<watch::Sender<()>>,
    account: Mutex<RetryAccount>,
    accepted: Mutex<Accepted>,
    /// Requests that wait while no node is up.
    stranded: AtomicUsize,
    /// Somebody is stranded: nodes should be tried before their backoff is over.
    pub(super) hurry: Notify,
}

#[derive(Default, Clone, Copy)]
struct Accepted {
    requests: usize,
    bytes: usize,
}

/// How much is under way at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Statistics {
    /// Nodes whose links are up.
    pub up: usize,
    /// Nodes.
    pub nodes: usize,
    /// Requests that wait or are under way.
    pub requests: usize,
    /// The bytes of their bodies, about.
    pub bytes: usize,
    /// Requests among them that wait because no node is up.
    pub stranded: usize,
}

/// A request's place; dropped, it is free for another.
pub(super) struct Place {
    shared: Arc<Shared>,
    bytes: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut accepted = locked(&self.shared.accepted);
        accepted.requests -= 1;
        accepted.bytes -= self.bytes;
    }
}

/// A request that no node can take now.
pub(super) struct Stranded<'a>(&'a Shared);

impl Drop for Stranded<'_> {
    fn drop(&mut self) {
        self.0.stranded.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    pub(super) fn new(settings: ElasticSettings) -> Arc<Self> {
        let now = Instant::now().into_std();
        Arc::new(Self {
            account: Mutex::new(RetryAccount::new(settings.budget, now)),
            settings: Mutex::new(Arc::new(settings)),
            nodes: Mutex::new(Arc::new([])),
            next: AtomicUsize::new(0),
            changed: Arc::new(watch::Sender::new(())),
            accepted: Mutex::default(),
            stranded: AtomicUsize::new(0),
            hurry: Notify::new(),
        })
    }

    pub(super) fn settings(&self) -> Arc<ElasticSettings> {
        Arc::clone(&locked(&self.settings))
    }

    /// From now on these count.
    pub(super) fn replace_settings(&self, settings: ElasticSettings) {
        *locked(&self.settings) = Arc::new(settings);
    }

    pub(super) fn nodes(&self) -> Nodes {
        Arc::clone(&locked(&self.nodes))
    }

    pub(super) fn replace_nodes(&self, nodes: Vec<Arc<Node>>) {
        *locked(&self.nodes) = nodes.into();
        self.changed.send_replace(());
    }

    /// Somebody waits for a node.
    pub(super) fn is_wanted(&self) -> bool {
        self.stranded.load(Ordering::Relaxed) > 0
    }

    pub(super) fn strand(&self) -> Stranded<'_> {
        self.stranded.fetch_add(1, Ordering::Relaxed);
        self.hurry.notify_one();
        Stranded(self)
    }

    pub(super) fn statistics(&self) -> Statistics {
        let nodes = self.nodes();
        let accepted = *locked(&self.accepted);
        Statistics {
            up: nodes.iter().filter(|node| node.is_up()).count(),
            nodes: nodes.len(),
            requests: accepted.requests,
            bytes: accepted.bytes,
            stranded: self.stranded.load(Ordering::Relaxed),
        }
    }

    /// Takes a request in that has a body of so many bytes.
    ///
    /// # Errors
    /// There is no room for it: *not sent*.
    pub(super) fn admit(self: &Arc<Self>, bytes: usize) -> Result<Place> {
        let limits = self.settings().limits;
        let mut accepted = locked(&self.accepted);
        let fits = accepted.bytes.saturating_add(bytes) <= limits.bytes || accepted.requests == 0;
        if accepted.requests >= limits.requests || !fits {
            return Err(Error::not_sent(ErrorKind::QueueFull {
                requests: accepted.requests,
                bytes: accepted.bytes,
            }));
        }
        accepted.requests += 1;
        accepted.bytes += bytes;
        drop(accepted);
        let mut account = locked(&self.account);
        account.deposit(1, Instant::now().into_std());
        Ok(Place {
            shared: Arc::clone(self),
            bytes,
        })
    }

    /// Whether the load that repetitions add allows one more.
    pub(super) fn may_repeat(&self) -> bool {
        locked(&self.account).withdraw(Instant::now().into_std())
    }

    /// Whose turn it is, among `nodes`.
    pub(super) fn turn(&self, nodes: &Nodes, passed_over: &[Arc<Node>]) -> Turn {
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        let is_passed = |node: &Arc<Node>| passed_over.iter().any(|it| Arc::ptr_eq(it, node));
        let standing: Vec<_> = nodes
            .iter()
            .map(|node| node.standing(is_passed(node)))
            .collect();
        rotation::turn(&standing, start, Instant::now().into_std())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
