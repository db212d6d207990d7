//! What a scripted connection is to do.

use std::time::Duration;

use everlink::exit::CauseKind;

/// What one connection does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Usable this long after the dial, if ever.
    pub(super) ready: Option<Duration>,
    /// And then, this long after the dial.
    pub(super) end: Option<(Duration, End)>,
    /// How long it takes to obey an order to close.
    pub(super) obeys: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    Exit(CauseKind),
    Unhealthy(CauseKind),
    Panic(&'static str),
    Wordless,
    /// No end at all: it is used.
    Used,
}

impl Plan {
    /// Comes up at once, stays up, and closes as soon as it is asked to.
    pub(crate) const fn up() -> Self {
        Self {
            ready: Some(Duration::ZERO),
            end: None,
            obeys: Some(Duration::ZERO),
        }
    }

    /// Never comes up.
    pub(crate) const fn hangs() -> Self {
        Self {
            ready: None,
            ..Self::up()
        }
    }

    /// Fails its dial at once.
    pub(crate) const fn fails(kind: CauseKind) -> Self {
        Self::hangs().then(Duration::ZERO, End::Exit(kind))
    }

    pub(crate) const fn ready_after(self, after: Duration) -> Self {
        Self {
            ready: Some(after),
            ..self
        }
    }

    pub(crate) const fn then(self, after: Duration, end: End) -> Self {
        Self {
            end: Some((after, end)),
            ..self
        }
    }

    /// Takes this long to close; `None`: for ever.
    pub(crate) const fn obeys_after(self, after: Option<Duration>) -> Self {
        Self {
            obeys: after,
            ..self
        }
    }
}
