//! Why a connection ended: a [`Cause`], and the [`Class`] of it that decides what happens next.

use std::fmt;
use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What ended a connection, or kept it from coming up.
///
/// `kind` is for programs, `detail` for people. Neither holds a secret: a backend must not put
/// credentials or payloads into the detail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    kind: CauseKind,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    detail: Arc<str>,
}

/// The kinds of [`Cause`], each with its [`Class`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CauseKind {
    /// The dial was answered by a reset: the host is there, nothing listens. Transient.
    Refused,
    /// The host or network cannot be reached. Transient.
    Unreachable,
    /// The name did not resolve. Transient.
    Unresolved,
    /// Connecting, with its handshake, took longer than the connect deadline. Transient.
    ConnectTimeout,
    /// The peer closed the connection in an orderly way. Transient.
    Closed,
    /// The peer or the network reset the connection. Transient.
    Reset,
    /// The socket is open but makes no progress. Transient.
    Stalled,
    /// Health checks failed in a row. Transient.
    Unhealthy,
    /// Another error of the operating system. Transient.
    Io,
    /// The peer broke the protocol; the stream can no longer be trusted. Transient.
    Protocol,
    /// The server is there and refuses for now: loading, too many clients. Transient.
    Unavailable,
    /// Wrong credentials, or not allowed. Permanent.
    Denied,
    /// A certificate was refused. Permanent.
    Certificate,
    /// The configuration cannot work: it must change first. Permanent.
    Misconfigured,
    /// The connection actor panicked. Crash.
    Panicked,
    /// The connection actor was aborted, because it did not end in time. Transient.
    Aborted,
    /// The connection actor ended without saying why. Crash.
    Unexplained,
    /// Asked for: stop, reconnect now, new configuration. Requested.
    Requested,
}

/// What a [`Cause`] means for the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// May pass by itself: backoff, without end by default.
    Transient,
    /// Will not pass by itself: the link parks.
    Permanent,
    /// A defect in the program: backoff, bounded by the restart intensity, then the link parks.
    Crash,
    /// Somebody asked for it.
    Requested,
}

impl CauseKind {
    /// The class of this kind.
    pub fn class(self) -> Class {
        match self {
            Self::Refused
            | Self::Unreachable
            | Self::Unresolved
            | Self::ConnectTimeout
            | Self::Closed
            | Self::Reset
            | Self::Stalled
            | Self::Unhealthy
            | Self::Io
            | Self::Protocol
            | Self::Unavailable
            | Self::Aborted => Class::Transient,
            Self::Denied | Self::Certificate | Self::Misconfigured => Class::Permanent,
            Self::Panicked | Self::Unexplained => Class::Crash,
            Self::Requested => Class::Requested,
        }
    }

    /// A stable lower-case word for metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Unresolved => "unresolved",
            Self::ConnectTimeout => "connect_timeout",
            Self::Closed => "closed",
            Self::Reset => "reset",
            Self::Stalled => "stalled",
            Self::Unhealthy => "unhealthy",
            Self::Io => "io",
            Self::Protocol => "protocol",
            Self::Unavailable => "unavailable",
            Self::Denied => "denied",
            Self::Certificate => "certificate",
            Self::Misconfigured => "misconfigured",
            Self::Panicked => "panicked",
            Self::Aborted => "aborted",
            Self::Unexplained => "unexplained",
            Self::Requested => "requested",
        }
    }
}

impl Cause {
    /// A cause with a detail for people.
    pub fn new(kind: CauseKind, detail: impl AsRef<str>) -> Self {
        Self {
            kind,
            detail: detail.as_ref().into(),
        }
    }

    /// The cause behind an I/O error.
    pub fn from_io(error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::ConnectionRefused => CauseKind::Refused,
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => CauseKind::Reset,
            io::ErrorKind::UnexpectedEof => CauseKind::Closed,
            // TCP_USER_TIMEOUT and keepalive end a connection with ETIMEDOUT.
            io::ErrorKind::TimedOut => CauseKind::Stalled,
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::AddrNotAvailable => CauseKind::Unreachable,
            _ => CauseKind::Io,
        };
        Self::new(kind, error.to_string())
    }

    /// Its kind.
    pub fn kind(&self) -> CauseKind {
        self.kind
    }

    /// Its class: what happens next.
    pub fn class(&self) -> Class {
        self.kind.class()
    }

    /// The detail for people; may be empty.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl From<CauseKind> for Cause {
    fn from(kind: CauseKind) -> Self {
        Self::new(kind, "")
    }
}

/// As [`Cause::from_io`].
impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        Self::from_io(&error)
    }
}

impl fmt::Display for CauseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for Cause {}
