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
    /// Who receives what the connection brings was too slow for it, and asked to be disconnected
    /// then. Transient, and no failure of the server.
    Lagging,
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
            | Self::Aborted
            | Self::Lagging => Class::Transient,
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
            Self::Lagging => "lagging",
            Self::Requested => "requested",
        }
    }
}

impl Cause {
    /// The longest detail, in bytes: causes are kept and queued, and a server may say anything.
    pub const MAX_DETAIL: usize = 1024;

    /// A cause with a detail for people, cut at [`Cause::MAX_DETAIL`].
    pub fn new(kind: CauseKind, detail: impl AsRef<str>) -> Self {
        let detail = detail.as_ref();
        let mut end = detail.len().min(Self::MAX_DETAIL);
        while !detail.is_char_boundary(end) {
            end -= 1;
        }
        Self {
            kind,
            detail: detail[..end].into(),
        }
    }

    /// The cause behind an I/O error; the one that it carries, if it carries one.
    pub fn from_io(error: &io::Error) -> Self {
        if let Some(cause) = error.get_ref().and_then(|it| it.downcast_ref::<Self>()) {
            return cause.clone();
        }
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
        // One line, whatever a server or a panic said.
        let words = self.detail.split(char::is_control).map(str::trim);
        let mut separator = ": ";
        for words in words.filter(|words| !words.is_empty()) {
            write!(f, "{separator}{words}")?;
            separator = " ";
        }
        Ok(())
    }
}

impl std::error::Error for Cause {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_cut_between_characters() {
        let long = "ü".repeat(10_000);
        let cause = Cause::new(CauseKind::Protocol, format!("x{long}"));
        assert_eq!(cause.detail().len(), Cause::MAX_DETAIL - 1);
        assert_eq!(Cause::new(CauseKind::Io, "short").detail(), "short");
    }

    #[test]
    fn a_cause_that_an_io_error_carries_is_the_cause() {
        let cause = Cause::new(CauseKind::Certificate, "expired");
        let error = io::Error::new(io::ErrorKind::InvalidData, cause.clone());
        assert_eq!(Cause::from_io(&error), cause);
    }

    #[test]
    fn a_cause_is_shown_in_one_line() {
        let cause = Cause::new(CauseKind::Panicked, "\nleft: 1\r\n right: 2\u{7}");
        assert_eq!(cause.to_string(), "panicked: left: 1 right: 2");
        assert_eq!(Cause::from(CauseKind::Closed).to_string(), "closed");
        assert_eq!(Cause::new(CauseKind::Closed, "\n").to_string(), "closed");
    }
}
