//! What can go wrong with a command: [`Error`], its [`ErrorKind`], and what it says of the
//! command's fate, its [`Outcome`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::endpoint::Endpoint;
use crate::exit::Cause;
use crate::policy::Refusal;
use crate::redis::value::ServerError;
use crate::wording::{after_colon, place};

pub use crate::outcome::Outcome;

/// The result of everything here that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed command: what went wrong, what became of it, where, and which.
///
/// It names endpoint and command, never the arguments. One word wide, so that results stay small.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    outcome: Outcome,
    endpoint: Option<Endpoint>,
    command: Option<Arc<str>>,
    reason: Option<Cause>,
}

/// What went wrong.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The server answered with an error.
    #[error("server error: {0}")]
    Server(ServerError),
    /// The deadline of the call passed.
    #[error("deadline of {0:?} passed")]
    Deadline(Duration),
    /// The connection was lost while the command was in flight.
    #[error("connection lost: {0}")]
    Lost(#[source] Cause),
    /// It was written, and not answered within its policy's time for one attempt.
    #[error("not answered within {0:?}")]
    Unanswered(Duration),
    /// It was sent again as often as its [`RetryPolicy`](crate::redis::RetryPolicy) allows.
    #[error("gave up after {retries} {}: {last}", if *.retries == 1 { "retry" } else { "retries" })]
    Exhausted {
        /// How often it was sent again.
        retries: u32,
        /// What went wrong the last time.
        #[source]
        last: Box<ErrorKind>,
    },
    /// The link is down, and the configuration says not to wait.
    #[error("link is down{}", after_colon(.0.as_ref()))]
    Down(#[source] Option<Cause>),
    /// The link is parked: fast attempts were given up.
    #[error("link is parked: {0}")]
    Parked(#[source] Cause),
    /// The circuit breaker of the link is open, or half-open with its probes under way. It says
    /// when to try again.
    #[error("{0}")]
    CircuitOpen(Refusal),
    /// The link's waiting queue is full.
    #[error("waiting queue is full: {requests} request(s), {bytes} byte(s)")]
    QueueFull {
        /// Requests that wait.
        requests: usize,
        /// Bytes that wait.
        bytes: usize,
    },
    /// The router is stopped or draining.
    #[error("client is stopped")]
    Stopped,
    /// No node owns the slot, or the topology is not known yet.
    #[error("no node serves slot {0}")]
    SlotUncovered(u16),
    /// A redirect led nowhere: too many, or to an endpoint that cannot be used.
    #[error("redirects exhausted after {count}: {last}")]
    Redirects {
        /// How many were followed.
        count: u8,
        /// The last one.
        last: ServerError,
    },
    /// A redirect led to this endpoint, which the configuration's `allowed_endpoints` do not allow.
    #[error("redirect to {0}, which allowed_endpoints does not allow")]
    NotAllowed(Endpoint),
    /// The command would change or block the shared connection.
    #[error("{reason}")]
    Unsuitable {
        /// Why, and what to use instead.
        reason: &'static str,
    },
    /// Its keys are in different slots.
    #[error("keys are in different slots")]
    CrossSlot,
    /// The reply is of another type than the one asked for.
    #[error("expected {expected}, got {got}")]
    Conversion {
        /// What was asked for.
        expected: Arc<str>,
        /// What came.
        got: Arc<str>,
    },
    /// The configuration cannot work.
    #[error("invalid configuration: {0}")]
    Config(Arc<str>),
}

impl Error {
    /// An error of this kind, without endpoint and command.
    pub(crate) fn new(kind: ErrorKind, outcome: Outcome) -> Self {
        Self(Box::new(Inner {
            kind,
            outcome,
            endpoint: None,
            command: None,
            reason: None,
        }))
    }

    /// The configuration cannot work.
    pub(crate) fn config(reason: impl AsRef<str>) -> Self {
        Self::new(ErrorKind::Config(reason.as_ref().into()), Outcome::NotSent)
    }

    /// The router is gone.
    pub(crate) fn stopped() -> Self {
        Self::new(ErrorKind::Stopped, Outcome::NotSent)
    }

    /// A reply of another type than the one asked for. For implementations of
    /// [`FromValue`](crate::redis::FromValue).
    pub fn conversion(expected: impl AsRef<str>, got: impl AsRef<str>) -> Self {
        Self::new(
            ErrorKind::Conversion {
                expected: expected.as_ref().into(),
                got: got.as_ref().into(),
            },
            Outcome::Executed,
        )
    }

    #[must_use]
    pub(crate) fn at(mut self, endpoint: &Endpoint) -> Self {
        self.0.endpoint = Some(endpoint.clone());
        self
    }

    #[must_use]
    pub(crate) fn of(mut self, command: &str) -> Self {
        self.0.command = Some(command.into());
        self
    }

    /// Adds what lies behind it.
    #[must_use]
    pub(crate) fn because(mut self, reason: Option<Cause>) -> Self {
        self.0.reason = reason;
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// What became of the command.
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// Where it happened, if it got that far.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.0.endpoint.as_ref()
    }

    /// What lies behind it, if it is known: why the link was down while a deadline passed, why the
    /// connection was lost, why the link is parked.
    pub fn cause(&self) -> Option<&Cause> {
        self.0.kind.cause().or(self.0.reason.as_ref())
    }

    /// The name of the command, such as `INCR`. Never its arguments.
    pub fn command(&self) -> Option<&str> {
        self.0.command.as_deref()
    }

    /// The code word of the server's error reply, such as `WRONGTYPE`; after retries, of the last.
    pub fn code(&self) -> Option<&str> {
        self.0.kind.code()
    }
}

impl ErrorKind {
    fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Lost(cause) | Self::Parked(cause) | Self::Down(Some(cause)) => Some(cause),
            Self::Exhausted { last, .. } => last.cause(),
            _ => None,
        }
    }

    fn code(&self) -> Option<&str> {
        match self {
            Self::Server(error) => Some(error.code()),
            Self::Exhausted { last, .. } => last.code(),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        place(f, self.command(), self.endpoint())?;
        write!(f, "{}", self.0.kind)?;
        match (&self.0.kind, &self.0.reason) {
            (ErrorKind::Deadline(_), Some(reason)) => write!(f, ", not connected: {reason}")?,
            (_, Some(reason)) => write!(f, "; {}", reason.detail())?,
            (_, None) => {}
        }
        match self.0.kind {
            // No command is concerned.
            ErrorKind::Config(_) => Ok(()),
            _ => write!(f, " ({})", self.0.outcome),
        }
    }
}

/// `{:?}` is the text in one line, since that is what a `main` that returns an error prints;
/// `{:#?}` shows the parts.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return fmt::Display::fmt(self, f);
        }
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("outcome", &self.0.outcome)
            .field("endpoint", &self.0.endpoint)
            .field("command", &self.0.command)
            .field("reason", &self.0.reason)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause()
            .map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}
