//! The protocol of the test's server, as a feed knows it.

use std::sync::Arc;

use everlink::websocket::{Incoming, Payload, Protocol, Topic, Which};

/// What the test's server speaks.
#[derive(Default)]
pub(crate) struct Lines {
    /// Lives as long as anything of the feed does.
    pub(crate) token: Arc<()>,
}

impl Protocol for Lines {
    fn subscribe(&self, topic: &Topic, _: u64) -> Payload {
        Payload::text(format!("+{topic}"))
    }

    fn unsubscribe(&self, topic: &Topic, _: u64) -> Payload {
        Payload::text(format!("-{topic}"))
    }

    fn classify(&self, message: &Payload) -> Incoming {
        let text = message.as_text().unwrap_or_default();
        assert_ne!(text, "panic", "as told");
        let topic = |rest: &str| Which::Topic(rest.into());
        if let Some(rest) = text.strip_prefix("ok +") {
            Incoming::Subscribed(topic(rest))
        } else if let Some(rest) = text.strip_prefix("ok -") {
            Incoming::Unsubscribed(topic(rest))
        } else if let Some(rest) = text.strip_prefix("no ") {
            Incoming::Refused(topic(&rest[1..]), "as told".to_owned())
        } else {
            Incoming::Data
        }
    }

    fn key(&self, message: &Payload) -> Option<String> {
        let (key, _) = message.as_text()?.split_once('=')?;
        Some(key.to_owned())
    }
}
