//! What one holds of a feed: [`Feed`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, Recipient};

use crate::endpoint::LinkName;
use crate::link::{Circuit, Link, LinkSettings, Start};
use crate::policy::{BreakerState, Force, PolicyError};
use crate::registry::{LinkStatus, NotReady, Registry};
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
pub struct Feed {
    link: Link<FeedBackend>,
    hub: Arc<Hub>,
    delivery: Arc<Delivery>,
    send_timeout: Duration,
    drain_timeout: Duration,
}

impl Feed {
    /// Opens a feed on the current arbiter, under this name in the registry. It begins to connect at
    /// once; whatever comes is told to the subscriber, which is held weakly: keep its address, or it
    /// ends.
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
        let mut supervision = LinkSettings::from(&settings.link);
        adjust(&mut supervision);
        let (send_timeout, drain_timeout) = (settings.send_timeout, supervision.drain_timeout);
        let backend = FeedBackend {
            settings: Arc::new(settings),
            hub: Arc::clone(&hub),
            circuit,
            _delivery: Arc::clone(&delivery),
        };
        let link = Link::new(name, backend, supervision, registry);
        #[expect(clippy::disallowed_methods, reason = "the first message to an actor")]
        link.supervisor().do_send(Start);
        Ok(Self {
            link,
            hub,
            delivery,
            send_timeout,
            drain_timeout,
        })
    }

    /// Its name.
    pub fn name(&self) -> &LinkName {
        self.link.name()
    }

    /// What it has in common with links of any kind.
    pub fn link(&self) -> &Link<FeedBackend> {
        &self.link
    }

    /// Subscribes, now or as soon as the feed is up, and again after each reconnect. What the server
    /// does not grant is told to the subscriber. Answers whether it was not wanted before.
    pub fn subscribe(&self, topic: impl Into<Topic>) -> bool {
        self.hub.want(&topic.into())
    }

    /// Ends a subscription. Answers whether it was wanted.
    pub fn unsubscribe(&self, topic: impl Into<Topic>) -> bool {
        self.hub.leave(&topic.into())
    }

    /// All subscriptions, and how each stands.
    pub fn subscriptions(&self) -> Vec<(Topic, SubscriptionState)> {
        self.hub.lock().subscriptions.states()
    }

    /// Sends a message, after those that wait to be written. `Ok` means that it was handed to the
    /// operating system, not that the server has it. Not while the feed is down: nothing waits for
    /// the next connection. Dropped before its end, it is taken back if it was not yet begun.
    ///
    /// # Errors
    /// Whether it was not sent, or nobody knows.
    pub async fn send(&self, payload: Payload) -> Result<(), SendError> {
        let (id, answer) = {
            let mut state = self.hub.lock();
            let circuit = state.circuit.as_ref().map(Circuit::state);
            let open = matches!(circuit, Some(BreakerState::Open | BreakerState::ForcedOpen));
            if open && state.outbox.is_open() {
                return Err(SendError::CircuitOpen);
            }
            state.outbox.push(payload)?
        };
        self.hub.to_write.notify_one();
        let waiting = Waiting { hub: &self.hub, id };
        match tokio::time::timeout(self.send_timeout, answer).await {
            Ok(Ok(written)) => written,
            Ok(Err(_)) => Err(SendError::Unknown),
            Err(_) if waiting.withdraw() => Err(SendError::Late),
            Err(_) => Err(SendError::Unknown),
        }
    }

    /// Waits until the feed is up with all its subscriptions restored.
    ///
    /// # Errors
    /// It is not, after `timeout`; or it is parked, or its registry has ended.
    pub async fn ready(&self, timeout: Duration) -> Result<(), NotReady> {
        self.link.ready(timeout).await
    }

    /// How its link stands; none once the feed has ended.
    pub async fn status(&self) -> Option<LinkStatus> {
        self.link.status().await
    }

    /// The state of its circuit, if it has one.
    pub fn circuit(&self) -> Option<BreakerState> {
        self.hub.lock().circuit.as_ref().map(Circuit::state)
    }

    /// Forces its circuit open or closed, or releases it. Tells whether it has one.
    pub async fn force_circuit(&self, force: Force) -> bool {
        self.link.force_circuit(force).await
    }

    /// How many messages wait for the subscriber, and how many bytes.
    pub fn waiting(&self) -> (usize, usize) {
        self.hub.waiting()
    }

    /// Starts it again after a stop, or revives it when it is parked.
    pub async fn start(&self) {
        self.link.start().await;
    }

    /// Replaces the connection by a new one, skips a backoff, revives a parked feed.
    pub async fn reconnect(&self) {
        self.link.reconnect().await;
    }

    /// Goes on with other settings, over a new connection; subscriptions stay. A breaker whose
    /// settings are the same keeps its state. How the link is supervised, and the timeouts of this
    /// handle, stay as they were.
    ///
    /// # Errors
    /// Settings that cannot be.
    pub async fn reconfigure(&self, settings: FeedSettings) -> Result<(), PolicyError> {
        settings.check()?;
        let circuit = self.hub.reconfigure(&settings);
        let backend = FeedBackend {
            settings: Arc::new(settings),
            hub: Arc::clone(&self.hub),
            circuit,
            _delivery: Arc::clone(&self.delivery),
        };
        self.link.reconfigure(backend).await;
        Ok(())
    }

    /// Stops it: what waits to be written is written, the socket closed, and what waits for the
    /// subscriber delivered, each within the drain timeout. Answers when that is done.
    pub async fn stop(&self) {
        self.link.stop().await;
        // A subscriber that hangs is not waited for longer.
        let _ = tokio::time::timeout(self.drain_timeout, self.hub.drained()).await;
    }
}

/// Somebody waits until his message is written.
struct Waiting<'a> {
    hub: &'a Hub,
    id: u64,
}

impl Waiting<'_> {
    fn withdraw(&self) -> bool {
        // The payload's drop may be foreign code: without the lock.
        let parcel = self.hub.lock().outbox.withdraw(self.id);
        parcel.is_some()
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
            .field("name", self.link.name())
            .finish_non_exhaustive()
    }
}
