//! What a feed sends and receives: [`Payload`], and what its subscriber is told: [`FeedMessage`].

use std::fmt;
use std::ops::Deref;

use actix::Message;
use bytes::Bytes;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::endpoint::LinkName;
use crate::websocket::gap::Gap;
use crate::websocket::topic::Refused;

/// The text of a message. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Text(Utf8Bytes);

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.0.as_str()
    }
}

impl<T: Into<String>> From<T> for Text {
    fn from(text: T) -> Self {
        Self(text.into().into())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// One WebSocket message, whole. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Payload {
    /// A text message.
    Text(Text),
    /// A binary message.
    Binary(Bytes),
}

/// Not what is in it: subscribe messages may hold credentials, and others anything.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Binary(bytes) => write!(f, "Binary({} bytes)", bytes.len()),
        }
    }
}

impl Payload {
    /// A text message.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into().into())
    }

    /// A binary message.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// Its text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// Its bytes, of a text too.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    pub(crate) fn from_text(text: Utf8Bytes) -> Self {
        Self::Text(Text(text))
    }

    pub(crate) fn into_frame(self) -> tokio_tungstenite::tungstenite::Message {
        match self {
            Self::Text(text) => tokio_tungstenite::tungstenite::Message::Text(text.0),
            Self::Binary(bytes) => tokio_tungstenite::tungstenite::Message::Binary(bytes),
        }
    }
}

/// What the subscriber of a feed is told, in the order in which it happened.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
#[non_exhaustive]
pub struct FeedMessage {
    /// The feed.
    pub feed: LinkName,
    /// Counts the connections of the feed, from 1: the one this is of.
    pub generation: u64,
    /// What is told.
    pub news: News,
}

/// One thing that the subscriber of a feed is told.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum News {
    /// The server sent a message.
    Message(Payload),
    /// The feed was down, and is whole again: what the server sent in between is missing here.
    Gap(Gap),
    /// The server did not grant a request.
    Refused(Refused),
    /// The subscriber was too slow: so many messages (and notices such as these) were dropped here.
    Dropped {
        /// How many.
        count: u64,
    },
}
