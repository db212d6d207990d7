//! Who has connections of its own, and which: [`Seats`]. An arbiter takes a seat for the clients
//! that live there; each node has a link for it then, beside the shared one.
//!
//! Routes of a seat lead to its own lane of a node once the link was up, and to the shared lane once
//! an attempt to come up failed. So a seat fails no call that the shared connections would serve,
//! and what waits long waits in one place for each node. Not at once when the connection is lost: if
//! the node is gone, the shared connection is about to notice it, and what is written to it now is
//! lost as well.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::thread::ThreadId;

use actix::{
    ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, WeakRecipient, WrapFuture,
};
use futures_util::future::join_all;

use crate::endpoint::Endpoint;
use crate::link::Stop;
use crate::redis::connection::Dialer;
use crate::redis::handoff::{News, NodeNews};
use crate::redis::router::host::{Furnish, Furnished, Host, HostEnded, HostId, Reports};
use crate::redis::router::node::{NodeLink, Order};
use crate::redis::router::router::{Core, Router, Topology};
use crate::redis::seat::Seat;

/// Who has which seat, for whoever takes one: it needs nobody else's thread for that. actix-web
/// stands still on the thread that starts it until its workers have begun.
#[derive(Debug)]
pub(crate) struct SeatBook {
    /// The router's thread, which needs no seat.
    home: ThreadId,
    taken: Mutex<Vec<Option<Entry>>>,
}

/// A seat that somebody has. Its place is free again once the last handle has left it and its links
/// have ended: no two links have one name at a time.
#[derive(Debug)]
struct Entry {
    thread: ThreadId,
    tenure: Weak<Tenure>,
    host: Weak<()>,
}

/// A seat, as long as the tenure is held.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) seat: Seat,
    _tenure: Option<Arc<Tenure>>,
}

/// Held by all handles of one seat.
#[derive(Debug)]
struct Tenure {
    id: HostId,
    router: WeakRecipient<LeaveSeat>,
}

impl Drop for Tenure {
    #[expect(clippy::disallowed_methods, reason = "once for a seat")]
    fn drop(&mut self) {
        if let Some(router) = self.router.upgrade() {
            router.do_send(LeaveSeat(self.id));
        }
    }
}

impl Taken {
    pub(crate) fn shared() -> Self {
        Self {
            seat: Seat::SHARED,
            _tenure: None,
        }
    }
}

impl SeatBook {
    /// Of a router on this thread.
    pub(crate) fn new() -> Self {
        Self {
            home: thread::current().id(),
            taken: Mutex::default(),
        }
    }

    /// A seat for a thread, which is this one: the seat that it has already, or a new one.
    #[expect(clippy::disallowed_methods, reason = "once for a seat")]
    pub(crate) fn take<T: Topology>(
        &self,
        thread: ThreadId,
        router: &Addr<Router<T>>,
        dialer: impl FnOnce() -> Dialer,
    ) -> Taken {
        if thread == self.home {
            return Taken::shared();
        }
        let mut taken = self.lock();
        let there = taken.iter().enumerate().find_map(|(place, entry)| {
            let entry = entry.as_ref().filter(|entry| entry.thread == thread)?;
            entry.host.upgrade()?;
            Some((Seat::at(place)?, entry.tenure.upgrade()?))
        });
        if let Some((seat, tenure)) = there {
            let _tenure = Some(tenure);
            return Taken { seat, _tenure };
        }
        let free = taken.iter().position(Option::is_none);
        let place = free.unwrap_or(taken.len());
        let Some(seat) = Seat::at(place) else {
            // More than can be counted.
            return Taken::shared();
        };
        let (id, alive) = (HostId::new(), Arc::new(()));
        let weak = router.downgrade();
        let reports = Reports {
            furnished: weak.clone().recipient(),
            ended: weak.clone().recipient(),
        };
        let there = Arc::downgrade(&alive);
        let host = Host::start_here(id, dialer(), reports, alive);
        let tenure = Arc::new(Tenure {
            id,
            router: weak.recipient(),
        });
        if free.is_none() {
            taken.push(None);
        }
        taken[place] = Some(Entry {
            thread,
            tenure: Arc::downgrade(&tenure),
            host: there,
        });
        drop(taken);
        router.do_send(TakeSeat { seat, id, host });
        let _tenure = Some(tenure);
        Taken { seat, _tenure }
    }

    fn free(&self, seat: Seat) {
        if let Some(place) = seat.place()
            && let Some(entry) = self.lock().get_mut(place)
        {
            *entry = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<Entry>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// This host serves a seat from now on.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct TakeSeat {
    seat: Seat,
    id: HostId,
    host: Addr<Host>,
}

/// The last handle of a seat is gone.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct LeaveSeat(HostId);

/// The seats of a client, as its router knows them.
#[derive(Debug, Default)]
pub(crate) struct Seats(BTreeMap<Seat, Occupied>);

#[derive(Debug)]
struct Occupied {
    id: HostId,
    /// None once its arbiter has ended, or its last handle is gone.
    host: Option<Addr<Host>>,
}

impl Seats {
    /// Every seat up to the last one that somebody has.
    pub(crate) fn all(&self) -> impl Iterator<Item = Seat> + use<> {
        let last = self.0.last_key_value().and_then(|(seat, _)| seat.place());
        (0..last.map_or(0, |last| last + 1)).filter_map(Seat::at)
    }

    /// Those that have, or will have, links.
    fn furnished(&self) -> impl Iterator<Item = (Seat, &Addr<Host>)> {
        let seats = self.0.iter();
        seats.filter_map(|(seat, occupied)| Some((*seat, occupied.host.as_ref()?)))
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    fn of_host(&self, id: HostId) -> Option<Seat> {
        let mut seats = self.0.iter();
        Some(*seats.find(|(_, occupied)| occupied.id == id)?.0)
    }

    fn host(&self, seat: Seat) -> Option<&Addr<Host>> {
        self.0.get(&seat)?.host.as_ref()
    }
}

impl Core {
    /// A link for each seat to a node that is new.
    pub(super) fn furnish_node(&mut self, endpoint: &Endpoint) {
        let seats: Vec<_> = self.seats.furnished().map(|(seat, _)| seat).collect();
        for seat in seats {
            self.furnish(seat, vec![endpoint.clone()]);
        }
    }

    /// Lets a seat's host start links to these nodes.
    #[expect(clippy::disallowed_methods, reason = "once for a node and a seat")]
    fn furnish(&mut self, seat: Seat, endpoints: Vec<Endpoint>) {
        let Some(maker) = self.maker.clone() else {
            return;
        };
        let orders = endpoints.into_iter().filter_map(|endpoint| {
            let seed = self.next_seed();
            Some(Order {
                name: self.link_name(&endpoint, seat),
                circuit: self.nodes.get(&endpoint)?.main.lane.circuit().cloned(),
                endpoint,
                seed,
            })
        });
        let orders = orders.collect();
        if let Some(host) = self.seats.host(seat) {
            host.do_send(Furnish {
                seat,
                maker,
                orders,
            });
        }
    }

    /// Takes a seat's links from all nodes. The routes must not lead there any more.
    fn unfurnish(&mut self, seat: Seat) -> Vec<NodeLink> {
        let nodes = self.nodes.values_mut();
        nodes.filter_map(|node| node.seats.remove(&seat)).collect()
    }

    /// Whether every link to this node is up.
    pub(crate) fn is_up_for_all(&self, endpoint: &Endpoint) -> bool {
        self.nodes.get(endpoint).is_some_and(|node| {
            let is_up = |link: &NodeLink| link.lane.is_up();
            let mut seats = self.seats.furnished();
            is_up(&node.main) && seats.all(|(seat, _)| node.seats.get(&seat).is_some_and(is_up))
        })
    }

    /// What waits in links on their way out goes where it belongs now. Resolves once what is in
    /// flight is finished.
    pub(super) fn retire(&self, links: Vec<NodeLink>) -> impl Future<Output = ()> + use<> {
        let ends = links.into_iter().map(|link| {
            for request in link.lane.close() {
                self.shared.place(request);
            }
            async move {
                // An error means that it is gone already.
                let _ = link.link.send(Stop).await;
            }
        });
        let ends = join_all(ends.collect::<Vec<_>>());
        async move { drop(ends.await) }
    }
}

impl<T: Topology> Router<T> {
    /// A seat's link came up or does not: its routes follow, and what waited for it or may go over
    /// it now.
    pub(super) fn seat_news(&mut self, news: &NodeNews) {
        match news.news {
            News::Up | News::Down => self.lead_seat(&news.endpoint, news.seat),
            News::Lost | News::Quiet => {}
        }
    }

    fn lead_seat(&mut self, endpoint: &Endpoint, seat: Seat) {
        self.with(|topology, core| {
            let Some(link) = core
                .nodes
                .get_mut(endpoint)
                .and_then(|node| node.seats.get_mut(&seat))
            else {
                return;
            };
            // As it stands now: the news may be old, or of a link that had the number before.
            let up = link.lane.is_up();
            if up != link.open {
                link.open = up;
                topology.publish_seat(core, seat);
            }
            let Some(node) = core.nodes.get(endpoint) else {
                return;
            };
            if !up {
                if let Some(link) = node.seats.get(&seat) {
                    for homeless in node.move_to_main(link.lane.empty()) {
                        core.shared.place(homeless);
                    }
                }
            } else if !node.main.lane.is_well() {
                core.shared.place_waiting(&node.main.lane);
            }
        });
    }
}

impl<T: Topology> Handler<TakeSeat> for Router<T> {
    type Result = ();

    fn handle(&mut self, take: TakeSeat, _: &mut Context<Self>) {
        let core = &mut self.core;
        if core.is_ending() {
            return;
        }
        let TakeSeat { seat, id, host } = take;
        let host = Some(host);
        core.seats.0.insert(seat, Occupied { id, host });
        let endpoints = core.nodes.keys().cloned().collect();
        core.furnish(seat, endpoints);
    }
}

impl<T: Topology> Handler<Furnished> for Router<T> {
    type Result = ();

    fn handle(&mut self, furnished: Furnished, ctx: &mut Context<Self>) {
        self.breathe(ctx);
        let Some(seat) = self.core.seats.of_host(furnished.host) else {
            return;
        };
        if self.core.seats.host(seat).is_none() {
            return;
        }
        for (endpoint, link) in furnished.links {
            if let Some(node) = self.core.nodes.get_mut(&endpoint) {
                // One that left and came back meanwhile has one already: this one ends.
                node.seats.entry(seat).or_insert(link);
                self.lead_seat(&endpoint, seat);
            }
        }
        self.settle_ready();
    }
}

impl<T: Topology> Handler<HostEnded> for Router<T> {
    type Result = ();

    fn handle(&mut self, HostEnded(id): HostEnded, ctx: &mut Context<Self>) {
        if let Some(seat) = self.core.seats.of_host(id) {
            let ended = self.vacate(seat);
            ctx.spawn(actix::fut::wrap_future(ended));
        }
    }
}

impl<T: Topology> Handler<LeaveSeat> for Router<T> {
    type Result = ();

    fn handle(&mut self, LeaveSeat(id): LeaveSeat, ctx: &mut Context<Self>) {
        if let Some(seat) = self.core.seats.of_host(id) {
            let ended = self.vacate(seat).into_actor(self);
            ctx.spawn(ended.map(move |(), router, _| {
                router.core.seats.0.remove(&seat);
                router.core.shared.seats().free(seat);
            }));
        }
    }
}

impl<T: Topology> Router<T> {
    /// Ends the links of a seat; its handles, if there are any, go on over the shared ones.
    fn vacate(&mut self, seat: Seat) -> impl Future<Output = ()> + use<T> {
        if let Some(occupied) = self.core.seats.0.get_mut(&seat) {
            occupied.host = None;
        }
        let links = self.core.unfurnish(seat);
        self.with(|topology, core| topology.publish_seat(core, seat));
        let ended = self.core.retire(links);
        self.settle_ready();
        ended
    }
}
