//! What belongs to a feed rather than to one of its connections: [`Hub`]. Its handle, the connection
//! of the moment and the delivery to its subscriber share it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use crate::endpoint::LinkName;
use crate::event::Notice;
use crate::exit::Cause;
use crate::link::{BreakerOption, Circuit};
use crate::websocket::gap::{Gap, Moment, Outage};
use crate::websocket::message::{FeedMessage, News, Payload};
use crate::websocket::outbox::{Outbox, Parcel};
use crate::websocket::protocol::Protocol;
use crate::websocket::queue::{Overflow, Popped, Queue};
use crate::websocket::settings::FeedSettings;
use crate::websocket::subscriptions::Subscriptions;
use crate::websocket::topic::{Refused, Topic};

/// What a notice takes beside its texts, about.
const NOTICE: usize = 64;

pub(crate) struct Hub {
    pub(crate) feed: LinkName,
    pub(crate) protocol: Arc<dyn Protocol>,
    state: Mutex<State>,
    /// There is something to write.
    pub(crate) to_write: Notify,
    /// There is something to deliver.
    pub(crate) to_deliver: Notify,
    /// Something was delivered.
    delivered: Notify,
}

pub(crate) struct State {
    pub(crate) subscriptions: Subscriptions,
    pub(crate) outbox: Outbox,
    pub(crate) circuit: Option<Circuit>,
    /// What the circuit was made of.
    breaker: BreakerOption,
    queue: Queue<FeedMessage>,
    outage: Outage,
    generation: u64,
    /// On its way to the subscriber.
    delivering: bool,
    /// The connection of the moment is usable.
    up: bool,
}

impl Hub {
    pub(crate) fn new(
        feed: LinkName,
        settings: &FeedSettings,
        protocol: Arc<dyn Protocol>,
    ) -> Self {
        let queue = settings.queue;
        Self {
            state: Mutex::new(State {
                subscriptions: Subscriptions::new(settings.ack_timeout, protocol.acknowledges()),
                outbox: Outbox::new(settings.limits.write_buffer),
                circuit: circuit(settings),
                breaker: settings.link.breaker,
                queue: Queue::new(queue.when_lagging, queue.messages, queue.bytes),
                outage: Outage::default(),
                generation: 0,
                delivering: false,
                up: false,
            }),
            feed,
            protocol,
            to_write: Notify::new(),
            to_deliver: Notify::new(),
            delivered: Notify::new(),
        }
    }

    /// The feed goes on with other settings. Answers its circuit: the same as before unless it
    /// has to be another.
    pub(crate) fn reconfigure(&self, settings: &FeedSettings) -> Option<Circuit> {
        let mut state = self.lock();
        let queue = settings.queue;
        state
            .queue
            .limit(queue.when_lagging, queue.messages, queue.bytes);
        state.outbox.limit(settings.limits.write_buffer);
        state.subscriptions.set_ack_timeout(settings.ack_timeout);
        if state.breaker != settings.link.breaker {
            state.breaker = settings.link.breaker;
            state.circuit = circuit(settings);
        }
        state.circuit.clone()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A socket is there; its subscriptions are not.
    pub(crate) fn connected(&self, generation: u64) {
        let mut state = self.lock();
        state.generation = generation;
        state.subscriptions.connected();
        drop(state);
        self.to_write.notify_one();
    }

    /// All subscriptions are restored: the outage is over, and is told before what came since.
    /// Gives what the link is to tell of it.
    pub(crate) fn restored(&self, now: Moment) -> Option<Notice> {
        let mut state = self.lock();
        let gap = state.outage.ends(now);
        let notice = gap.as_ref().map(Gap::notice);
        let gap = gap.map(|gap| {
            let bytes = gap.weight() + NOTICE;
            (self.told(state.generation, News::Gap(gap)), bytes)
        });
        state.queue.release(gap);
        state.outbox.open();
        state.up = true;
        drop(state);
        self.to_deliver.notify_one();
        notice
    }

    /// The connection is gone, in whatever manner.
    pub(crate) fn disconnected(&self, now: Moment) {
        let mut state = self.lock();
        let topics = state.subscriptions.lost();
        if std::mem::take(&mut state.up) {
            state.outage.begins(topics, now);
            state.queue.hold();
        }
        let unsent = state.outbox.fail();
        drop(state);
        // A waker is foreign code: it may come here.
        unsent.into_iter().for_each(Parcel::fail);
    }

    pub(crate) fn lost_because(&self, cause: Cause) {
        self.lock().outage.because(cause);
    }

    /// Something was read.
    pub(crate) fn heard(&self, now: Moment) {
        self.lock().outage.heard(now);
    }

    /// A message for the subscriber was read.
    pub(crate) fn message(&self, payload: Payload) -> Result<(), Overflow> {
        let keyed = self.lock().queue.keeps_latest();
        let key = keyed.then(|| self.protocol.key(&payload)).flatten();
        let bytes = payload.as_bytes().len() + key.as_ref().map_or(0, String::len) + NOTICE;
        let mut state = self.lock();
        let message = self.told(state.generation, News::Message(payload));
        let pushed = state.queue.push(message, bytes, key.as_deref());
        drop(state);
        self.to_deliver.notify_one();
        pushed
    }

    /// A request was not granted.
    pub(crate) fn refused(&self, refused: Refused) {
        let mut state = self.lock();
        let bytes = refused.weight() + NOTICE;
        let message = self.told(state.generation, News::Refused(refused));
        state.queue.notice(message, bytes);
        drop(state);
        self.to_deliver.notify_one();
    }

    pub(crate) fn want(&self, topic: &Topic) -> bool {
        let new = self.lock().subscriptions.want(topic);
        self.to_write.notify_one();
        new
    }

    pub(crate) fn leave(&self, topic: &Topic) -> bool {
        let wanted = self.lock().subscriptions.leave(topic);
        self.to_write.notify_one();
        wanted
    }

    /// The request to write next.
    pub(crate) fn next_request(&self, now: Instant) -> Option<Payload> {
        use crate::websocket::topic::Action;
        let request = self.lock().subscriptions.poll(now)?;
        // The user's own code, so not under the lock.
        Some(match request.action {
            Action::Subscribe => self.protocol.subscribe(&request.topic, request.id),
            Action::Unsubscribe => self.protocol.unsubscribe(&request.topic, request.id),
        })
    }

    /// The next thing for the subscriber, which is then on its way until
    /// [`was_delivered`](Self::was_delivered).
    pub(crate) fn next_delivery(&self) -> Option<FeedMessage> {
        let mut state = self.lock();
        let message = match state.queue.pop()? {
            Popped::Item(message) => message,
            Popped::Dropped(count) => self.told(state.generation, News::Dropped { count }),
        };
        state.delivering = true;
        Some(message)
    }

    pub(crate) fn was_delivered(&self) {
        self.lock().delivering = false;
        self.delivered.notify_waiters();
    }

    /// Waits until all is delivered that can be.
    pub(crate) async fn drained(&self) {
        loop {
            let delivered = self.delivered.notified();
            {
                let state = self.lock();
                if state.queue.is_drained() && !state.delivering {
                    return;
                }
            }
            delivered.await;
        }
    }

    /// How many messages, and bytes of them, wait for the subscriber.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        let state = self.lock();
        (state.queue.len(), state.queue.bytes())
    }

    fn told(&self, generation: u64, news: News) -> FeedMessage {
        FeedMessage {
            feed: self.feed.clone(),
            generation,
            news,
        }
    }
}

fn circuit(settings: &FeedSettings) -> Option<Circuit> {
    settings.link.circuit(Some(FeedSettings::usual_breaker()))
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub")
            .field("feed", &self.feed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::protocol::Incoming;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Wake, Waker};

    struct Mute;

    impl Protocol for Mute {
        fn subscribe(&self, _: &Topic, _: u64) -> Payload {
            Payload::text("")
        }

        fn unsubscribe(&self, _: &Topic, _: u64) -> Payload {
            Payload::text("")
        }

        fn classify(&self, _: &Payload) -> Incoming {
            Incoming::Data
        }
    }

    /// Whether the feed's lock was free when it was woken.
    struct Knock(Arc<Hub>, Mutex<Vec<bool>>);

    impl Wake for Knock {
        fn wake(self: Arc<Self>) {
            let free = self.0.state.try_lock().is_ok();
            self.1.lock().expect("nobody panics with it").push(free);
        }
    }

    #[test]
    fn callers_are_told_of_a_loss_without_the_lock() {
        let settings = FeedSettings::new("ws://feed.example").expect("valid");
        let hub = Arc::new(Hub::new("prices".into(), &settings, Arc::new(Mute)));
        let mut state = hub.lock();
        state.outbox.open();
        let (_, answer) = state.outbox.push(Payload::text("a")).expect("room");
        drop(state);
        let knock = Arc::new(Knock(Arc::clone(&hub), Mutex::default()));
        let waker = Waker::from(Arc::clone(&knock));
        let mut answer = pin!(answer);
        let waits = answer.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(waits.is_pending());
        hub.disconnected(Moment::now());
        assert_eq!(*knock.1.lock().expect("nobody panics with it"), [true]);
    }
}
