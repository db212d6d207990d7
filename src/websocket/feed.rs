//! What one holds of a feed: [`Feed`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, Recipient};

use crate::endpoint::LinkName;
use crate::link::{
    Circuit, ForceCircuit, LinkSettings, Reconfigure, ReconnectNow, Start, Stop, Supervisor,
    Terminate,
};
use crate::policy::{BreakerState, Force, PolicyError};
use crate::registry::{LinkStatus, NotReady, Ready, Registry, Snapshot};
use crate::websocket::connection::FeedBackend;
use crate::websocket::delivery::Delivery;
use crate::websocket::hub::Hub;
use crate::websocket::message::{FeedMessage, Payload};
use crate::websocket::outbox::SendError;
use crate::websocket::protocol::Protocol;
use crate::websocket::settings::FeedSettings;
use crate::websocket::subscriptions::SubscriptionState;
use crate::websocket::topic::Topic;

/// The handle of a feed: one WebSocket at a time, subscribed to what is wanted. Cheap to clone, and
/// usable from any thread. The feed ends, without draining, when the last of its handles is dropped.
#[derive(Clone)]
pub struct Feed(Arc<Inner>);

struct Inner {
    name: LinkName,
    hub: Arc<Hub>,
    supervisor: Addr<Supervisor<FeedBackend>>,
    registry: Addr<Registry>,
    delivery: Arc<Delivery>,
    send_timeout: Duration,
    drain_timeout: Duration,
}

impl Feed {
    /// Opens a feed on the current arbiter, under this name in the registry. It begins to connect at
    /// once; whatever comes is told to the subscriber, which is held weakly.
    ///
    /// # Errors
    /// Settings that cannot be.
    ///
    /// # Panics
    /// Outside of an actix arbiter or a tokio `LocalSet`, as every actor's start does.
    pub fn open(
        name: impl Into<LinkName>,
        settings: FeedSettings,
        protocol: impl Protocol,
        subscriber: impl Into<Recipient<FeedMessage>>,
        registry: &Addr<Registry>,
    ) -> Result<Self, PolicyError> {
        Self::open_with(name, settings, protocol, subscriber, registry, |_| {})
    }

    /// As [`open`](Self::open), with a last word on how the link is supervised: what a configuration
    /// cannot say, such as a governor of its own.
    ///
    /// # Errors
    /// Settings that cannot be.
    pub fn open_with(
        name: impl Into<LinkName>,
        settings: FeedSettings,
        protocol: impl Protocol,
        subscriber: impl Into<Recipient<FeedMessage>>,
        registry: &Addr<Registry>,
        adjust: impl FnOnce(&mut LinkSettings),
    ) -> Result<Self, PolicyError> {
        settings.check()?;
        let name = name.into();
        let hub = Arc::new(Hub::new(name.clone(), &settings, Arc::new(protocol)));
        let circuit = hub.lock().circuit.clone();
        let delivery = Arc::new(Delivery::start(Arc::clone(&hub), &subscriber.into()));
        let mut link = LinkSettings::from(&settings.link);
        adjust(&mut link);
        let feed = Self(Arc::new(Inner {
            name: name.clone(),
            hub: Arc::clone(&hub),
            send_timeout: settings.send_timeout,
            drain_timeout: link.drain_timeout,
            registry: registry.clone(),
            delivery: Arc::clone(&delivery),
            supervisor: Supervisor::start_link(
                name,
                FeedBackend {
                    settings: Arc::new(settings),
                    hub,
                    circuit,
                    _delivery: delivery,
                },
                link,
                registry,
            ),
        }));
        feed.start();
        Ok(feed)
    }

    /// Its name.
    pub fn name(&self) -> &LinkName {
        &self.0.name
    }

    /// The actor that supervises it.
    pub fn supervisor(&self) -> &Addr<Supervisor<FeedBackend>> {
        &self.0.supervisor
    }

    /// Subscribes, now or as soon as the feed is up, and again after each reconnect. What the server
    /// does not grant is told to the subscriber. Answers whether it was not wanted before.
    pub fn subscribe(&self, topic: impl Into<Topic>) -> bool {
        self.0.hub.want(&topic.into())
    }

    /// Ends a subscription. Answers whether it was wanted.
    pub fn unsubscribe(&self, topic: impl Into<Topic>) -> bool {
        self.0.hub.leave(&topic.into())
    }

    /// All subscriptions, and how each stands.
    pub fn subscriptions(&self) -> Vec<(Topic, SubscriptionState)> {
        self.0.hub.lock().subscriptions.states()
    }

    /// Sends a message, after those that wait to be written. `Ok` means that it was handed to the
    /// operating system, not that the server has it. Not while the feed is down: nothing waits for
    /// the next connection. Dropped before its end, it is taken back if it was not yet begun.
    ///
    /// # Errors
    /// Whether it was not sent, or nobody knows.
    pub async fn send(&self, payload: Payload) -> Result<(), SendError> {
        let (id, answer) = {
            let mut state = self.0.hub.lock();
            let circuit = state.circuit.as_ref().map(Circuit::state);
            let open = matches!(circuit, Some(BreakerState::Open | BreakerState::ForcedOpen));
            if open && state.outbox.is_open() {
                return Err(SendError::CircuitOpen);
            }
            state.outbox.push(payload)?
        };
        self.0.hub.to_write.notify_one();
        let waiting = Waiting {
            hub: &self.0.hub,
            id,
        };
        match tokio::time::timeout(self.0.send_timeout, answer).await {
            Ok(Ok(written)) => written,
            Ok(Err(_)) => Err(SendError::Unknown),
            Err(_) if waiting.withdraw() => Err(SendError::Late),
            Err(_) => Err(SendError::Unknown),
        }
    }

    /// Waits until the feed is up with all its subscriptions restored.
    ///
    /// # Errors
    /// It is not, after `timeout`.
    pub async fn ready(&self, timeout: Duration) -> Result<(), NotReady> {
        let ready = Ready {
            links: vec![self.0.name.clone()],
            timeout,
        };
        let answer = self.0.registry.send(ready).await;
        answer.unwrap_or(Err(NotReady(timeout)))
    }

    /// How its link stands; none once the feed has ended.
    pub async fn status(&self) -> Option<LinkStatus> {
        let links = self.0.registry.send(Snapshot).await.ok()?;
        links.into_iter().find(|status| status.link == self.0.name)
    }

    /// The state of its circuit, if it has one.
    pub fn circuit(&self) -> Option<BreakerState> {
        self.0.hub.lock().circuit.as_ref().map(Circuit::state)
    }

    /// Forces its circuit open or closed, or releases it.
    pub async fn force_circuit(&self, force: Force) -> bool {
        let answer = self.0.supervisor.send(ForceCircuit(force)).await;
        answer.unwrap_or(false)
    }

    /// How many messages wait for the subscriber, and how many bytes.
    pub fn waiting(&self) -> (usize, usize) {
        self.0.hub.waiting()
    }

    /// Starts it again after a stop, or revives it when it is parked.
    pub fn start(&self) {
        self.tell(Start);
    }

    /// Replaces the connection by a new one, skips a backoff, revives a parked feed.
    pub fn reconnect(&self) {
        self.tell(ReconnectNow);
    }

    /// Goes on with other settings, over a new connection; subscriptions stay. A breaker whose
    /// settings are the same keeps its state. How the link is supervised, and the timeouts of this
    /// handle, stay as they were.
    ///
    /// # Errors
    /// Settings that cannot be.
    pub fn reconfigure(&self, settings: FeedSettings) -> Result<(), PolicyError> {
        settings.check()?;
        let circuit = self.0.hub.reconfigure(&settings);
        self.tell(Reconfigure(FeedBackend {
            settings: Arc::new(settings),
            hub: Arc::clone(&self.0.hub),
            circuit,
            _delivery: Arc::clone(&self.0.delivery),
        }));
        Ok(())
    }

    /// Stops it: what waits to be written is written, the socket closed, and what waits for the
    /// subscriber delivered, each within the drain timeout. Answers when that is done.
    pub async fn stop(&self) {
        // An error means that the supervisor itself is gone: stopped as well.
        let _ = self.0.supervisor.send(Stop).await;
        // A subscriber that hangs is not waited for longer.
        let _ = tokio::time::timeout(self.0.drain_timeout, self.0.hub.drained()).await;
    }

    fn tell<M>(&self, message: M)
    where
        M: actix::Message<Result = ()> + Send + 'static,
        Supervisor<FeedBackend>: actix::Handler<M>,
    {
        #[expect(clippy::disallowed_methods, reason = "a user's word, now and then")]
        self.0.supervisor.do_send(message);
    }
}

/// The last handle is gone. A supervisor that has a connection would live on without anybody who
/// could speak to it.
impl Drop for Inner {
    #[expect(clippy::disallowed_methods, reason = "once")]
    fn drop(&mut self) {
        self.supervisor.do_send(Terminate);
    }
}

/// Somebody waits until his message is written.
struct Waiting<'a> {
    hub: &'a Hub,
    id: u64,
}

impl Waiting<'_> {
    fn withdraw(&self) -> bool {
        self.hub.lock().outbox.withdraw(self.id)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.withdraw();
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed")
            .field("name", &self.0.name)
            .finish_non_exhaustive()
    }
}
