//! The router actor, [`Router`]: takes command messages, owns the nodes, and decides what becomes
//! of a request that a node did not serve. What differs between a cluster and a single server is
//! in its [`Topology`].

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context, Handler};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::sync::oneshot;

use crate::clock::now;
use crate::endpoint::{Endpoint, LinkName};
use crate::link::{Circuit, SharedGovernor};
use crate::redis::config::Config;
use crate::redis::connection::Dialer;
use crate::redis::error::{Error, ErrorKind, Outcome, Result};
use crate::redis::handoff::{Bounced, Handoff, News, NodeNews, Reason, Refused};
use crate::redis::lane::Traffic;
use crate::redis::router::breath::OwnTask;
use crate::redis::router::home::UntilUnheld;
use crate::redis::router::known::Known;
use crate::redis::router::node::{LinkMaker, Node, NodeLink, Order};
use crate::redis::router::put_off::PutOff;
use crate::redis::router::questions::Learned;
use crate::redis::router::retry::retry;
use crate::redis::router::routes::Shared;
use crate::redis::router::seats::Seats;
use crate::redis::router::shutdown::Ending;
use crate::redis::router::surroundings::Surroundings;
use crate::redis::seat::Seat;
use crate::registry::{Narrator, Registry};

/// How often a router counts its traffic.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// A router is asked by many callers at once; actix's default of 16 would make them queue.
const MAILBOX: usize = 1024;

/// Routes command messages. Use it as [`ClusterRouter`](crate::redis::ClusterRouter) or
/// [`Standalone`](crate::redis::Standalone).
pub struct Router<T: Topology> {
    pub(crate) core: Core,
    topology: Option<T>,
    pub(super) ending: Option<Ending>,
}

/// What a router does whatever it routes to.
pub(crate) struct Core {
    pub(crate) shared: Arc<Shared>,
    pub(super) known: Rc<Known>,
    pub(crate) config: Arc<Config>,
    pub(crate) registry: Addr<Registry>,
    pub(crate) dialer: Dialer,
    governor: SharedGovernor,
    pub(crate) nodes: BTreeMap<Endpoint, Node>,
    pub(crate) seats: Seats,
    pub(crate) rng: StdRng,
    pub(crate) narrator: Narrator,
    pub(super) maker: Option<LinkMaker>,
    pub(super) put_off: PutOff,
    ready_waiters: Vec<oneshot::Sender<Result<()>>>,
    pub(super) learned: Learned,
    /// Messages since the thread's other tasks could run.
    pub(super) since_breath: u32,
    limbo_keeper: Option<OwnTask>,
    pub(super) traffic: Arc<Traffic>,
}

/// How requests find their server: one implementation for a cluster, one for a single server.
pub trait Topology: sealed::Topology {}

impl<T: sealed::Topology> Topology for T {}

pub(crate) mod sealed {
    use super::{Core, Endpoint, NodeNews, Refused, Router};
    use crate::redis::config::{Config, Mode};
    use crate::redis::router::routes::KeyRoutes;
    use crate::redis::seat::Seat;
    use actix::Context;

    #[expect(
        private_interfaces,
        reason = "sealed: nobody outside can name or implement it"
    )]
    pub trait Topology: Sized + Unpin + 'static {
        /// The mode it serves; a router sets it in its configuration.
        const MODE: Mode;
        fn new(config: &Config) -> Self;
        /// What is known of the routes, over the connections of a seat where they are up.
        fn routes(&self, core: &mut Core, seat: Seat) -> KeyRoutes;
        /// Publishes them.
        fn publish(&self, core: &mut Core) {
            let keys = self.routes(core, Seat::SHARED);
            let seats = core.seats.all();
            let seats = seats.map(|seat| self.routes(core, seat)).collect();
            core.shared.publish(|routes| {
                routes.keys = keys;
                routes.seats = seats;
            });
        }
        /// Publishes those of one seat, where the others stand.
        fn publish_seat(&self, core: &mut Core, seat: Seat) {
            let keys = self.routes(core, seat);
            core.shared.publish(|routes| routes.set(seat, keys));
        }
        fn started(&mut self, core: &mut Core, ctx: &mut Context<Router<Self>>);
        /// A node answered a request with an error, and did not execute it.
        fn refused(&mut self, core: &mut Core, refused: Refused, ctx: &mut Context<Router<Self>>);
        fn news(&mut self, core: &mut Core, news: &NodeNews, ctx: &mut Context<Router<Self>>);
        /// Look anew soon, and elsewhere than at this node; what waits for that is placed then. False
        /// if there is nothing else to look at.
        fn look_past(
            &mut self,
            node: &Endpoint,
            core: &mut Core,
            ctx: &mut Context<Router<Self>>,
        ) -> bool;
        /// Look anew, now: somebody asked.
        fn look(&mut self, core: &mut Core, ctx: &mut Context<Router<Self>>);
        /// Everything that is needed is up.
        fn is_ready(&self, core: &Core) -> bool;
    }
}

impl<T: Topology> Router<T> {
    /// Starts a router on the current arbiter, with a registry of its own. It answers at once;
    /// commands wait for the first connection. The kind of router counts, not the configuration's
    /// `mode`.
    ///
    /// # Errors
    ///
    /// A configuration that cannot work.
    ///
    /// # Panics
    ///
    /// Outside of an actix arbiter or a tokio `LocalSet`; see
    /// [`Client::open`](crate::redis::Client::open), which works anywhere.
    pub fn open(config: Config) -> Result<Addr<Self>> {
        Self::open_with(config, &Registry::start_new())
    }

    /// Starts a router whose links and events belong to this registry.
    ///
    /// # Errors
    ///
    /// A configuration that cannot work.
    ///
    /// # Panics
    ///
    /// As [`Router::open`].
    pub fn open_with(config: Config, registry: &Addr<Registry>) -> Result<Addr<Self>> {
        let (address, _) = Self::launch(config, registry)?;
        Ok(address)
    }

    pub(crate) fn launch(
        config: Config,
        registry: &Addr<Registry>,
    ) -> Result<(Addr<Self>, Arc<Shared>)> {
        let dialer = Dialer::of(&config);
        Self::launch_in(config, registry, Surroundings::over(dialer))
    }

    pub(crate) fn launch_in(
        config: Config,
        registry: &Addr<Registry>,
        surroundings: Surroundings,
    ) -> Result<(Addr<Self>, Arc<Shared>)> {
        let (router, shared) = Self::prepare(config, registry, surroundings)?;
        Ok((router.start(), shared))
    }

    /// A router that is not started yet.
    pub(super) fn prepare(
        mut config: Config,
        registry: &Addr<Registry>,
        surroundings: Surroundings,
    ) -> Result<(Self, Arc<Shared>)> {
        config.mode = T::MODE;
        config.validate()?;
        let config = Arc::new(config);
        let shared = Shared::new(Arc::clone(&config));
        let narrator = Narrator::new(config.name.clone(), None, registry.clone());
        let topology = T::new(&config);
        let router = Self {
            core: Core {
                put_off: PutOff::new(config.waiting.requests, &shared.ledger().put_off),
                known: Rc::new(Known::of(Arc::clone(&shared))),
                shared: Arc::clone(&shared),
                config,
                registry: registry.clone(),
                dialer: surroundings.dialer,
                nodes: BTreeMap::new(),
                seats: Seats::default(),
                rng: StdRng::seed_from_u64(surroundings.seed),
                governor: surroundings.governor,
                narrator,
                maker: None,
                ready_waiters: Vec::new(),
                learned: Learned::No,
                since_breath: 0,
                limbo_keeper: None,
                traffic: Arc::default(),
            },
            topology: Some(topology),
            ending: None,
        };
        Ok((router, shared))
    }

    /// Lets the topology act on the core.
    pub(crate) fn with<R>(&mut self, act: impl FnOnce(&mut T, &mut Core) -> R) -> Option<R> {
        let mut topology = self.topology.take()?;
        let result = act(&mut topology, &mut self.core);
        self.topology = Some(topology);
        Some(result)
    }

    pub(crate) fn settle_ready(&mut self) {
        let answer = if self.with(|topology, core| topology.is_ready(core)) == Some(true) {
            Ok(())
        } else if let Some((endpoint, cause)) = self.core.shared.parked() {
            // It will not come up within anybody's patience.
            let error = Error::new(ErrorKind::Parked(cause), Outcome::NotSent);
            Err(match endpoint {
                Some(endpoint) => error.at(&endpoint),
                None => error,
            })
        } else {
            return;
        };
        for waiter in self.core.ready_waiters.drain(..) {
            // An error means that nobody waits any more.
            drop(waiter.send(answer.clone()));
        }
    }
}

impl Core {
    /// The node at this endpoint, started if it is new.
    pub(crate) fn node(&mut self, endpoint: &Endpoint) -> Option<&Node> {
        if !self.nodes.contains_key(endpoint) {
            let order = Order {
                name: self.link_name(endpoint, Seat::SHARED),
                endpoint: endpoint.clone(),
                circuit: self.config.breaker.map(Circuit::new),
                seed: self.next_seed(),
            };
            let main = self
                .maker
                .as_ref()?
                .start(order, Seat::SHARED, &self.dialer);
            let node = Node::new(main, &self.config, now());
            self.nodes.insert(endpoint.clone(), node);
            self.furnish_node(endpoint);
        }
        self.nodes.get(endpoint)
    }

    /// `client/host:port`, for a seat with its number: `client/host:port@2`.
    pub(super) fn link_name(&self, endpoint: &Endpoint, seat: Seat) -> LinkName {
        let client = &self.config.name;
        LinkName::from(match seat {
            Seat::SHARED => format!("{client}/{endpoint}"),
            seat => format!("{client}/{endpoint}@{seat}"),
        })
    }

    pub(super) fn next_seed(&mut self) -> u64 {
        self.rng.random()
    }

    /// Takes the links of all nodes, and starts none from now on. What is put off is answered;
    /// of so many somebody waited for that.
    pub(crate) fn end(&mut self) -> (Vec<NodeLink>, usize) {
        self.maker = None;
        self.seats.clear();
        let mut unsent = 0;
        for request in self.put_off.clear() {
            unsent += usize::from(!request.is_abandoned());
            request.stop();
        }
        let nodes = std::mem::take(&mut self.nodes).into_values();
        (nodes.flat_map(Node::into_links).collect(), unsent)
    }

    pub(super) fn is_ending(&self) -> bool {
        self.maker.is_none()
    }

    /// Replaces the connections to an endpoint: for a server that sends clients to itself, or that is
    /// not any more what it was.
    pub(crate) fn reconnect_once(&mut self, endpoint: &Endpoint) {
        let cooldown = self.config.cluster.refresh_cooldown;
        if let Some(node) = self.nodes.get_mut(endpoint) {
            node.reconnect_once(now(), cooldown);
        }
    }

    pub(crate) fn await_ready(&mut self) -> oneshot::Receiver<Result<()>> {
        let (done, ready) = oneshot::channel();
        self.ready_waiters.retain(|waiter| !waiter.is_closed());
        self.ready_waiters.push(done);
        ready
    }
}

impl<T: Topology> Actor for Router<T> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
        let me = ctx.address().downgrade();
        let handed_back = Arc::clone(&self.core.shared.ledger().handed_back);
        self.core.maker = Some(LinkMaker {
            shared: Arc::clone(&self.core.shared),
            governor: self.core.governor.clone(),
            handoff: Handoff::new(me.clone().recipient(), me.recipient(), handed_back),
            registry: self.core.registry.clone(),
            traffic: Arc::clone(&self.core.traffic),
        });
        let limbo = Arc::clone(self.core.shared.limbo());
        // Not in this context, where it would wait until the mailbox is empty.
        self.core.limbo_keeper = Some(OwnTask::start(limbo.keep()));
        ctx.spawn(UntilUnheld::default());
        ctx.run_interval(HOUSEKEEPING, |router, _| {
            router.core.count_traffic(now());
            // Routes that nobody renews keep what has left.
            router.core.known.renew();
        });
        self.with(|topology, core| {
            topology.publish(core);
            topology.started(core, ctx);
        });
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.core.shared.end();
    }
}

impl<T: Topology> Handler<Bounced> for Router<T> {
    type Result = ();

    fn handle(&mut self, bounced: Bounced, ctx: &mut Context<Self>) {
        self.breathe(ctx);
        if self.core.is_ending() {
            self.refuse(bounced);
            return;
        }
        if !bounced.request.perhaps_sent && matches!(bounced.reason, Reason::Lost(_)) {
            // It was never sent: no retry.
            let node = Some(&bounced.endpoint);
            self.core.shared.place_again(bounced.request, node);
            return;
        }
        self.with(|topology, core| match bounced.reason {
            Reason::Lost(_) | Reason::Unanswered(_) => retry(topology, core, bounced, ctx),
            Reason::Reply(error) => {
                let refused = Refused {
                    request: bounced.request,
                    endpoint: bounced.endpoint,
                    error,
                };
                topology.refused(core, refused, ctx);
            }
        });
    }
}

impl<T: Topology> Handler<NodeNews> for Router<T> {
    type Result = ();

    fn handle(&mut self, news: NodeNews, ctx: &mut Context<Self>) {
        if !news.seat.is_shared() {
            self.seat_news(&news, ctx);
        } else if news.news == News::Up {
            self.learn_commands(&news.endpoint, ctx);
        }
        self.with(|topology, core| topology.news(core, &news, ctx));
        self.settle_ready();
    }
}

impl<T: Topology> fmt::Debug for Router<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router")
            .field("name", &self.core.config.name)
            .field("nodes", &self.core.nodes.len())
            .finish_non_exhaustive()
    }
}
