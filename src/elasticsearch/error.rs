//! What can go wrong with a request: [`Error`], its [`ErrorKind`], and what it says of the
//! request's fate, its [`Outcome`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::elasticsearch::response::Response;
use crate::endpoint::Endpoint;
use crate::exit::Cause;
use crate::policy::Refusal;
use crate::wording::{after_colon, place};

pub use crate::outcome::Outcome;

/// The result of everything here that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The answer is an error: see [`Response::into_result`].
    #[error("answered with {0}")]
    Status(Response),
    /// A node is overloaded or not available for now (429, 502, 503, 504), and either the request
    /// must not be repeated or all repetitions ended so.
    #[error("busy: answered with {0}")]
    Busy(Response),
    /// The credentials were refused (401).
    #[error("the credentials were refused: answered with {0}")]
    Denied(Response),
    /// Its deadline passed while it was with a node.
    #[error("deadline of {0:?} passed")]
    Deadline(Duration),
    /// Its connection was lost.
    #[error("connection lost: {0}")]
    Lost(#[source] Cause),
    /// No node was to be had before its deadline.
    #[error("no node within {waited:?}{}", after_colon(.cause.as_ref()))]
    NoNode {
        /// How long it waited.
        waited: Duration,
        /// Why a node was out, if one was.
        #[source]
        cause: Option<Cause>,
    },
    /// The links of all nodes are parked: fast attempts were given up.
    #[error("all nodes are parked: {0}")]
    Parked(#[source] Cause),
    /// The circuit breakers of all nodes that are up are open.
    #[error("{0}")]
    CircuitOpen(Refusal),
    /// As many requests, or bytes of them, as are allowed wait or are under way already.
    #[error("{requests} requests of {bytes} bytes wait or are under way already")]
    QueueFull {
        /// How many.
        requests: usize,
        /// The bytes of their bodies.
        bytes: usize,
    },
    /// The client is stopped.
    #[error("client is stopped")]
    Stopped,
    /// The answer is larger than the configuration allows.
    #[error("answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The answer is no JSON, or of another shape than the one asked for.
    #[error("the answer does not convert into the type asked for ({0})")]
    Json(Arc<str>),
    /// The request cannot be sent.
    #[error("invalid request: {0}")]
    Request(Arc<str>),
    /// The configuration cannot work.
    #[error("invalid configuration: {0}")]
    Config(Arc<str>),
}

/// A failed request: what went wrong, what became of it, where, and which kind of request it was.
///
/// It never shows the request's body, nor the parts of its path that name indices or documents.
/// One word wide.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    outcome: Outcome,
    endpoint: Option<Endpoint>,
    verb: Option<Arc<str>>,
}

impl Error {
    pub(super) fn new(kind: ErrorKind, outcome: Outcome) -> Self {
        Self(Box::new(Inner {
            kind,
            outcome,
            endpoint: None,
            verb: None,
        }))
    }

    pub(super) fn config(reason: impl AsRef<str>) -> Self {
        Self::not_sent(ErrorKind::Config(reason.as_ref().into()))
    }

    pub(super) fn not_sent(kind: ErrorKind) -> Self {
        Self::new(kind, Outcome::NotSent)
    }

    #[must_use]
    pub(super) fn at(mut self, endpoint: &Endpoint) -> Self {
        self.0.endpoint = Some(endpoint.clone());
        self
    }

    #[must_use]
    pub(super) fn of(mut self, verb: &str) -> Self {
        self.0.verb.get_or_insert_with(|| verb.into());
        self
    }

    #[must_use]
    pub(super) fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.0.outcome = outcome;
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// What became of the request.
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// The node where it happened, if it got that far.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.0.endpoint.as_ref()
    }

    /// The method and the name of the API, such as `POST _bulk`.
    pub fn verb(&self) -> Option<&str> {
        self.0.verb.as_deref()
    }

    /// The answer, where there was one that could be read.
    pub fn response(&self) -> Option<&Response> {
        match &self.0.kind {
            ErrorKind::Status(response)
            | ErrorKind::Busy(response)
            | ErrorKind::Denied(response) => Some(response),
            _ => None,
        }
    }

    /// What lies behind it, if it is known: why the nodes are out, or the connection was lost.
    pub fn cause(&self) -> Option<&Cause> {
        match &self.0.kind {
            ErrorKind::Lost(cause) | ErrorKind::Parked(cause) => Some(cause),
            ErrorKind::NoNode { cause, .. } => cause.as_ref(),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        place(f, self.verb(), self.endpoint())?;
        write!(f, "{}", self.0.kind)?;
        match self.0.kind {
            // No request is concerned.
            ErrorKind::Config(_) => Ok(()),
            _ => write!(f, " ({})", self.0.outcome),
        }
    }
}

/// `{:?}` is the text in one line, since that is what a `main` that returns an error prints.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause()
            .map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}
