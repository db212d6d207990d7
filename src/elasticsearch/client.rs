//! The handle: [`ElasticClient`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::elasticsearch::bulk::{Bulk, BulkAnswer, Written as WrittenBulk};
use crate::elasticsearch::cluster::{Shared, Statistics};
use crate::elasticsearch::connection::NodeBackend;
use crate::elasticsearch::error::{Error, ErrorKind, Outcome, Result};
use crate::elasticsearch::keeper::{Order, keep};
use crate::elasticsearch::members::Members;
use crate::elasticsearch::request::Request;
use crate::elasticsearch::response::Response;
use crate::elasticsearch::settings::ElasticSettings;
use crate::elasticsearch::wire::Written;
use crate::link::{Link, Start};
use crate::policy::Force;
use crate::registry::{LinkStatus, NotReady, Registry};

/// A handle to a cluster, each node of it a supervised link: cheap to clone, usable from any thread
/// and any runtime.
///
/// The connections live on the arbiter the client was opened on, and requests are carried out
/// there. When the last handle is dropped the links end, and all connections with them;
/// [`ElasticClient::stop`] does that gracefully.
///
/// Dropping the future of a request gives it up: one that waits is forgotten; of one that is under
/// way the connection is closed.
#[derive(Clone)]
pub struct ElasticClient {
    // Before the rest: with the last handle the links end.
    members: Arc<Members>,
    shared: Arc<Shared>,
    orders: mpsc::UnboundedSender<Order>,
}

impl ElasticClient {
    /// Starts the links of all nodes on the current arbiter, with a registry of their own. It does
    /// not wait for a connection: see [`ElasticClient::ready`].
    ///
    /// # Errors
    /// Settings that cannot work.
    ///
    /// # Panics
    /// Outside of an actix arbiter or a tokio `LocalSet`.
    pub fn open(settings: ElasticSettings) -> Result<Self> {
        settings.validate()?;
        Self::open_with(settings, &Registry::start_new())
    }

    /// The same, with links that belong to this registry.
    ///
    /// # Errors
    /// Settings that cannot work.
    ///
    /// # Panics
    /// Outside of an actix arbiter or a tokio `LocalSet`.
    #[expect(
        clippy::disallowed_methods,
        reason = "the first message to a new actor"
    )]
    pub fn open_with(settings: ElasticSettings, registry: &Addr<Registry>) -> Result<Self> {
        settings.validate()?;
        let shared = Shared::new(settings);
        let members = Members::new(&shared, registry);
        let (orders, taken) = mpsc::unbounded_channel();
        actix_rt::spawn(keep(Arc::clone(&shared), Arc::downgrade(&members), taken));
        for link in members.links() {
            link.supervisor().do_send(Start);
        }
        Ok(Self {
            members,
            shared,
            orders,
        })
    }

    /// Sends a request to the node whose turn it is, and to another where that is safe. Every
    /// answer is `Ok`, whatever its status, but for 401 and 407, and 429, 502, 503 and 504 that no
    /// repetition helped against: see [`Response::into_result`].
    ///
    /// # Errors
    /// See [`ErrorKind`]; [`Error::outcome`] tells what became of it.
    pub async fn send(&self, request: Request) -> Result<Response> {
        self.send_since(request, Instant::now()).await
    }

    /// The same for a request that was made before.
    pub(super) async fn send_since(&self, request: Request, began: Instant) -> Result<Response> {
        let verb = request.verb();
        // Here, so that those on their way to the arbiter are bounded, too.
        let admitted = request
            .check()
            .and_then(|()| self.shared.admit(request.weight()));
        let place = admitted.map_err(|error| error.of(&verb))?;
        let (answer, answered) = oneshot::channel();
        let written = Written::default();
        let order = Order::Carry {
            request,
            place,
            began,
            written: written.clone(),
            answer,
        };
        let sent = self.orders.send(order).is_ok();
        match answered.await {
            Ok(done) => done,
            // The arbiter ended, or a defect of ours did it.
            Err(_) if sent => Err(Error::new(ErrorKind::Stopped, written.outcome()).of(&verb)),
            Err(_) => Err(Error::not_sent(ErrorKind::Stopped).of(&verb)),
        }
    }

    /// Sends many writes in one request. `Ok` says that the server went through them, and what
    /// became of each: see [`BulkAnswer::failed`].
    ///
    /// # Errors
    /// As [`ElasticClient::send`], and for every status that is no success.
    pub async fn bulk(&self, bulk: Bulk) -> Result<BulkAnswer> {
        let len = bulk.len();
        let request = bulk.into_request();
        let verb = request.verb();
        let response = self.send(request).await?;
        let written: WrittenBulk = response.into_result()?.json()?;
        written.into_answer(len).ok_or_else(|| {
            let kind = ErrorKind::Json("not one item for each write".into());
            Error::new(kind, Outcome::Answered).of(&verb)
        })
    }

    /// Waits until at least one node is up.
    ///
    /// # Errors
    /// The time passed, or all nodes are parked: then at once, with the cause.
    pub async fn ready(&self, timeout: Duration) -> std::result::Result<(), NotReady> {
        let (answer, answered) = oneshot::channel();
        let limit = timeout;
        // Without a keeper the answer is dropped, too.
        let _ = self.orders.send(Order::Ready { limit, answer });
        answered.await.unwrap_or(Err(NotReady::Gone))
    }

    /// How the links of all nodes stand: state, endpoint, last error, breaker, counts.
    pub async fn status(&self) -> Vec<LinkStatus> {
        let mut found = Vec::new();
        for link in self.members.links() {
            found.extend(link.status().await);
        }
        found
    }

    /// The registry that tells the events of the links: subscribe there.
    pub fn registry(&self) -> &Addr<Registry> {
        self.members.registry()
    }

    /// How many nodes are up, and how many requests are under way.
    pub fn statistics(&self) -> Statistics {
        self.shared.statistics()
    }

    /// The links, one for each node, as every kind of connection has them.
    pub fn links(&self) -> Vec<Link<NodeBackend>> {
        self.members.links()
    }

    /// Starts all links again after [`ElasticClient::stop`], or revives those that are parked.
    pub async fn start(&self) {
        for link in self.members.stopped(false) {
            link.start().await;
        }
    }

    /// Stops all links for all handles, at once: requests under way finish within the drain
    /// timeout, those that wait fail. Returns once every link has stopped. Nodes that come later,
    /// by sniffing or new settings, wait for [`ElasticClient::start`], too.
    pub async fn stop(&self) {
        let links = self.members.stopped(true);
        let stopping = links.iter().map(Link::stop);
        futures_util::future::join_all(stopping).await;
    }

    /// Replaces all connections by new ones, gracefully, one node after the other; skips
    /// backoffs; revives parked links.
    pub async fn reconnect(&self) {
        for link in self.links() {
            link.reconnect().await;
        }
    }

    /// Replaces the settings, and reconnects: other nodes, another password. The name, what `link`
    /// says, `limits.in_flight` and `budget` stay as they were for nodes that stay.
    ///
    /// # Errors
    /// Settings that cannot work, or the client's arbiter has ended.
    pub async fn reconfigure(&self, settings: ElasticSettings) -> Result<()> {
        settings.validate()?;
        let mut settings = Box::new(settings);
        settings.name = self.shared.settings().name.clone();
        let (answer, answered) = oneshot::channel();
        // Without a keeper the answer is dropped, too.
        let _ = self.orders.send(Order::Renew { settings, answer });
        let stopped = |_| Error::not_sent(ErrorKind::Stopped);
        answered.await.map_err(stopped)
    }

    /// Forces the breakers of all nodes open or closed, or releases them. `false` if there are
    /// none.
    pub async fn force_breakers(&self, force: Force) -> bool {
        let mut any = false;
        for link in self.links() {
            any |= link.force_circuit(force).await;
        }
        any
    }
}

impl fmt::Debug for ElasticClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ElasticClient")
            .field("name", &self.shared.settings().name)
            .field("statistics", &self.statistics())
            .finish_non_exhaustive()
    }
}
