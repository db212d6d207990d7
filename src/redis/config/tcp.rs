//! Options of the socket: [`Tcp`] and [`Keepalive`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bounds::{counted, within};
use super::off;
use crate::redis::error::Result;

/// The kernel counts in seconds and takes no more than this (Linux, `net/tcp.h`).
const KEEPALIVE_LONGEST: Duration = Duration::from_secs(32_767);
/// As many probes as Linux takes.
const KEEPALIVE_MOST: u32 = 127;
/// The kernel takes milliseconds in a signed 32-bit number: a little over 24 days.
const USER_TIMEOUT_LONGEST: Duration = Duration::from_secs(24 * 24 * 60 * 60);

/// Options of the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Tcp {
    /// `TCP_NODELAY`: send at once, without waiting to fill a packet. Default true.
    pub nodelay: bool,
    /// `TCP_USER_TIMEOUT`: how long written data may stay unacknowledged before the kernel gives
    /// the connection up; 1 ms to 24 days, where the system has it (Linux). `"off"` in text leaves
    /// the kernel's own, some 15 minutes. Default 10 s.
    #[serde(with = "off::duration")]
    pub user_timeout: Option<Duration>,
    /// Probes on a silent connection. `"off"` in text sends none. Default on.
    #[serde(with = "off::table")]
    pub keepalive: Option<Keepalive>,
}

impl Default for Tcp {
    fn default() -> Self {
        Self {
            nodelay: true,
            user_timeout: Some(Duration::from_secs(10)),
            keepalive: Some(Keepalive::default()),
        }
    }
}

impl Tcp {
    /// Sets [`nodelay`](Self::nodelay); default true.
    #[must_use]
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = nodelay;
        self
    }

    /// Sets [`user_timeout`](Self::user_timeout); default 10 s. Below 1 ms or above 24 days is
    /// refused by `validate`.
    #[must_use]
    pub fn user_timeout(mut self, user_timeout: Option<Duration>) -> Self {
        self.user_timeout = user_timeout;
        self
    }

    /// Sets [`keepalive`](Self::keepalive); default on.
    #[must_use]
    pub fn keepalive(mut self, keepalive: Option<Keepalive>) -> Self {
        self.keepalive = keepalive;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        if let Some(timeout) = self.user_timeout {
            let shortest = Duration::from_millis(1);
            within("tcp.user_timeout", timeout, shortest, USER_TIMEOUT_LONGEST)?;
        }
        self.keepalive.as_ref().map_or(Ok(()), Keepalive::check)
    }
}

/// TCP keepalive: how the kernel finds a peer that vanished while nothing is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Keepalive {
    /// Silence before the first probe; 1 s to 32767 s, fractions of a second are dropped.
    /// Default 30 s.
    #[serde(with = "humantime_serde")]
    pub idle: Duration,
    /// Between probes; 1 s to 32767 s, fractions of a second are dropped. Default 5 s.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// Unanswered probes after which the connection is lost; 1 to 127. Default 3.
    pub count: u32,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(30),
            interval: Duration::from_secs(5),
            count: 3,
        }
    }
}

impl Keepalive {
    /// Sets [`idle`](Self::idle); default 30 s. Outside 1 s to 32767 s is refused by `validate`.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// Sets [`interval`](Self::interval); default 5 s. Outside 1 s to 32767 s is refused by
    /// `validate`.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets [`count`](Self::count); default 3. Outside 1 to 127 is refused by `validate`.
    #[must_use]
    pub fn count(mut self, count: u32) -> Self {
        self.count = count;
        self
    }

    fn check(&self) -> Result<()> {
        let second = Duration::from_secs(1);
        within("tcp.keepalive.idle", self.idle, second, KEEPALIVE_LONGEST)?;
        within(
            "tcp.keepalive.interval",
            self.interval,
            second,
            KEEPALIVE_LONGEST,
        )?;
        counted("tcp.keepalive.count", self.count, 1, KEEPALIVE_MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_the_kernel_would_refuse() {
        let keepalive = Keepalive::default();
        let half = Duration::from_millis(500);
        for (field, tcp) in [
            ("idle", Tcp::default().keepalive(Some(keepalive.idle(half)))),
            (
                "interval",
                Tcp::default().keepalive(Some(keepalive.interval(half))),
            ),
            ("count", Tcp::default().keepalive(Some(keepalive.count(0)))),
            (
                "count",
                Tcp::default().keepalive(Some(keepalive.count(128))),
            ),
            (
                "user_timeout",
                Tcp::default().user_timeout(Some(Duration::ZERO)),
            ),
            (
                "user_timeout",
                Tcp::default().user_timeout(Some(Duration::MAX)),
            ),
        ] {
            let error = tcp.check().expect_err(field).to_string();
            assert!(error.contains(field), "{error}");
        }
    }

    #[test]
    fn keepalive_and_user_timeout_can_be_switched_off() {
        let tcp: Tcp = toml::from_str("keepalive = 'off'\nuser_timeout = 'off'").expect("valid");
        assert_eq!(tcp, Tcp::default().keepalive(None).user_timeout(None));
        tcp.check().expect("off is allowed");
        let tcp: Tcp = toml::from_str("keepalive = { idle = '9s' }").expect("valid");
        let idle = Keepalive::default().idle(Duration::from_secs(9));
        assert_eq!(tcp, Tcp::default().keepalive(Some(idle)));
    }
}
