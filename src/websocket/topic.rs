//! What a feed is subscribed to by name, and what a server says to that: [`Topic`], [`Refused`].

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::Notice;

/// What one subscribes to: a channel, a symbol, whatever the server's protocol has. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Topic(Arc<str>);

impl Topic {
    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: AsRef<str>> From<T> for Topic {
    fn from(name: T) -> Self {
        Self(name.as_ref().into())
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What a server was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// To send a topic.
    Subscribe,
    /// To send it no more.
    Unsubscribe,
}

/// Which request an answer is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// That with this id.
    Id(u64),
    /// The last one for this topic.
    Topic(Topic),
}

impl Which {
    pub(crate) fn fits(&self, id: u64) -> bool {
        match self {
            Self::Id(it) => *it == id,
            Self::Topic(_) => true,
        }
    }
}

/// A subscription, or its end, that the server did not grant. It holds up none of the others; it is
/// asked for again on the next connection, or when it is subscribed to anew.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// Which.
    pub topic: Topic,
    /// What was asked for.
    pub action: Action,
    /// Why it was not granted.
    pub refusal: Refusal,
}

/// Why a request was not granted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The server said so, in these words, cut at 1 KiB.
    Denied(Arc<str>),
    /// It said nothing within the deadline for acknowledgements.
    NoAnswer,
}

impl Refusal {
    /// The longest reason that is kept, in bytes: a server may say anything.
    const MAX_REASON: usize = 1024;

    pub(crate) fn new(reason: &str) -> Self {
        let mut end = reason.len().min(Self::MAX_REASON);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        Self::Denied(reason[..end].into())
    }
}

impl Refused {
    pub(crate) fn new(topic: Topic, action: Action, refusal: Refusal) -> Self {
        Self {
            topic,
            action,
            refusal,
        }
    }

    /// As the link tells it.
    pub(crate) fn notice(&self) -> Notice {
        let action = match self.action {
            Action::Subscribe => "subscribe",
            Action::Unsubscribe => "unsubscribe",
        };
        let notice = Notice::new("refused", self.to_string())
            .with("topic", &self.topic.0)
            .with("action", action);
        match &self.refusal {
            Refusal::Denied(reason) => notice.with("reason", reason),
            Refusal::NoAnswer => notice,
        }
    }

    /// What it takes in a queue, about.
    pub(crate) fn weight(&self) -> usize {
        let reason = match &self.refusal {
            Refusal::Denied(reason) => reason.len(),
            Refusal::NoAnswer => 0,
        };
        size_of::<Self>() + self.topic.as_str().len() + reason
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = match self.action {
            Action::Subscribe => "subscribe to",
            Action::Unsubscribe => "unsubscribe from",
        };
        match &self.refusal {
            Refusal::Denied(reason) => {
                let reason = reason.escape_debug();
                write!(f, "the server refused to {asked} {}: {reason}", self.topic)
            }
            Refusal::NoAnswer => write!(f, "no answer to: {asked} {}", self.topic),
        }
    }
}
