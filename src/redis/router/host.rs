//! The actor that stands for a seat on the seat's own arbiter, and starts links there: [`Host`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix::{Actor, Addr, Context, Handler, Message, WeakRecipient};

use crate::endpoint::Endpoint;
use crate::redis::connection::Dialer;
use crate::redis::router::node::{LinkMaker, NodeLink, Order};
use crate::redis::seat::Seat;

/// Tells hosts apart, also those whose seats have the same number one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HostId(u64);

/// Starts links on its arbiter, and tells when that has ended. The router holds its one address.
pub(crate) struct Host {
    id: HostId,
    dialer: Dialer,
    reports: Reports,
    /// Gone with its arbiter.
    _alive: Arc<()>,
}

/// The way back to the router.
#[derive(Debug, Clone)]
pub(crate) struct Reports {
    pub(crate) furnished: WeakRecipient<Furnished>,
    pub(crate) ended: WeakRecipient<HostEnded>,
}

/// Start these links.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Furnish {
    pub(crate) seat: Seat,
    pub(crate) maker: LinkMaker,
    pub(crate) orders: Vec<Order>,
}

/// These links were started. Dropped on its way, it ends them.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Furnished {
    pub(crate) host: HostId,
    pub(crate) links: Vec<(Endpoint, NodeLink)>,
}

/// The arbiter of a seat has ended, and its links with it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct HostEnded(pub(crate) HostId);

impl HostId {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Host {
    /// Starts it on the current arbiter.
    pub(crate) fn start_here(
        id: HostId,
        dialer: Dialer,
        reports: Reports,
        alive: Arc<()>,
    ) -> Addr<Self> {
        Self {
            id,
            dialer,
            reports,
            _alive: alive,
        }
        .start()
    }
}

impl Actor for Host {
    type Context = Context<Self>;
}

impl Handler<Furnish> for Host {
    type Result = ();

    #[expect(clippy::disallowed_methods, reason = "once for a node and a seat")]
    fn handle(&mut self, furnish: Furnish, _: &mut Context<Self>) {
        let Furnish {
            seat,
            maker,
            orders,
        } = furnish;
        let Some(router) = self.reports.furnished.upgrade() else {
            return;
        };
        let start = |order: Order| {
            let endpoint = order.endpoint.clone();
            (endpoint, maker.start(order, seat, &self.dialer))
        };
        let host = self.id;
        let links = orders.into_iter().map(start).collect();
        router.do_send(Furnished { host, links });
    }
}

/// Here and not in `stopped()`, which is not called at the end of an arbiter.
impl Drop for Host {
    #[expect(clippy::disallowed_methods, reason = "the last message of an actor")]
    fn drop(&mut self) {
        if let Some(router) = self.reports.ended.upgrade() {
            router.do_send(HostEnded(self.id));
        }
    }
}
