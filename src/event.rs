//! What everlink tells: one [`Event`] for each change in a link's life and each change of topology.

mod notice;

pub use notice::Notice;

use std::fmt;
use std::time::{Duration, SystemTime};

use actix::Message;
use serde::{Deserialize, Serialize};

use crate::endpoint::{Endpoint, LinkName};
use crate::exit::Cause;
use crate::policy::{BreakerState, Trip};

/// The state of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LinkState {
    /// Not started, or stopped on request.
    Stopped,
    /// A connection actor is dialling or in its handshake.
    Connecting,
    /// Connected and usable.
    Up,
    /// Waiting for the old connection to end.
    Closing,
    /// Waiting for the next attempt.
    Backoff,
    /// Given up fast attempts; waits for an operator, a new configuration or the slow probe.
    Parked,
}

/// Something happened to a link or to a topology.
///
/// Serializable with `serde`, with the time as in `"2026-01-31T12:00:00Z"` and durations as in
/// `"1s 500ms"`; `Display` is one line for logs. The sequence number counts from 1
/// for each link and has no holes: a subscriber that sees a hole was told so by
/// [`EventKind::Missed`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// The link (or, for topology events, the router) it happened to.
    pub link: LinkName,
    /// What the link dials; none for a router.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// Counts the events of this link, from 1, without holes.
    pub sequence: u64,
    /// Counts the connections of this link, from 1; 0 before the first.
    pub generation: u64,
    /// Wall-clock time; may jump when the clock is set.
    #[serde(with = "humantime_serde")]
    pub time: SystemTime,
    /// Monotonic time since the link was created; never jumps.
    #[serde(with = "humantime_serde")]
    pub uptime: Duration,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

impl Message for Event {
    type Result = ();
}

/// What happened. Durations are serialized as `"1s 500ms"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// An attempt to connect begins.
    Connecting,
    /// The link came up for the first time since it was started.
    Connected,
    /// The link came up again.
    Reconnected {
        /// Attempts it took since the last connection ended, the successful one included.
        attempts: u32,
        /// From the end of the last connection to now.
        #[serde(with = "humantime_serde")]
        downtime: Duration,
    },
    /// An attempt failed before the link was up.
    ConnectFailed {
        /// Why.
        cause: Cause,
        /// Which attempt it was, from 1.
        attempt: u32,
    },
    /// The link was up and is not any more.
    Disconnected {
        /// Why.
        cause: Cause,
    },
    /// The next attempt waits for its backoff.
    Reconnecting {
        /// The number of the attempt that comes, from 1.
        attempt: u32,
        /// How long it waits.
        #[serde(with = "humantime_serde")]
        delay: Duration,
        /// Why it is needed.
        cause: Cause,
    },
    /// Fast attempts ended: the link is parked.
    GaveUp {
        /// The last cause.
        cause: Cause,
        /// Attempts made since it was last up and stable.
        attempts: u32,
    },
    /// The link was stopped on request; its socket is closed.
    Stopped,
    /// Sent to a new subscriber for each link: how it stands now.
    Present {
        /// The state now.
        state: LinkState,
        /// The cause of the last failure, if there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_error: Option<Cause>,
        /// The state of its breaker, if it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        breaker: Option<BreakerState>,
    },
    /// The breaker of the link opened: while it is up, calls fail at once.
    CircuitOpened {
        /// Why.
        trip: Trip,
        /// When it turns half-open, unless the link reconnects before; none if it was forced.
        #[serde(
            default,
            with = "humantime_serde::option",
            skip_serializing_if = "Option::is_none"
        )]
        retry_after: Option<Duration>,
    },
    /// The breaker of the link lets a few calls through as probes.
    CircuitHalfOpen,
    /// The breaker of the link lets all calls through.
    CircuitClosed {
        /// Somebody said so, and nothing opens it until that is taken back.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        forced: bool,
    },
    /// The subscriber was too slow: this many events for it were dropped, oldest first.
    Missed {
        /// How many.
        count: u64,
    },
    /// News of this kind of connection that no other kind has, such as the gap in a feed.
    Notice(Notice),
    /// The topology changed.
    TopologyChanged {
        /// What made us look.
        trigger: RefreshTrigger,
        /// Nodes that are new.
        added: Vec<Endpoint>,
        /// Nodes that left, after their grace.
        removed: Vec<Endpoint>,
        /// How many slots have another owner than before.
        slots_moved: u32,
        /// How many slots have no owner.
        slots_uncovered: u32,
    },
    /// Reading the topology failed; the old one stays in force.
    TopologyFailed {
        /// What made us look.
        trigger: RefreshTrigger,
        /// Why it failed.
        cause: Cause,
    },
}

/// Why the topology was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RefreshTrigger {
    /// The first one.
    Start,
    /// The regular interval.
    Periodic,
    /// A node answered `MOVED`.
    Moved,
    /// A node answered `CLUSTERDOWN`, `READONLY` or `MASTERDOWN`.
    Unsettled,
    /// The link of a node that owns slots went down.
    NodeDown,
    /// Slots without an owner, or an owner that is not up: asked again until that is over.
    Uncovered,
    /// Somebody asked.
    Requested,
}

impl Event {
    /// What it takes of a bound: itself, and its texts as if they were its own.
    pub(crate) fn weight(&self) -> usize {
        let listed = |endpoints: &[Endpoint]| -> usize {
            let texts: usize = endpoints.iter().map(Endpoint::text_bytes).sum();
            texts + size_of_val(endpoints)
        };
        let kind = match &self.kind {
            EventKind::ConnectFailed { cause, .. }
            | EventKind::Disconnected { cause }
            | EventKind::Reconnecting { cause, .. }
            | EventKind::GaveUp { cause, .. }
            | EventKind::TopologyFailed { cause, .. } => cause.detail().len(),
            EventKind::Present { last_error, .. } => {
                last_error.as_ref().map_or(0, |cause| cause.detail().len())
            }
            EventKind::Notice(notice) => notice.text_bytes(),
            EventKind::TopologyChanged { added, removed, .. } => listed(added) + listed(removed),
            EventKind::Connecting
            | EventKind::Connected
            | EventKind::Reconnected { .. }
            | EventKind::Stopped
            | EventKind::Missed { .. }
            | EventKind::CircuitOpened { .. }
            | EventKind::CircuitHalfOpen
            | EventKind::CircuitClosed { .. } => 0,
        };
        let endpoint = self.endpoint.as_ref().map_or(0, Endpoint::text_bytes);
        size_of::<Self>() + self.link.as_str().len() + endpoint + kind
    }
}

impl EventKind {
    /// The name of this kind, as in its serialized form.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Reconnected { .. } => "reconnected",
            Self::ConnectFailed { .. } => "connect_failed",
            Self::Disconnected { .. } => "disconnected",
            Self::Reconnecting { .. } => "reconnecting",
            Self::GaveUp { .. } => "gave_up",
            Self::Stopped => "stopped",
            Self::Present { .. } => "present",
            Self::CircuitOpened { .. } => "circuit_opened",
            Self::CircuitHalfOpen => "circuit_half_open",
            Self::CircuitClosed { .. } => "circuit_closed",
            Self::Missed { .. } => "missed",
            Self::Notice(_) => "notice",
            Self::TopologyChanged { .. } => "topology_changed",
            Self::TopologyFailed { .. } => "topology_failed",
        }
    }
}

impl fmt::Display for LinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stopped => "stopped",
            Self::Connecting => "connecting",
            Self::Up => "up",
            Self::Closing => "closing",
            Self::Backoff => "backoff",
            Self::Parked => "parked",
        })
    }
}

impl fmt::Display for RefreshTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "start",
            Self::Periodic => "periodic",
            Self::Moved => "moved",
            Self::Unsettled => "unsettled",
            Self::NodeDown => "node down",
            Self::Uncovered => "uncovered",
            Self::Requested => "requested",
        })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.link)?;
        if let Some(endpoint) = &self.endpoint
            && endpoint.to_string() != self.link.as_str()
        {
            write!(f, " ({endpoint})")?;
        }
        write!(
            f,
            " #{} gen {}: {}",
            self.sequence, self.generation, self.kind
        )
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting"),
            Self::Connected => f.write_str("connected"),
            Self::Reconnected { attempts, downtime } => {
                write!(f, "reconnected after {downtime:.1?}, {attempts} attempt(s)")
            }
            Self::ConnectFailed { cause, attempt } => {
                write!(f, "attempt {attempt} failed: {cause}")
            }
            Self::Disconnected { cause } => write!(f, "disconnected: {cause}"),
            Self::Reconnecting {
                attempt,
                delay,
                cause,
            } => write!(f, "attempt {attempt} in {delay:.1?} ({})", cause.kind()),
            Self::GaveUp { cause, attempts } => {
                write!(f, "gave up after {attempts} attempt(s), parked: {cause}")
            }
            Self::Stopped => f.write_str("stopped"),
            Self::Present {
                state,
                last_error,
                breaker,
            } => {
                write!(f, "is {state}")?;
                if let Some(breaker) = breaker
                    && *breaker != BreakerState::Closed
                {
                    write!(f, ", circuit {breaker}")?;
                }
                match last_error {
                    Some(cause) => write!(f, ", last error {cause}"),
                    None => Ok(()),
                }
            }
            Self::CircuitOpened { trip, retry_after } => {
                write!(f, "circuit opened: {trip}")?;
                match retry_after {
                    Some(after) => write!(f, ", tried again in {after:.1?}"),
                    None => Ok(()),
                }
            }
            Self::CircuitHalfOpen => f.write_str("circuit half-open"),
            Self::CircuitClosed { forced: false } => f.write_str("circuit closed"),
            Self::CircuitClosed { forced: true } => f.write_str("circuit closed: forced"),
            Self::Missed { count } => write!(f, "{count} event(s) missed by this subscriber"),
            Self::Notice(notice) => write!(f, "{notice}"),
            Self::TopologyChanged {
                trigger,
                added,
                removed,
                slots_moved,
                slots_uncovered,
            } => write!(
                f,
                "topology changed ({trigger}): {} node(s) added, {} removed, {slots_moved} slot(s) moved, {slots_uncovered} uncovered",
                added.len(),
                removed.len()
            ),
            Self::TopologyFailed { trigger, cause } => {
                write!(f, "topology refresh failed ({trigger}): {cause}")
            }
        }
    }
}
