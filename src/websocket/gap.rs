//! The time in which a feed may have missed messages: [`Gap`].

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use humantime_serde::re::humantime::{format_duration, format_rfc3339_millis};

use crate::event::Notice;
use crate::exit::Cause;
use crate::websocket::topic::Topic;

/// A time in which messages may have been missed: one for each outage, told between the last message
/// before it and the first one after it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Gap {
    /// What the feed was subscribed to when the connection was lost, by name. Empty where the
    /// server sends without being asked.
    pub topics: Vec<Topic>,
    /// When the lost connection was heard of last, by the wall clock, which may jump.
    pub from: SystemTime,
    /// When all subscriptions were restored, by the wall clock.
    pub until: SystemTime,
    /// From then to then, by a clock that does not jump.
    pub duration: Duration,
    /// Why the connection was lost.
    pub cause: Cause,
}

impl Gap {
    /// As the link tells it.
    pub(crate) fn notice(&self) -> Notice {
        let topics: Vec<&str> = self.topics.iter().map(Topic::as_str).collect();
        Notice::new("gap", self.to_string())
            .with("topics", topics.join(", "))
            .with("from", format_rfc3339_millis(self.from).to_string())
            .with("until", format_rfc3339_millis(self.until).to_string())
            .with("duration", format_duration(self.duration).to_string())
            .with("cause", self.cause.kind().to_string())
    }

    /// What it takes in a queue, about.
    pub(crate) fn weight(&self) -> usize {
        let topics: usize = self.topics.iter().map(|it| it.as_str().len() + 32).sum();
        size_of::<Self>() + topics + self.cause.detail().len()
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (topics, duration) = (self.topics.len(), self.duration);
        write!(
            f,
            "gap of {duration:.1?} in {topics} topic(s): {}",
            self.cause
        )
    }
}

/// An instant, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) wall: SystemTime,
    pub(crate) instant: Instant,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self {
            wall: SystemTime::now(),
            instant: tokio::time::Instant::now().into_std(),
        }
    }
}

/// Follows the outages of one feed. An outage lasts over failed attempts.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    heard: Option<Moment>,
    lost: Option<(Vec<Topic>, Moment)>,
    cause: Option<Cause>,
}

impl Outage {
    /// Something was heard of the connection.
    pub(crate) fn heard(&mut self, now: Moment) {
        self.heard = Some(now);
    }

    /// A connection that was usable is gone.
    pub(crate) fn begins(&mut self, topics: Vec<Topic>, now: Moment) {
        self.lost.get_or_insert((topics, self.heard.unwrap_or(now)));
    }

    /// Why; told apart, and perhaps before.
    pub(crate) fn because(&mut self, cause: Cause) {
        self.cause = Some(cause);
    }

    /// The feed is whole again.
    pub(crate) fn ends(&mut self, now: Moment) -> Option<Gap> {
        self.heard = Some(now);
        let (topics, from) = self.lost.take()?;
        let unknown = || crate::exit::CauseKind::Unexplained.into();
        Some(Gap {
            topics,
            from: from.wall,
            until: now.wall,
            duration: now.instant.saturating_duration_since(from.instant),
            cause: self.cause.take().unwrap_or_else(unknown),
        })
    }
}
