//! What can go wrong with a call: [`Error`], its [`ErrorKind`], and what it says of the call's
//! fate, its [`Outcome`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::endpoint::Endpoint;
use crate::exit::Cause;
use crate::policy::Refusal;
use crate::wording::{after_colon, place};

pub use crate::outcome::Outcome;

/// The result of everything here that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of the server.
///
/// Its message may quote values of a statement. `Display` and `Debug` mask what stands between
/// quotes; [`ServerError::message`] gives all of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerError {
    code: u16,
    state: Arc<str>,
    message: Arc<str>,
}

impl ServerError {
    pub(super) fn new(code: u16, state: &str, message: &str) -> Self {
        Self {
            code,
            state: state.into(),
            message: message.into(),
        }
    }

    /// The server's number of it, such as 1062 for a duplicate key.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The SQLSTATE, such as `23000`.
    pub fn state(&self) -> &str {
        &self.state
    }

    /// The text as the server wrote it: it may quote values of the statement.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): ", self.code, self.state)?;
        // A value may hold quotes itself, so all from the first to the last is masked.
        match (self.message.find('\''), self.message.rfind('\'')) {
            (Some(first), Some(last)) => {
                let (before, after) = (&self.message[..first], &self.message[last + 1..]);
                write!(f, "{before}'***'{after}")
            }
            _ => f.write_str(&self.message),
        }
    }
}

impl fmt::Debug for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What went wrong.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The server answered with an error.
    #[error("server error: {0}")]
    Server(ServerError),
    /// The statement was not answered within its deadline. Its connection is closed, and the
    /// server is asked to end what it still does for it.
    #[error("deadline of {0:?} passed")]
    Deadline(Duration),
    /// The connection was lost.
    #[error("connection lost: {0}")]
    Lost(#[source] Cause),
    /// The link is down, and the configuration says not to wait.
    #[error("link is down{}", after_colon(.0.as_ref()))]
    Down(#[source] Option<Cause>),
    /// The link is parked: fast attempts were given up.
    #[error("link is parked: {0}")]
    Parked(#[source] Cause),
    /// No connection was to be had within the acquire deadline.
    #[error("no connection within {waited:?}: {in_use} in use{}", after_colon(.cause.as_ref()))]
    NoConnection {
        /// The acquire deadline, of new settings perhaps.
        waited: Duration,
        /// Connections in use when it passed.
        in_use: usize,
        /// Why the link was down, if it was.
        #[source]
        cause: Option<Cause>,
    },
    /// As many calls as may wait for a connection wait already, or as many bytes.
    #[error("{0} calls wait for a connection already")]
    QueueFull(usize),
    /// The circuit breaker of the link is open, or half-open with its probes under way.
    #[error("{0}")]
    CircuitOpen(Refusal),
    /// The pool is stopped.
    #[error("pool is stopped")]
    Stopped,
    /// The statement and its parameters do not fit together.
    #[error("{0}")]
    Parameters(Arc<str>),
    /// The answer is larger than the configuration allows.
    #[error("answer is larger than {0} bytes")]
    TooLarge(usize),
    /// A row is of another shape or type than the one asked for.
    #[error("rows do not convert into the type asked for")]
    Conversion,
    /// The code that was given a connection panicked.
    #[error("the work on the connection panicked")]
    Panicked,
    /// The reason of the code that was given a connection: see [`Error::custom`].
    #[error("{0}")]
    Custom(Arc<str>),
    /// The configuration cannot work.
    #[error("invalid configuration: {0}")]
    Config(Arc<str>),
}

/// Tells the sessions of a process apart: what ends a transaction may come from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SessionId(u64);

impl SessionId {
    pub(super) fn fresh() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// A failed call: what went wrong, what became of it, where, and the verb of its statement.
///
/// It never shows the statement's text or its parameters. One word wide.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    outcome: Outcome,
    endpoint: Option<Endpoint>,
    verb: Option<Arc<str>>,
    /// Whose statement, answer or reason it is.
    session: Option<SessionId>,
}

impl Error {
    pub(super) fn new(kind: ErrorKind, outcome: Outcome) -> Self {
        Self(Box::new(Inner {
            kind,
            outcome,
            endpoint: None,
            verb: None,
            session: None,
        }))
    }

    /// A reason of your own to end a transaction, which is rolled back by it, or a session.
    ///
    /// What became of the work is known once it has left that: of a transaction *rolled back*, of
    /// a session *unknown*, or *not sent* if nothing was written.
    pub fn custom(reason: impl AsRef<str>) -> Self {
        Self::new(ErrorKind::Custom(reason.as_ref().into()), Outcome::Unknown)
    }

    pub(super) fn config(reason: impl AsRef<str>) -> Self {
        Self::new(ErrorKind::Config(reason.as_ref().into()), Outcome::NotSent)
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

    /// It came from this session, unless it is known that it came from another.
    #[must_use]
    pub(super) fn of_session(mut self, id: SessionId) -> Self {
        self.0.session.get_or_insert(id);
        self
    }

    pub(super) fn is_of_session(&self, id: SessionId) -> bool {
        self.0.session == Some(id)
    }

    /// If it is a reason of the user's, given in this session, this became of the work there.
    #[must_use]
    pub(super) fn reason_of(self, id: SessionId, outcome: Outcome) -> Self {
        match (&self.0.kind, self.0.session) {
            (ErrorKind::Custom(_), None) => self.of_session(id).with_outcome(outcome),
            _ => self,
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Lost(_))
    }

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// What became of the call.
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// Where it happened, if it got that far.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.0.endpoint.as_ref()
    }

    /// The first word of the statement, such as `INSERT`.
    pub fn verb(&self) -> Option<&str> {
        self.0.verb.as_deref()
    }

    /// The server's number of its error.
    pub fn code(&self) -> Option<u16> {
        match &self.0.kind {
            ErrorKind::Server(error) => Some(error.code()),
            _ => None,
        }
    }

    /// What lies behind it, if it is known: why the link is down, or the connection was lost.
    pub fn cause(&self) -> Option<&Cause> {
        match &self.0.kind {
            ErrorKind::Lost(cause) | ErrorKind::Parked(cause) => Some(cause),
            ErrorKind::Down(cause) | ErrorKind::NoConnection { cause, .. } => cause.as_ref(),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        place(f, self.verb(), self.endpoint())?;
        write!(f, "{}", self.0.kind)?;
        match self.0.kind {
            // No statement is concerned.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_quotes_is_not_shown() {
        let message = "Duplicate entry 'O'Brien' for key 'name'";
        let error = ServerError::new(1062, "23000", message);
        assert_eq!(error.to_string(), "1062 (23000): Duplicate entry '***'");
        assert_eq!(error.message(), message);
        let plain = ServerError::new(1213, "40001", "Deadlock found");
        assert_eq!(format!("{plain:?}"), "1213 (40001): Deadlock found");
    }

    #[test]
    fn an_error_says_what_where_and_what_became_of_it() {
        let error = Error::new(ErrorKind::Stopped, Outcome::NotSent)
            .at(&Endpoint::tcp("db", 3306))
            .of("INSERT")
            .of("COMMIT");
        assert_eq!(
            error.to_string(),
            "INSERT at db:3306: pool is stopped (not sent)"
        );
        assert!(error.outcome().is_safe_to_repeat());
    }
}
