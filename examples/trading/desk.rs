//! The trading desk: one actor that hears of all feeds, trades where the circuit is closed, and keeps
//! the book.

use std::collections::BTreeMap;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture};
use everlink::event::{Event, EventKind};
use everlink::policy::BreakerState;
use everlink::websocket::{Feed, FeedMessage, News, Payload};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::wire::symbol;

/// So many prices of an exchange for one order there.
const PRICES_AN_ORDER: u64 = 10;

/// How one exchange stands, and what was done there.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) connected: bool,
    pub(crate) circuit: BreakerState,
    pub(crate) prices: u64,
    pub(crate) orders: u64,
    pub(crate) not_sent: u64,
    pub(crate) losses: u64,
    pub(crate) gaps: u64,
    pub(crate) opened: u64,
    /// Orders that were sent while the circuit was open: there must be none.
    pub(crate) unlawful: u64,
}

impl Line {
    pub(crate) fn trades(&self) -> bool {
        self.connected && self.circuit == BreakerState::Closed
    }
}

/// All exchanges, by name.
#[derive(Debug, Clone)]
pub(crate) struct Book(BTreeMap<String, Line>);

impl Book {
    pub(crate) fn new(names: impl IntoIterator<Item = &'static str>) -> Self {
        let line = Line {
            connected: false,
            circuit: BreakerState::Closed,
            prices: 0,
            orders: 0,
            not_sent: 0,
            losses: 0,
            gaps: 0,
            opened: 0,
            unlawful: 0,
        };
        let lines = names
            .into_iter()
            .map(|name| (name.to_owned(), line.clone()));
        Self(lines.collect())
    }

    pub(crate) fn of(&self, name: &str) -> &Line {
        &self.0[name]
    }

    fn summary(&self) -> String {
        let names = |connected: bool| {
            let lines = self
                .0
                .iter()
                .filter(|(_, line)| line.connected == connected);
            let names: Vec<&str> = lines.map(|(name, _)| name.as_str()).collect();
            if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            }
        };
        format!(
            "connected: {}; not connected: {}",
            names(true),
            names(false)
        )
    }
}

pub(crate) struct Desk {
    began: Instant,
    book: watch::Sender<Book>,
    feeds: BTreeMap<String, Feed>,
}

impl Desk {
    pub(crate) fn new(began: Instant, book: watch::Sender<Book>) -> Self {
        Self {
            began,
            book,
            feeds: BTreeMap::new(),
        }
    }

    fn log(&self, text: impl std::fmt::Display) {
        println!("{:5.1}s {text}", self.began.elapsed().as_secs_f32());
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Line)) {
        self.book.send_modify(|book| {
            if let Some(line) = book.0.get_mut(name) {
                change(line);
            }
        });
    }

    /// The circuit of an exchange changed: trading there stops or goes on.
    fn circuit(&self, name: &str, state: BreakerState) {
        let before = self.book.borrow().of(name).circuit;
        self.change(name, |line| {
            line.circuit = state;
            line.opened += u64::from(state == BreakerState::Open);
        });
        match (before, state) {
            (BreakerState::Closed, _) => self.log(format_args!("trading on {name} stops")),
            (_, BreakerState::Closed) => self.log(format_args!("trading on {name} resumes")),
            _ => {}
        }
    }

    fn connection(&self, name: &str, connected: bool) {
        self.change(name, |line| {
            line.connected = connected;
            line.losses += u64::from(!connected);
        });
        self.log(self.book.borrow().summary());
    }

    fn price(&mut self, name: &str, text: &str, ctx: &mut Context<Self>) {
        let Some(symbol) = symbol(text) else {
            return;
        };
        self.change(name, |line| line.prices += 1);
        let line = self.book.borrow().of(name).clone();
        if line.circuit != BreakerState::Closed || !line.prices.is_multiple_of(PRICES_AN_ORDER) {
            return;
        }
        let Some(feed) = self.feeds.get(name).cloned() else {
            return;
        };
        let (order, name) = (Payload::text(format!("order {symbol}")), name.to_owned());
        let sending = async move { feed.send(order).await };
        ctx.spawn(sending.into_actor(self).map(move |sent, desk, _| {
            desk.change(&name, |line| match sent {
                Ok(()) => {
                    line.orders += 1;
                    line.unlawful += u64::from(line.circuit == BreakerState::Open);
                }
                Err(error) if error.not_sent() => line.not_sent += 1,
                // Nobody knows: a real desk asks the exchange.
                Err(_) => {}
            });
        }));
    }
}

impl Actor for Desk {
    type Context = Context<Self>;
}

/// Trade over this feed.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Trade(pub(crate) Feed);

impl Handler<Trade> for Desk {
    type Result = ();

    fn handle(&mut self, Trade(feed): Trade, _: &mut Context<Self>) {
        self.feeds.insert(feed.name().to_string(), feed);
    }
}

impl Handler<Event> for Desk {
    type Result = ();

    fn handle(&mut self, event: Event, _: &mut Context<Self>) {
        let name = event.link.as_str();
        self.log(format_args!("{name}: {}", event.kind));
        match &event.kind {
            EventKind::Connected | EventKind::Reconnected { .. } => self.connection(name, true),
            EventKind::Disconnected { .. } => self.connection(name, false),
            EventKind::CircuitOpened { .. } => self.circuit(name, BreakerState::Open),
            EventKind::CircuitHalfOpen => self.circuit(name, BreakerState::HalfOpen),
            EventKind::CircuitClosed { .. } => self.circuit(name, BreakerState::Closed),
            _ => {}
        }
    }
}

impl Handler<FeedMessage> for Desk {
    type Result = ();

    fn handle(&mut self, message: FeedMessage, ctx: &mut Context<Self>) {
        let name = message.feed.as_str();
        match message.news {
            News::Message(payload) => {
                self.price(name, payload.as_text().unwrap_or_default(), ctx);
            }
            // The link tells it as well, and refused subscriptions, too: they are in the log.
            News::Gap(_) => self.change(name, |line| line.gaps += 1),
            News::Refused(_) => {}
            other => self.log(format_args!("{name}: {other:?}")),
        }
    }
}
