//! A feed with its subscriber, and all that it tells.

use std::sync::{Arc, Weak};
use std::time::Duration;

use actix::{Actor, Addr, Context, Handler, ResponseFuture};
use everlink::event::{Event, EventKind};
use everlink::exit::CauseKind;
use everlink::link::SharedGovernor;
use everlink::policy::{Backoff, Governor, RefusedCap, RestartPolicy};
use everlink::websocket::{Feed, FeedMessage, FeedSettings, Gap, News, Payload};
use tokio::sync::{mpsc, watch};

use crate::heard::Heard;
use crate::lines::Lines;
pub(crate) use crate::support::waiting::SOON;
use crate::support::waiting::Wait;

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Passes on what it is told; handles nothing while the gate is shut.
struct Ear {
    messages: mpsc::UnboundedSender<FeedMessage>,
    gate: watch::Receiver<bool>,
    taken: watch::Sender<usize>,
}

impl Actor for Ear {
    type Context = Context<Self>;
}

impl Handler<FeedMessage> for Ear {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, message: FeedMessage, _: &mut Context<Self>) -> ResponseFuture<()> {
        self.taken.send_modify(|taken| *taken += 1);
        let (mut gate, messages) = (self.gate.clone(), self.messages.clone());
        Box::pin(async move {
            let _ = gate.wait_for(|open| *open).await;
            // The test may be over.
            let _ = messages.send(message);
        })
    }
}

pub(crate) struct Rig {
    pub(crate) feed: Feed,
    pub(crate) gate: watch::Sender<bool>,
    /// There while any task, actor or handle of the feed is.
    pub(crate) alive: Weak<()>,
    /// Of the events that were waited for or passed over.
    pub(crate) names: Vec<&'static str>,
    taken: watch::Receiver<usize>,
    messages: mpsc::UnboundedReceiver<FeedMessage>,
    heard: Heard,
    /// How many events were waited for, passed over or looked at.
    seen: usize,
    _ear: Addr<Ear>,
}

/// Tries again after 10 ms, always.
pub(crate) fn quick(url: &str) -> FeedSettings {
    let mut settings = FeedSettings::new(url).expect("a URL");
    let backoff = Backoff::fixed(ms(10)).expect("not zero");
    settings.link.restart = RestartPolicy::default()
        .with_backoff(backoff)
        .with_refused(RefusedCap::off());
    settings
}

impl Rig {
    pub(crate) async fn open(settings: FeedSettings) -> Self {
        Self::open_as("feed", settings).await
    }

    pub(crate) async fn open_as(name: &str, settings: FeedSettings) -> Self {
        let heard = Heard::begin().await;
        let (told, messages) = mpsc::unbounded_channel();
        let (gate, open) = watch::channel(true);
        let (take, taken) = watch::channel(0);
        let ear = Ear {
            messages: told,
            gate: open,
            taken: take,
        }
        .start();
        let subscriber = ear.clone().recipient();
        let governor = Governor::new(10_000, 10_000).expect("valid");
        let protocol = Lines::default();
        let alive = Arc::downgrade(&protocol.token);
        let feed = Feed::open_with(
            name,
            settings,
            protocol,
            subscriber,
            heard.registry(),
            |link| {
                link.governor = SharedGovernor::new(governor);
            },
        );
        Self {
            feed: feed.expect("settings that can be"),
            gate,
            alive,
            names: Vec::new(),
            taken,
            messages,
            heard,
            seen: 0,
            _ear: ear,
        }
    }

    pub(crate) async fn ready(settings: FeedSettings) -> Self {
        let mut rig = Self::open(settings).await;
        rig.told("connected").await;
        rig
    }

    /// The next event.
    pub(crate) async fn event(&mut self) -> Event {
        let event = self.heard.nth(self.seen).await;
        self.seen += 1;
        self.names.push(event.kind.name());
        event
    }

    /// The next event of this kind; others are passed over.
    pub(crate) async fn told(&mut self, kind: &str) -> Event {
        loop {
            let event = self.event().await;
            if event.kind.name() == kind {
                return event;
            }
        }
    }

    /// What was told until now.
    pub(crate) fn told_now(&mut self) -> Vec<Event> {
        let events = self.heard.events().split_off(self.seen);
        self.seen += events.len();
        events
    }

    /// Why the connection was lost.
    pub(crate) async fn lost(&mut self) -> (CauseKind, String) {
        match self.told("disconnected").await.kind {
            EventKind::Disconnected { cause } => (cause.kind(), cause.detail().to_owned()),
            other => panic!("{other}"),
        }
    }

    /// Why an attempt failed.
    pub(crate) async fn failed(&mut self) -> (CauseKind, String) {
        match self.told("connect_failed").await.kind {
            EventKind::ConnectFailed { cause, .. } => (cause.kind(), cause.detail().to_owned()),
            other => panic!("{other}"),
        }
    }

    pub(crate) async fn news(&mut self) -> News {
        let message = tokio::time::timeout(SOON, self.messages.recv()).await;
        let message = message.expect("a message in time").expect("it lives");
        message.news
    }

    /// The text of the next message; anything else fails.
    pub(crate) async fn text(&mut self) -> String {
        match self.news().await {
            News::Message(payload) => payload.as_text().expect("a text").to_owned(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn gap(&mut self) -> Gap {
        match self.news().await {
            News::Gap(gap) => gap,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the subscriber has so many messages, handled or not.
    pub(crate) async fn taken(&mut self, count: usize) {
        let taken = self.taken.wait_for(|taken| *taken >= count);
        let taken = tokio::time::timeout(SOON, taken).await;
        taken.expect("they come in time").expect("it lives");
    }

    /// What was delivered until now.
    pub(crate) fn delivered(&mut self) -> Vec<News> {
        std::iter::from_fn(|| self.messages.try_recv().ok())
            .map(|message| message.news)
            .collect()
    }
}

/// Waits until nothing of a feed is left.
pub(crate) async fn gone(alive: &Weak<()>) {
    let mut wait = Wait::up_to(SOON, "all tasks of the feed to end");
    while alive.strong_count() > 0 {
        wait.again(alive.strong_count()).await.expect("they end");
    }
}

pub(crate) fn message(text: &str) -> News {
    News::Message(Payload::text(text))
}
