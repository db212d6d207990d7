//! How one link stands: [`LinkStatus`], derived from its events.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;

use crate::clock::now;
use crate::endpoint::{Endpoint, LinkName};
use crate::event::{Event, EventKind, LinkState};
use crate::exit::{Cause, Class};
use crate::policy::{BreakerState, Trip};

/// How a link stands.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct LinkStatus {
    /// The link.
    pub link: LinkName,
    /// What it dials.
    pub endpoint: Option<Endpoint>,
    /// Its state.
    pub state: LinkState,
    /// Since when it is in this state.
    pub since: SystemTime,
    /// Counts its connections.
    pub generation: u64,
    /// The attempt under way or to come; 0 while the link is up or stopped.
    pub attempt: u32,
    /// The last failure; being closed on request is none.
    pub last_error: Option<Cause>,
    /// The state of its breaker; none if it has none.
    pub breaker: Option<BreakerState>,
    /// How often it came up.
    pub connects: u64,
    /// How often it went down.
    pub disconnects: u64,
    /// When a request last used it, to about a second.
    pub last_used: Option<SystemTime>,
    /// The sequence number of its last event.
    pub sequence: u64,
    /// Monotonic time of its last event since the link was created.
    #[serde(skip)]
    pub(crate) uptime: Duration,
}

impl LinkStatus {
    pub(crate) fn new(link: LinkName, endpoint: Option<Endpoint>) -> Self {
        Self {
            link,
            endpoint,
            state: LinkState::Stopped,
            since: SystemTime::now(),
            generation: 0,
            attempt: 0,
            last_error: None,
            breaker: None,
            connects: 0,
            disconnects: 0,
            last_used: None,
            sequence: 0,
            uptime: Duration::ZERO,
        }
    }

    pub(crate) fn apply(&mut self, event: &Event) {
        self.endpoint.clone_from(&event.endpoint);
        self.sequence = event.sequence;
        self.generation = event.generation;
        self.uptime = event.uptime;
        let state = match &event.kind {
            EventKind::Connecting => {
                self.attempt = self.attempt.max(1);
                LinkState::Connecting
            }
            EventKind::Connected | EventKind::Reconnected { .. } => {
                self.connects += 1;
                self.attempt = 0;
                LinkState::Up
            }
            EventKind::ConnectFailed { cause, attempt } => {
                if cause.class() != Class::Requested {
                    self.last_error = Some(cause.clone());
                }
                self.attempt = *attempt;
                LinkState::Closing
            }
            EventKind::Disconnected { cause } => {
                self.disconnects += 1;
                // What was asked for is no failure.
                if cause.class() != Class::Requested {
                    self.last_error = Some(cause.clone());
                }
                LinkState::Closing
            }
            EventKind::Reconnecting { attempt, .. } => {
                self.attempt = *attempt;
                LinkState::Backoff
            }
            EventKind::GaveUp { .. } => LinkState::Parked,
            EventKind::Stopped => {
                self.attempt = 0;
                LinkState::Stopped
            }
            EventKind::CircuitOpened { trip, .. } => {
                self.breaker = Some(match trip {
                    Trip::Forced => BreakerState::ForcedOpen,
                    _ => BreakerState::Open,
                });
                return;
            }
            EventKind::CircuitHalfOpen => {
                self.breaker = Some(BreakerState::HalfOpen);
                return;
            }
            EventKind::CircuitClosed { forced } => {
                self.breaker = Some(if *forced {
                    BreakerState::ForcedClosed
                } else {
                    BreakerState::Closed
                });
                return;
            }
            EventKind::Present { .. }
            | EventKind::Missed { .. }
            | EventKind::Notice(_)
            | EventKind::TopologyChanged { .. }
            | EventKind::TopologyFailed { .. } => return,
        };
        if state != self.state {
            self.state = state;
            self.since = event.time;
        }
    }

    /// What a new subscriber is told of this link.
    pub(crate) fn present(&self) -> Event {
        Event {
            link: self.link.clone(),
            endpoint: self.endpoint.clone(),
            sequence: self.sequence,
            generation: self.generation,
            time: SystemTime::now(),
            uptime: self.uptime,
            kind: EventKind::Present {
                state: self.state,
                last_error: self.last_error.clone(),
                breaker: self.breaker,
            },
        }
    }
}

/// When a link was last used. Written by its connection, read by the registry.
#[derive(Debug, Clone)]
pub(crate) struct LastUsed(Arc<Used>);

/// By the instants that its connection reads anyway: the time of day would be one more clock to ask in
/// each turn.
#[derive(Debug)]
struct Used {
    born: Instant,
    /// Milliseconds after that, and one; 0 while it was never used.
    at: AtomicU64,
}

impl LastUsed {
    pub(crate) fn never() -> Self {
        Self(Arc::new(Used {
            born: now(),
            at: AtomicU64::new(0),
        }))
    }

    /// Marks it as used now; called once for a batch of requests, not for each.
    #[inline]
    pub(crate) fn touch(&self, now: Instant) {
        let age = now.saturating_duration_since(self.0.born);
        let at = age.as_secs() * 1_000 + u64::from(age.subsec_millis()) + 1;
        self.0.at.store(at, Ordering::Relaxed);
    }

    /// Whether both are of the same incarnation of a link, not only of one with the same name.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn get(&self) -> Option<SystemTime> {
        let at = self.0.at.load(Ordering::Relaxed).checked_sub(1)?;
        let age = now().saturating_duration_since(self.0.born);
        let ago = age.saturating_sub(Duration::from_millis(at));
        // Only told: the time of day so long ago.
        let wall = SystemTime::now();
        wall.checked_sub(ago)
    }
}
