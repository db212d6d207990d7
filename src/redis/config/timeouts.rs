//! How long things may take: [`Timeouts`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bounds::positive;
use crate::redis::error::Result;

/// How long things may take. In text a duration reads `"500ms"` or `"1m 30s"`.
///
/// All of them must be greater than zero and at most one year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "GivenTimeouts")]
#[non_exhaustive]
pub struct Timeouts {
    /// One attempt to connect: name resolution, dial, authentication and handshake together.
    /// Default 5 s.
    #[serde(with = "humantime_serde")]
    pub connect: Duration,
    /// A whole call, from the moment the caller makes it: waiting, redirects and retries included.
    /// A call can bring its own. From a second on, and for messages, it may end 10 ms late. Default 5 s.
    #[serde(with = "humantime_serde")]
    pub command: Duration,
    /// How long a connection that was asked to end, for a reconnect or because its node left, may
    /// finish what is in flight; a shutdown brings a time of its own. Default 5 s.
    #[serde(with = "humantime_serde")]
    pub drain: Duration,
    /// How long a connection may take to end after that, before it is aborted. Default 1 s.
    #[serde(with = "humantime_serde")]
    pub kill: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            command: Duration::from_secs(5),
            drain: Duration::from_secs(5),
            kill: Duration::from_secs(1),
        }
    }
}

impl Timeouts {
    /// Sets [`connect`](Self::connect); default 5 s, zero is refused by `validate`.
    #[must_use]
    pub fn connect(mut self, connect: Duration) -> Self {
        self.connect = connect;
        self
    }

    /// Sets [`command`](Self::command); default 5 s, zero is refused by `validate`.
    #[must_use]
    pub fn command(mut self, command: Duration) -> Self {
        self.command = command;
        self
    }

    /// Sets [`drain`](Self::drain); default 5 s, zero is refused by `validate`.
    #[must_use]
    pub fn drain(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }

    /// Sets [`kill`](Self::kill); default 1 s, zero is refused by `validate`.
    #[must_use]
    pub fn kill(mut self, kill: Duration) -> Self {
        self.kill = kill;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        positive("timeouts.connect", self.connect)?;
        positive("timeouts.command", self.command)?;
        positive("timeouts.drain", self.drain)?;
        positive("timeouts.kill", self.kill)
    }
}

/// The timeouts that somebody gave; the others are not set. A URL sets some of them too, and a
/// field beside it must win only where it was given.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct GivenTimeouts {
    #[serde(with = "humantime_serde")]
    pub(super) connect: Option<Duration>,
    #[serde(with = "humantime_serde")]
    pub(super) command: Option<Duration>,
    #[serde(with = "humantime_serde")]
    pub(super) drain: Option<Duration>,
    #[serde(with = "humantime_serde")]
    pub(super) kill: Option<Duration>,
}

impl GivenTimeouts {
    /// These, and the others where these are not set.
    pub(super) fn or(self, others: Self) -> Self {
        Self {
            connect: self.connect.or(others.connect),
            command: self.command.or(others.command),
            drain: self.drain.or(others.drain),
            kill: self.kill.or(others.kill),
        }
    }
}

impl From<GivenTimeouts> for Timeouts {
    fn from(given: GivenTimeouts) -> Self {
        let default = Self::default();
        Self {
            connect: given.connect.unwrap_or(default.connect),
            command: given.command.unwrap_or(default.command),
            drain: given.drain.unwrap_or(default.drain),
            kill: given.kill.unwrap_or(default.kill),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_are_not_given_keep_their_default() {
        let timeouts: Timeouts = toml::from_str("command = '500ms'").expect("valid");
        let expected = Timeouts::default().command(Duration::from_millis(500));
        assert_eq!(timeouts, expected);
    }

    #[test]
    fn none_of_them_may_be_zero() {
        for (field, timeouts) in [
            ("connect", Timeouts::default().connect(Duration::ZERO)),
            ("command", Timeouts::default().command(Duration::ZERO)),
            ("drain", Timeouts::default().drain(Duration::ZERO)),
            ("kill", Timeouts::default().kill(Duration::ZERO)),
        ] {
            let error = timeouts.check().expect_err(field).to_string();
            let expected = format!("timeouts.{field} must be greater than zero");
            assert!(error.contains(&expected), "{error}");
        }
    }
}
