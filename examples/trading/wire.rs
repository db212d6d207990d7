//! What the exchanges speak: `subscribe S` and `unsubscribe S`, answered by `subscribed S` and
//! `unsubscribed S`; prices as `price S 101`; orders as `order S`.

use everlink::websocket::{Incoming, Payload, Protocol, Topic, Which};

/// What is traded.
pub(crate) const SYMBOLS: [&str; 3] = ["BTC", "ETH", "XRP"];

/// The client's side.
pub(crate) struct Wire;

impl Protocol for Wire {
    fn subscribe(&self, topic: &Topic, _: u64) -> Payload {
        Payload::text(format!("subscribe {topic}"))
    }

    fn unsubscribe(&self, topic: &Topic, _: u64) -> Payload {
        Payload::text(format!("unsubscribe {topic}"))
    }

    fn classify(&self, message: &Payload) -> Incoming {
        let text = message.as_text().unwrap_or_default();
        let topic = |name: &str| Which::Topic(name.into());
        match text.split_once(' ') {
            Some(("subscribed", name)) => Incoming::Subscribed(topic(name)),
            Some(("unsubscribed", name)) => Incoming::Unsubscribed(topic(name)),
            _ => Incoming::Data,
        }
    }

    fn key(&self, message: &Payload) -> Option<String> {
        symbol(message.as_text()?).map(str::to_owned)
    }
}

/// Of which a price is.
pub(crate) fn symbol(text: &str) -> Option<&str> {
    text.strip_prefix("price ")?.split(' ').next()
}
