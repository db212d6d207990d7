//! Who has connections of its own, and which: [`Seats`]. An arbiter takes a seat for the clients
//! that live there; each node has a link for it then, beside the shared one.
//!
//! Routes of a seat lead to its own lane of a node once the link was up, and to the shared lane once
//! an attempt to come up failed. So a seat fails no call that the shared connections would serve,
//! and what waits long waits in one place for each node. Not at once when the connection is lost: if
//! the node is gone, the shared connection is about to notice it, and what is written to it now is
//! lost as well.

use std::sync::{Arc, Weak};
use std::thread::ThreadId;

use actix::{Addr, AsyncContext, Context, Handler, Message, WeakRecipient};

use crate::endpoint::Endpoint;
use crate::link::Stop;
use crate::redis::error::{Error, Result};
use crate::redis::handoff::{News, NodeNews};
use crate::redis::router::host::{Furnish, Furnished, Host, HostEnded, HostId};
use crate::redis::router::node::{NodeLink, Order};
use crate::redis::router::router::{Core, Router, Topology};
use crate::redis::seat::Seat;

/// The seats of a client. A place is free again once the last handle has left it.
#[derive(Debug, Default)]
pub(crate) struct Seats(Vec<Option<Occupied>>);

/// A seat that somebody has.
#[derive(Debug)]
struct Occupied {
    id: HostId,
    thread: ThreadId,
    /// None once its arbiter has ended.
    host: Option<Addr<Host>>,
    tenure: Weak<Tenure>,
}

/// Held by all handles of one seat.
#[derive(Debug)]
pub(crate) struct Tenure {
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

/// A seat for this host's thread: the one that it has already, or a new one. On the router's own
/// thread that is the shared one.
#[derive(Debug, Message)]
#[rtype(result = "Result<Taken>")]
pub(crate) struct TakeSeat {
    pub(crate) id: HostId,
    pub(crate) host: Addr<Host>,
    pub(crate) thread: ThreadId,
}

/// A seat, as long as the tenure is held.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) seat: Seat,
    pub(crate) tenure: Option<Arc<Tenure>>,
}

/// The last handle of a seat is gone.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct LeaveSeat(HostId);

impl Seats {
    /// Every place, whether somebody has it or not.
    pub(crate) fn all(&self) -> impl Iterator<Item = Seat> + use<> {
        (0..self.0.len()).filter_map(Seat::at)
    }

    /// Those that have, or will have, links.
    pub(crate) fn furnished(&self) -> impl Iterator<Item = (Seat, &Addr<Host>)> {
        let places = self.0.iter().enumerate();
        places.filter_map(|(place, occupied)| {
            let host = occupied.as_ref()?.host.as_ref()?;
            Some((Seat::at(place)?, host))
        })
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The seat of a thread whose handles are still held.
    fn of_thread(&self, thread: ThreadId) -> Option<Taken> {
        self.0.iter().enumerate().find_map(|(place, occupied)| {
            let occupied = occupied.as_ref()?;
            let there = occupied.thread == thread && occupied.host.is_some();
            let tenure = occupied.tenure.upgrade().filter(|_| there)?;
            Some(Taken {
                seat: Seat::at(place)?,
                tenure: Some(tenure),
            })
        })
    }

    /// The lowest place that is free; none if there are too many.
    fn occupy(&mut self, occupied: Occupied) -> Option<Seat> {
        let free = self.0.iter().position(Option::is_none);
        let place = free.unwrap_or(self.0.len());
        let seat = Seat::at(place)?;
        if free.is_none() {
            self.0.push(None);
        }
        self.0[place] = Some(occupied);
        Some(seat)
    }

    fn of_host(&mut self, id: HostId) -> Option<(Seat, &mut Option<Occupied>)> {
        let is_its = |occupied: &Option<Occupied>| occupied.as_ref().is_some_and(|it| it.id == id);
        let place = self.0.iter().position(is_its)?;
        Some((Seat::at(place)?, self.0.get_mut(place)?))
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
        let mut furnished = self.seats.furnished();
        if let Some((_, host)) = furnished.find(|(other, _)| *other == seat) {
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

    /// What waits in links on their way out goes where it belongs now; what is in flight is
    /// finished.
    pub(super) fn retire<T: Topology>(&self, links: Vec<NodeLink>, ctx: &mut Context<Router<T>>) {
        for link in links {
            for request in link.lane.close() {
                self.shared.place(request);
            }
            ctx.spawn(actix::fut::wrap_future(async move {
                // An error means that it is gone already.
                let _ = link.link.send(Stop).await;
            }));
        }
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
    type Result = Result<Taken>;

    fn handle(&mut self, take: TakeSeat, ctx: &mut Context<Self>) -> Result<Taken> {
        self.breathe(ctx);
        let core = &mut self.core;
        if core.is_ending() {
            return Err(Error::stopped());
        }
        let shared = Taken {
            seat: Seat::SHARED,
            tenure: None,
        };
        if core.home == take.thread {
            return Ok(shared);
        }
        if let Some(taken) = core.seats.of_thread(take.thread) {
            return Ok(taken);
        }
        let tenure = Arc::new(Tenure {
            id: take.id,
            router: ctx.address().downgrade().recipient(),
        });
        let occupied = Occupied {
            id: take.id,
            thread: take.thread,
            host: Some(take.host),
            tenure: Arc::downgrade(&tenure),
        };
        let Some(seat) = core.seats.occupy(occupied) else {
            return Ok(shared);
        };
        let endpoints = core.nodes.keys().cloned().collect();
        core.furnish(seat, endpoints);
        let tenure = Some(tenure);
        Ok(Taken { seat, tenure })
    }
}

impl<T: Topology> Handler<Furnished> for Router<T> {
    type Result = ();

    fn handle(&mut self, furnished: Furnished, ctx: &mut Context<Self>) {
        self.breathe(ctx);
        let seat = self.core.seats.of_host(furnished.host);
        let Some(seat) = seat.map(|(seat, _)| seat) else {
            return;
        };
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
        self.vacate(id, ctx, |occupied| {
            if let Some(occupied) = occupied {
                occupied.host = None;
            }
        });
    }
}

impl<T: Topology> Handler<LeaveSeat> for Router<T> {
    type Result = ();

    fn handle(&mut self, LeaveSeat(id): LeaveSeat, ctx: &mut Context<Self>) {
        self.vacate(id, ctx, |occupied| *occupied = None);
    }
}

impl<T: Topology> Router<T> {
    /// Ends the links of a seat; its handles, if there are any, go on over the shared ones.
    fn vacate(
        &mut self,
        id: HostId,
        ctx: &mut Context<Self>,
        mark: impl FnOnce(&mut Option<Occupied>),
    ) {
        self.with(|topology, core| {
            let Some((seat, occupied)) = core.seats.of_host(id) else {
                return;
            };
            mark(occupied);
            let links = core.unfurnish(seat);
            topology.publish_seat(core, seat);
            core.retire(links, ctx);
        });
        self.settle_ready();
    }
}
