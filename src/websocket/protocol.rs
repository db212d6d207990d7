//! What the messages of a server mean: [`Protocol`].

use crate::exit::CauseKind;
use crate::websocket::message::Payload;
use crate::websocket::topic::{Topic, Which};

/// How one subscribes at a server, and what its messages mean. Made by the user of a feed.
///
/// Everything here is called from the future that works the socket: it must not block. A panic ends
/// the connection and counts as a crash.
///
/// ```
/// use everlink::websocket::{Incoming, Payload, Protocol, Topic, Which};
///
/// /// Lines such as `+BTC`, `-BTC`; answered by `ok +BTC` or `no +BTC`.
/// struct Lines;
///
/// impl Protocol for Lines {
///     fn subscribe(&self, topic: &Topic, _: u64) -> Payload {
///         Payload::text(format!("+{topic}"))
///     }
///
///     fn unsubscribe(&self, topic: &Topic, _: u64) -> Payload {
///         Payload::text(format!("-{topic}"))
///     }
///
///     fn classify(&self, message: &Payload) -> Incoming {
///         let text = message.as_text().unwrap_or_default();
///         if let Some(topic) = text.strip_prefix("ok +") {
///             Incoming::Subscribed(Which::Topic(topic.into()))
///         } else if let Some(topic) = text.strip_prefix("ok -") {
///             Incoming::Unsubscribed(Which::Topic(topic.into()))
///         } else if let Some(topic) = text.strip_prefix("no +") {
///             Incoming::Refused(Which::Topic(topic.into()), "no such topic".to_owned())
///         } else {
///             Incoming::Data
///         }
///     }
/// }
/// ```
pub trait Protocol: Send + Sync + 'static {
    /// The message that subscribes to a topic. `id` is different for each request of a feed.
    fn subscribe(&self, topic: &Topic, id: u64) -> Payload;

    /// The message that ends a subscription.
    fn unsubscribe(&self, topic: &Topic, id: u64) -> Payload;

    /// What a message is: an answer, or data for the subscriber.
    fn classify(&self, message: &Payload) -> Incoming;

    /// Whether the server acknowledges. If not, what was written counts as accepted. Default true.
    fn acknowledges(&self) -> bool {
        true
    }

    /// Of messages with the same key only the last one counts; for
    /// [`Lag::KeepLatest`](crate::websocket::Lag). Default none.
    fn key(&self, message: &Payload) -> Option<String> {
        let _ = message;
        None
    }

    /// Whether the server sends messages without a subscription, so that a feed without one can be
    /// stale. Default false.
    fn unasked(&self) -> bool {
        false
    }

    /// What a close code means for the link; of the codes from 4000 on only the server's makers
    /// know. Default: as in `docs/websocket.md`; all of them are transient.
    fn closed(&self, code: u16) -> CauseKind {
        match code {
            1002 | 1003 | 1007 | 1009 | 1010 => CauseKind::Protocol,
            1008 | 1011 | 1012 | 1013 => CauseKind::Unavailable,
            _ => CauseKind::Closed,
        }
    }
}

/// What a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Incoming {
    /// For the subscriber.
    Data,
    /// A subscription was accepted.
    Subscribed(Which),
    /// The end of a subscription was accepted.
    Unsubscribed(Which),
    /// A request was refused, for this reason; or a subscription that stood was taken back.
    Refused(Which, String),
    /// Of no interest to anybody, such as a heartbeat. It is a sign of life, but no message.
    Ignore,
}

/// The protocol of a server that sends without being asked: everything it sends is data. A
/// subscription is a text message with the name of the topic, and is not acknowledged.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unasked;

impl Protocol for Unasked {
    fn subscribe(&self, topic: &Topic, _: u64) -> Payload {
        Payload::text(topic.as_str())
    }

    fn unsubscribe(&self, topic: &Topic, _: u64) -> Payload {
        Payload::text(topic.as_str())
    }

    fn classify(&self, _: &Payload) -> Incoming {
        Incoming::Data
    }

    fn acknowledges(&self) -> bool {
        false
    }

    fn unasked(&self) -> bool {
        true
    }
}
