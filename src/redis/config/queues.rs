//! What a link may hold: [`Waiting`], [`InFlight`] and [`Buffers`], and what a command does while its link is
//! down: [`WhenDown`].

use serde::{Deserialize, Serialize};

use super::bounds::counted;
use crate::redis::error::Result;

const MIB: usize = 1024 * 1024;

/// What a command does while its link is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WhenDown {
    /// It waits in the link's bounded queue for the next connection, up to its deadline.
    #[default]
    Wait,
    /// It fails at once, *not sent*.
    Fail,
}

/// The queue of a link for requests that wait for a connection. One that does not fit fails at
/// once, *not sent*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Waiting {
    /// Requests per link; at least 1. Default 100 000.
    pub requests: usize,
    /// Their bytes per link; at least 1. Default 64 MiB.
    pub bytes: usize,
}

impl Default for Waiting {
    fn default() -> Self {
        Self {
            requests: 100_000,
            bytes: 64 * MIB,
        }
    }
}

impl Waiting {
    /// Sets [`requests`](Self::requests); default 100 000, zero is refused by `validate`: say
    /// [`WhenDown::Fail`] instead.
    #[must_use]
    pub fn requests(mut self, requests: usize) -> Self {
        self.requests = requests;
        self
    }

    /// Sets [`bytes`](Self::bytes); default 64 MiB, zero is refused by `validate`.
    #[must_use]
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        counted("waiting.requests", self.requests, 1, usize::MAX)?;
        counted("waiting.bytes", self.bytes, 1, usize::MAX)
    }
}

/// What one connection may have in flight: written, or perhaps written, and not answered. Beyond
/// it requests wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct InFlight {
    /// Requests per connection; at least 1. Default 100 000.
    pub requests: usize,
    /// Their bytes per connection; at least 1. Default 64 MiB.
    pub bytes: usize,
}

impl Default for InFlight {
    fn default() -> Self {
        Self {
            requests: 100_000,
            bytes: 64 * MIB,
        }
    }
}

impl InFlight {
    /// Sets [`requests`](Self::requests); default 100 000, zero is refused by `validate`.
    #[must_use]
    pub fn requests(mut self, requests: usize) -> Self {
        self.requests = requests;
        self
    }

    /// Sets [`bytes`](Self::bytes); default 64 MiB, zero is refused by `validate`.
    #[must_use]
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        counted("in_flight.requests", self.requests, 1, usize::MAX)?;
        counted("in_flight.bytes", self.bytes, 1, usize::MAX)
    }
}

/// The buffers between one connection and its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Buffers {
    /// Bytes that are taken from the waiting queue before the kernel takes them; at least 1. One
    /// request always fits. What is still in the queue when the connection ends is surely *not
    /// sent*. Default 64 KiB.
    pub write_bytes: usize,
    /// Bytes for which room is made at once to read into, when a reply announces many; at least
    /// 16 KiB. What is read and no complete reply yet is bounded by the limits of a reply and this.
    /// Default 4 MiB.
    pub read_bytes: usize,
}

impl Default for Buffers {
    fn default() -> Self {
        Self {
            write_bytes: 64 * 1024,
            read_bytes: 4 * MIB,
        }
    }
}

impl Buffers {
    /// Sets [`write_bytes`](Self::write_bytes); default 64 KiB, zero is refused by `validate`.
    #[must_use]
    pub fn write_bytes(mut self, bytes: usize) -> Self {
        self.write_bytes = bytes;
        self
    }

    /// Sets [`read_bytes`](Self::read_bytes); default 4 MiB, less than 16 KiB is refused by
    /// `validate`.
    #[must_use]
    pub fn read_bytes(mut self, bytes: usize) -> Self {
        self.read_bytes = bytes;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        counted("buffers.write_bytes", self.write_bytes, 1, usize::MAX)?;
        counted("buffers.read_bytes", self.read_bytes, 16 * 1024, usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_queues_that_hold_nothing() {
        for (field, result) in [
            ("waiting.requests", Waiting::default().requests(0).check()),
            ("waiting.bytes", Waiting::default().bytes(0).check()),
            (
                "in_flight.requests",
                InFlight::default().requests(0).check(),
            ),
            ("in_flight.bytes", InFlight::default().bytes(0).check()),
            (
                "buffers.write_bytes",
                Buffers::default().write_bytes(0).check(),
            ),
            (
                "buffers.read_bytes",
                Buffers::default().read_bytes(1).check(),
            ),
        ] {
            let error = result.expect_err(field).to_string();
            assert!(error.contains(field), "{error}");
        }
    }
}
