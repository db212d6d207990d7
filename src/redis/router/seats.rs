//! Who has connections of its own, and which: [`Seats`]. An arbiter takes a seat for the clients
//! that live there; each node has a link for it then, beside the shared one.
//!
//! Routes of a seat lead to its own lane of a node once the link was up, and to the shared lane once
//! an attempt to come up failed or takes long. So a seat fails no call that the shared connections
//! would serve, and what waits long waits in one place for each node. Not at once when the connection
//! is lost: if the node is gone, the shared connection is about to notice it, and what is written to it now is
//! lost as well.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::{ActorFutureExt, Addr, AsyncContext, Context, Handler, WrapFuture};
use futures_util::future::join_all;

use crate::endpoint::Endpoint;
use crate::link::Stop;
use crate::redis::command::cmd;
use crate::redis::handoff::{News, NodeNews};
use crate::redis::router::host::{Furnish, Furnished, Host, HostEnded, HostId};
use crate::redis::router::node::{Node, NodeLink, Order};
use crate::redis::router::questions::ask;
use crate::redis::router::router::{Core, Router, Topology};
use crate::redis::router::seat_book::{LeaveSeat, TakeSeat};
use crate::redis::seat::Seat;

/// How long a seat's link may be lost before its calls go over the shared one, though it is not
/// known yet whether the attempt to come back succeeds: it may hang, or wait for the governor. And
/// how long the shared one may take to show that it lives.
const LOST_FOR_LONG: Duration = Duration::from_millis(200);

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
                self.shared.place_again(request, link.lane.endpoint());
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
    pub(super) fn seat_news(&mut self, news: &NodeNews, ctx: &mut Context<Self>) {
        match news.news {
            News::Up => self.lead_seat(&news.endpoint, news.seat),
            News::Down => self.fall_back(news.endpoint.clone(), news.seat, ctx),
            News::Lost => {
                let (endpoint, seat) = (news.endpoint.clone(), news.seat);
                ctx.run_later(LOST_FOR_LONG, move |router, ctx| {
                    router.fall_back(endpoint, seat, ctx);
                });
            }
            News::Quiet => {}
        }
    }

    /// Leads a seat to the shared connection, after that was asked whether it lives: if the node is
    /// gone it may not have noticed yet, and what is written to it would be of unknown outcome.
    fn fall_back(&mut self, endpoint: Endpoint, seat: Seat, ctx: &mut Context<Self>) {
        let node = self.core.nodes.get(&endpoint);
        let leaves = |node: &&Node| node.seats.get(&seat).is_some_and(|link| link.open);
        let Some(node) = node.filter(leaves) else {
            return;
        };
        if !node.main.lane.is_up() {
            self.lead_seat(&endpoint, seat);
            return;
        }
        let asked = ask(Arc::clone(&node.main.lane), cmd("PING"), LOST_FOR_LONG);
        let asked = async move { asked.await.is_ok() }.into_actor(self);
        ctx.spawn(asked.map(move |_, router, _| router.lead_seat(&endpoint, seat)));
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
        // Its arbiter has ended meanwhile, and told so before this came: nobody would tell again.
        let host = host.connected().then_some(host);
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
