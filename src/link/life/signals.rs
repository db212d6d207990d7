//! What a link is told, what it wants done, and what tells early from late: [`Input`], [`Action`],
//! [`Timer`], [`Generation`], [`Epoch`].

use std::time::Duration;

use crate::event::EventKind;
use crate::exit::Cause;

/// Counts the connections of a link, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation(pub(crate) u64);

impl Generation {
    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }
}

/// Counts the waits of a link: a timer that belongs to an earlier wait changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Epoch(pub(super) u64);

/// What a link is told.
#[derive(Debug, Clone)]
pub(crate) enum Input {
    Start,
    Stop,
    /// Stop, and drain for so long at most, whatever the settings say.
    StopWithin(Duration),
    ReconnectNow,
    Reconfigured,
    ChildReady(Generation),
    ChildUnhealthy(Generation, Cause),
    ChildExit(Generation, Cause),
    Timer(Timer),
}

/// What a link waits for. Each names the generation or epoch it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timer {
    Connect(Generation),
    Stable(Generation),
    Kill(Generation),
    Backoff(Epoch),
    Probe(Epoch),
}

/// What the link wants done, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    /// Start a connection actor of this generation and arm its connect deadline.
    Spawn(Generation),
    /// Ask it to end: after finishing what is in flight, or at once.
    Close {
        drain: bool,
    },
    /// Drop it where it stands.
    Abort,
    Arm(Timer, Duration),
    Emit(EventKind),
}
