//! Where each command goes: [`Routes`], an immutable snapshot that the router publishes, and
//! [`Shared`], through which every door dispatches.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{oneshot, watch};

use crate::endpoint::Endpoint;
use crate::exit::Cause;
use crate::redis::cluster::SlotMap;
use crate::redis::command::unsuitable::unsuitable;
use crate::redis::command::{Command, CommandSpec, CommandTable, Pipeline};
use crate::redis::config::{Config, Mode};
use crate::redis::error::{ErrorKind, Outcome};
use crate::redis::lane::{Lane, Submitted};
use crate::redis::refusal::is_script;
use crate::redis::request::{Gather, Replies, Request, Responder};
use crate::redis::retry::RetryMode;
use crate::redis::router::ledger::Ledger;
use crate::redis::router::seat_book::SeatBook;
use crate::redis::router::since::Since;
use crate::redis::seat::Seat;
use crate::redis::slot::Slot;

/// Stands for a deadline that the clock cannot tell: 30 years.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// What is known of the topology and of the commands, at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Routes {
    /// How keys find nodes, over the shared connections.
    pub(crate) keys: KeyRoutes,
    /// The same for each seat, over its own connections where they are up.
    pub(crate) seats: Vec<KeyRoutes>,
    /// What the server says of its commands.
    pub(crate) table: Arc<CommandTable>,
    /// The client takes nothing more.
    pub(crate) stopped: bool,
}

/// How keys find nodes.
#[derive(Debug, Clone)]
pub(crate) enum KeyRoutes {
    /// Nothing is known yet.
    Nowhere,
    /// One server has them all.
    One(Arc<Lane>),
    /// Each slot has an owner; the lanes are in the order of the map's nodes.
    Slots {
        map: Arc<SlotMap>,
        lanes: Arc<[Arc<Lane>]>,
    },
}

impl Routes {
    /// Those of a seat; one that is not there any more has the shared ones.
    fn keys(&self, seat: Seat) -> &KeyRoutes {
        match seat.place() {
            None => &self.keys,
            Some(place) => self.seats.get(place).unwrap_or(&self.keys),
        }
    }

    /// A seat that is new stands behind those that are there.
    pub(crate) fn set(&mut self, seat: Seat, keys: KeyRoutes) {
        let Some(place) = seat.place() else {
            self.keys = keys;
            return;
        };
        if self.seats.len() <= place {
            let shared = self.keys.clone();
            self.seats.resize(place + 1, shared);
        }
        self.seats[place] = keys;
    }

    /// The lane for a slot, or for a command without a key: the first node that is well, always
    /// the same while it is, so that a cursor of `SCAN` stays with the node it came from.
    #[inline]
    fn lane(&self, seat: Seat, slot: Option<Slot>) -> Option<&Arc<Lane>> {
        match (self.keys(seat), slot) {
            (KeyRoutes::Nowhere, _) => None,
            (KeyRoutes::One(lane), _) => Some(lane),
            (KeyRoutes::Slots { map, lanes }, Some(slot)) => lanes.get(map.owner(slot)?.get()),
            (KeyRoutes::Slots { map, lanes }, None) => {
                // If none is well: the owner of a slot, rather than a node that left.
                let owner = || lanes.get(map.owner(Slot::of(b""))?.get());
                lanes.iter().find(|lane| lane.is_well()).or_else(owner)
            }
        }
    }
}

/// What the router and all its client handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    pub(super) routes: ArcSwap<Routes>,
    /// Requests wait here while no node is known that could serve them.
    limbo: Arc<Lane>,
    ledger: Ledger,
    seats: SeatBook,
    ended: watch::Sender<bool>,
}

impl Shared {
    /// To be made on the router's thread.
    pub(crate) fn new(config: Arc<Config>) -> Arc<Self> {
        let limbo = Lane::new(None, config.waiting, config.when_down);
        Arc::new(Self {
            routes: ArcSwap::from_pointee(Routes {
                keys: KeyRoutes::Nowhere,
                seats: Vec::new(),
                table: CommandTable::builtin(),
                stopped: false,
            }),
            limbo,
            ledger: Ledger::new(config.waiting.bytes),
            seats: SeatBook::new(),
            config,
            ended: watch::Sender::new(false),
        })
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(crate) fn seats(&self) -> &SeatBook {
        &self.seats
    }

    pub(crate) fn limbo(&self) -> &Arc<Lane> {
        &self.limbo
    }

    /// A node that is not connected, and why; or why no node is known.
    pub(crate) fn down(&self) -> Option<(Option<Endpoint>, Cause)> {
        self.first_lane(Lane::why_down)
    }

    /// A node that will not come up by itself soon, and why; or that no node can be known.
    pub(crate) fn parked(&self) -> Option<(Option<Endpoint>, Cause)> {
        self.first_lane(Lane::why_parked)
    }

    /// The first lane with such a cause, among those that routes lead to.
    fn first_lane(
        &self,
        why: impl Fn(&Lane) -> Option<Cause>,
    ) -> Option<(Option<Endpoint>, Cause)> {
        let routes = self.routes.load();
        let lanes = match &routes.keys {
            KeyRoutes::Nowhere => std::slice::from_ref(&self.limbo),
            KeyRoutes::One(lane) => std::slice::from_ref(lane),
            KeyRoutes::Slots { lanes, .. } if lanes.is_empty() => std::slice::from_ref(&self.limbo),
            KeyRoutes::Slots { lanes, .. } => lanes,
        };
        lanes
            .iter()
            .find_map(|lane| Some((lane.endpoint().cloned(), why(lane)?)))
    }

    /// Publishes what changed, and places what waited for it.
    pub(crate) fn publish(&self, change: impl FnOnce(&mut Routes)) {
        let mut routes = Routes::clone(&self.routes.load());
        change(&mut routes);
        self.routes.store(Arc::new(routes));
        for request in self.limbo.empty() {
            self.place(request);
        }
    }

    /// Takes a command from a caller: checks it, finds its slot, and brings it to its lane.
    pub(crate) fn dispatch(
        &self,
        seat: Seat,
        command: Command,
        since: Since,
        responder: Responder,
    ) {
        self.dispatch_by(&self.routes.load(), seat, command, since, responder);
    }

    /// The same, by routes that are known already. False: they are old.
    pub(crate) fn dispatch_by(
        &self,
        routes: &Arc<Routes>,
        seat: Seat,
        command: Command,
        since: Since,
        responder: Responder,
    ) -> bool {
        let timeout = command
            .own_timeout()
            .unwrap_or(self.config.timeouts.command);
        let table = &routes.table;
        let spec = table.find(&command);
        let refusal = unsuitable(&command, spec);
        let slot = match self.config.mode {
            Mode::Cluster => CommandTable::slot_with(spec, &command),
            Mode::Standalone => Ok(None),
        };
        let mode = command.own_retry_mode().unwrap_or(self.config.retry.mode);
        let readonly = spec.is_some_and(CommandSpec::is_readonly);
        let repeatable = match mode {
            RetryMode::Never => false,
            RetryMode::Safe => command.is_idempotent() || readonly,
            RetryMode::AtLeastOnce => true,
        };
        let script = !readonly && is_script(&command);
        let begun = since.instant(timeout);
        // A timeout beyond what the clock can tell is as good as none.
        let deadline = begun.checked_add(timeout).unwrap_or(begun + FAR);
        let mut request = Request::new(command, deadline, timeout, responder);
        request.seat = seat;
        request.repeatable = repeatable;
        request.once = mode == RetryMode::Never;
        request.script = script;
        if let Some(reason) = refusal {
            request.fail(ErrorKind::Unsuitable { reason }, Outcome::NotSent, None);
            return true;
        }
        let slot = match slot {
            Ok(slot) => slot,
            Err(error) => {
                request.fail(error.kind().clone(), Outcome::NotSent, None);
                return true;
            }
        };
        request.slot = slot;
        self.place_in(routes, routes.lane(seat, slot), request)
    }

    /// Takes the commands of a pipeline, each on its own way. Those to one node stay in order: all
    /// go by the same routes, unless these turn out to be old.
    pub(crate) fn dispatch_all(
        &self,
        seat: Seat,
        pipeline: Pipeline,
        since: Since,
        caller: Option<oneshot::Sender<Replies>>,
    ) {
        let timeout = pipeline.own_timeout();
        let gather = Gather::new(pipeline.len(), caller);
        let mut routes = self.routes.load();
        for (index, mut command) in pipeline.into_iter().enumerate() {
            if let Some(timeout) = timeout {
                command = command.timeout(timeout);
            }
            let part = Responder::Part(Arc::clone(&gather), index);
            if !self.dispatch_by(&routes, seat, command, since, part) {
                routes = self.routes.load();
            }
        }
    }

    /// Takes nothing more. What waits for a first node is answered, and counted.
    pub(crate) fn stop(&self) -> usize {
        let mut routes = Routes::clone(&self.routes.load());
        routes.stopped = true;
        self.routes.store(Arc::new(routes));
        self.limbo.finish()
    }

    /// The router has ended.
    pub(crate) fn end(&self) {
        self.stop();
        self.ended.send_replace(true);
    }

    /// Tells when the router has ended.
    pub(crate) fn ended(&self) -> watch::Receiver<bool> {
        self.ended.subscribe()
    }

    /// Brings a request to the lane that serves it now.
    pub(crate) fn place(&self, request: Request) {
        self.place_by(&self.routes.load(), request);
    }

    /// Brings a request that waited at this node, and was not sent, to the lane that serves it now.
    /// One of the same node takes it without asking the breaker again.
    pub(crate) fn place_again(&self, mut request: Request, node: Option<&Endpoint>) {
        let routes = self.routes.load();
        let lane = routes.lane(request.seat, request.slot);
        if let Some(lane) = lane.filter(|lane| node.is_some() && lane.endpoint() == node) {
            match lane.submit_again(request) {
                Submitted::Taken => return,
                Submitted::Waits => {
                    self.recheck(&routes, lane);
                    return;
                }
                Submitted::Gone(back) => request = back,
            }
        }
        self.place_by(&routes, request);
    }

    /// False: these routes are old.
    #[inline]
    fn place_by(&self, routes: &Arc<Routes>, request: Request) -> bool {
        let lane = routes.lane(request.seat, request.slot);
        self.place_in(routes, lane, request)
    }

    /// The same for one whose lane by these routes is known. What was just written to a request need
    /// not be read from it.
    #[inline]
    fn place_in(
        &self,
        routes: &Arc<Routes>,
        lane: Option<&Arc<Lane>>,
        mut request: Request,
    ) -> bool {
        if let Some(lane) = lane {
            match lane.submit(request) {
                Submitted::Taken => return true,
                Submitted::Waits => return self.recheck(routes, lane),
                Submitted::Gone(back) => request = back,
            }
        }
        if routes.stopped {
            request.fail(ErrorKind::Stopped, Outcome::NotSent, None);
            return true;
        }
        if let Submitted::Gone(request) = self.limbo.submit(request) {
            request.fail(ErrorKind::Stopped, Outcome::NotSent, None);
            return false;
        }
        self.recheck(routes, &self.limbo)
    }

    /// The routes may have changed between reading them and waiting by them; what was left behind
    /// in a lane that nobody looks after is placed anew.
    /// False: they have.
    fn recheck(&self, read: &Arc<Routes>, lane: &Arc<Lane>) -> bool {
        let routes = self.routes.load();
        if Arc::ptr_eq(read, &routes) {
            return true;
        }
        for request in lane.empty() {
            self.place_by(&routes, request);
        }
        false
    }

    /// Places what waits in a lane that is not well and belongs to another node by now. What an
    /// `ASK` led there stays: the slot's owner would send it there again.
    pub(crate) fn place_waiting(&self, lane: &Arc<Lane>) {
        let routes = self.routes.load();
        // Asked before the lane is locked: which node is well is asked of the lanes themselves.
        let seats = (0..routes.seats.len()).filter_map(Seat::at);
        let shared = routes.lane(Seat::SHARED, None);
        let keyless: Vec<_> = seats.map(|seat| routes.lane(seat, None)).collect();
        let elsewhere = |request: &Request| {
            let seat = request.seat;
            let serving = match request.slot {
                Some(slot) => routes.lane(seat, Some(slot)),
                None => *seat
                    .place()
                    .and_then(|place| keyless.get(place))
                    .unwrap_or(&shared),
            };
            !request.asking && serving.is_none_or(|serving| !Arc::ptr_eq(serving, lane))
        };
        for request in lane.extract(elsewhere) {
            self.place_again(request, lane.endpoint());
        }
    }
}

#[cfg(test)]
mod tests;
