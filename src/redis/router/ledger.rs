//! Who holds bytes for callers: [`Ledger`], and how it is read: [`ReadMemory`].

use std::sync::{Arc, Mutex, PoisonError, Weak};

use actix::{Addr, Context, Handler, Message, ResponseFuture};

use crate::endpoint::LinkName;
use crate::redis::lane::Lane;
use crate::redis::memory::{Bounded, LinkMemory, Memory};
use crate::redis::router::router::{Router, Topology};
use crate::redis::router::routes::Shared;
use crate::registry::{QueuedBytes, Registry};

/// All that holds bytes for callers and servers, links on their way out included.
#[derive(Debug)]
pub(crate) struct Ledger {
    lanes: Mutex<Vec<(LinkName, Weak<Lane>)>>,
    /// Requests that are put off.
    pub(crate) put_off: Arc<Bounded>,
    /// Requests on their way from connections to the router.
    pub(crate) handed_back: Arc<Bounded>,
}

impl Ledger {
    /// With a bound for each of the router's own queues.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            lanes: Mutex::default(),
            put_off: Arc::new(Bounded::new(limit)),
            handed_back: Arc::new(Bounded::new(limit)),
        }
    }

    /// A link is there; forgotten when its lane is dropped.
    pub(crate) fn enter(&self, link: LinkName, lane: &Arc<Lane>) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.retain(|(_, lane)| lane.strong_count() > 0);
        lanes.push((link, Arc::downgrade(lane)));
    }

    /// How often somebody looked at one of the lanes.
    #[cfg(test)]
    pub(crate) fn looks(&self) -> u64 {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let there = lanes.iter().filter_map(|(_, lane)| lane.upgrade());
        there.map(|lane| lane.looks()).sum()
    }

    fn links(&self) -> Vec<LinkMemory> {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let there = lanes
            .iter()
            .filter_map(|(name, lane)| Some((name.clone(), lane.upgrade()?)));
        there
            .map(|(name, lane)| {
                let endpoint = lane.endpoint().cloned();
                lane.gauges().read(name, endpoint, lane.weight())
            })
            .collect()
    }
}

/// What is held now. The registry is asked for its part; one that has ended holds nothing.
pub(crate) async fn read_memory(shared: Arc<Shared>, registry: Addr<Registry>) -> Memory {
    let events = registry.send(QueuedBytes).await.unwrap_or_default();
    let ledger = shared.ledger();
    let rest = Memory {
        unplaced: shared.limbo().weight(),
        put_off: ledger.put_off.held(),
        handed_back: ledger.handed_back.held(),
        events,
        ..Memory::default()
    };
    Memory::of(ledger.links(), rest)
}

/// Asks what the client holds on behalf of callers and servers, in bytes.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Memory")]
pub struct ReadMemory;

impl<T: Topology> Handler<ReadMemory> for Router<T> {
    type Result = ResponseFuture<Memory>;

    fn handle(&mut self, _: ReadMemory, ctx: &mut Context<Self>) -> Self::Result {
        self.breathe(ctx);
        let shared = Arc::clone(&self.core.shared);
        Box::pin(read_memory(shared, self.core.registry.clone()))
    }
}
