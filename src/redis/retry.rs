//! When a command is sent again: [`RetryPolicy`]. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::policy::{Backoff, Jitter};

/// Which commands may be sent again after they may have been executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RetryMode {
    /// None, and none that was refused either. Redirects are followed all the same, and what was
    /// never sent waits for its link: neither is a retry.
    Never,
    /// Those that were refused for a passing reason; and those that only read, by the server's own
    /// flags, or that the caller called
    /// [`idempotent`](crate::redis::Command::idempotent). Nothing is executed twice that matters.
    #[default]
    Safe,
    /// Every one: an `INCR` whose connection is lost before its answer came is sent again, and may
    /// count twice.
    AtLeastOnce,
}

/// Why a command did not get its answer, where trying again may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Failure {
    /// Its connection was lost while it was in flight.
    ConnectionLost,
    /// It was not answered within [`RetryPolicy::attempt_timeout`].
    Timeout,
    /// The server reads its data set from disk (`LOADING`).
    Loading,
    /// Its keys are on two nodes while a slot migrates (`TRYAGAIN`).
    TryAgain,
    /// Slots are uncovered, or the node is in the minority of a partition (`CLUSTERDOWN`).
    ClusterDown,
    /// The node is a replica that lost its primary (`MASTERDOWN`).
    MasterDown,
    /// The node of a cluster is a replica by now (`READONLY`). A standalone server that says so is
    /// connected to anew, and the error goes to the caller.
    ReadOnly,
}

impl Failure {
    /// All there are.
    pub const ALL: [Self; 7] = [
        Self::ConnectionLost,
        Self::Timeout,
        Self::Loading,
        Self::TryAgain,
        Self::ClusterDown,
        Self::MasterDown,
        Self::ReadOnly,
    ];
}

/// When a command is sent again, how often, and how far apart; always within its one deadline.
///
/// Only what cannot do harm is sent again, unless [`RetryMode::AtLeastOnce`] asks for it. A script
/// that failed, and a command of which nobody knows whether it was executed, never are.
/// The load that retries add to a node has a bound of its own, see
/// [`RetryBudget`](crate::policy::RetryBudget).
///
/// ```
/// # use std::time::Duration;
/// # use everlink::redis::{RetryMode, RetryPolicy, cmd};
/// let patient = RetryPolicy::default()
///     .max_retries(Some(20))
///     .attempt_timeout(Some(Duration::from_millis(200)))
///     .codes(["BUSY"]);
/// let get = cmd("GET").arg("k").retry(patient);
/// let incr = cmd("INCR").arg("n").retry_mode(RetryMode::Never);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Which commands. Default [`RetryMode::Safe`].
    pub mode: RetryMode,
    /// After which failures. Default: all of [`Failure::ALL`].
    pub on: Vec<Failure>,
    /// After which error replies besides, by their first word, such as `BUSY` or `NOREPLICAS`: a
    /// plain command that is answered with an error was not executed. Default none.
    pub codes: Vec<String>,
    /// How often one command is sent again to one node. Default none: the deadline is the
    /// bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
    /// How often it is sent again after its connection was lost: a reply that ends each connection
    /// must not be asked for until the deadline. Default 3.
    pub max_losses: u8,
    /// The pause before each retry. One after a lost connection has none: the reconnect takes its
    /// time. Default 10 ms, doubled up to 160 ms, equal jitter.
    pub backoff: Backoff,
    /// How long one sending waits for its answer, for commands that may be sent again; greater
    /// than zero. Default none: the call's deadline.
    #[serde(
        with = "humantime_serde::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub attempt_timeout: Option<Duration>,
    /// In a cluster, once `max_retries` are used up: how many times the topology is read anew,
    /// without asking the node that failed, and the retries begin again. Default 3.
    pub cluster_error_retry_attempts: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        let backoff = Backoff::exponential(Duration::from_millis(10), 2.0)
            .and_then(|backoff| backoff.capped(Duration::from_millis(160)))
            .expect("positive, and the cap above the base")
            .jittered(Jitter::Equal);
        Self {
            mode: RetryMode::Safe,
            on: Failure::ALL.into(),
            codes: Vec::new(),
            max_retries: None,
            max_losses: 3,
            backoff,
            attempt_timeout: None,
            cluster_error_retry_attempts: 3,
        }
    }
}

impl RetryPolicy {
    /// Sets [`mode`](Self::mode); default [`RetryMode::Safe`].
    #[must_use]
    pub fn mode(mut self, mode: RetryMode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets [`on`](Self::on); default all.
    #[must_use]
    pub fn on(mut self, failures: impl IntoIterator<Item = Failure>) -> Self {
        self.on = failures.into_iter().collect();
        self
    }

    /// Sets [`codes`](Self::codes); default none.
    #[must_use]
    pub fn codes<C: Into<String>>(mut self, codes: impl IntoIterator<Item = C>) -> Self {
        self.codes = codes.into_iter().map(Into::into).collect();
        self
    }

    /// Sets [`max_retries`](Self::max_retries); default unlimited.
    #[must_use]
    pub fn max_retries(mut self, max: Option<u32>) -> Self {
        self.max_retries = max;
        self
    }

    /// Sets [`max_losses`](Self::max_losses); default 3.
    #[must_use]
    pub fn max_losses(mut self, max: u8) -> Self {
        self.max_losses = max;
        self
    }

    /// Sets [`backoff`](Self::backoff); default 10 ms, doubled up to 160 ms.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets [`attempt_timeout`](Self::attempt_timeout); default none. Zero is refused by
    /// `validate` in a configuration; for a single command it means that none is waited for.
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// Sets [`cluster_error_retry_attempts`](Self::cluster_error_retry_attempts); default 3.
    #[must_use]
    pub fn cluster_error_retry_attempts(mut self, attempts: u32) -> Self {
        self.cluster_error_retry_attempts = attempts;
        self
    }

    /// Whether this failure is one to try again after, if the command may be sent again.
    pub(crate) fn is_on(&self, failure: Failure) -> bool {
        self.on.contains(&failure)
    }

    /// Whether an error reply with this code is, beyond those that are a [`Failure`].
    pub(crate) fn is_code(&self, code: &str) -> bool {
        self.codes.iter().any(|wanted| wanted == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_field_and_the_words_of_the_documentation() {
        let read: RetryPolicy = toml::from_str(
            "mode = 'at_least_once'
             on = ['connection_lost', 'timeout', 'loading', 'try_again', 'cluster_down',
                   'master_down', 'read_only']
             codes = ['BUSY']
             max_retries = 7
             max_losses = 1
             backoff = { kind = 'fixed', delay = '5ms' }
             attempt_timeout = '100ms'
             cluster_error_retry_attempts = 2",
        )
        .expect("valid");
        let expected = RetryPolicy::default()
            .mode(RetryMode::AtLeastOnce)
            .codes(["BUSY"])
            .max_retries(Some(7))
            .max_losses(1)
            .backoff(Backoff::fixed(Duration::from_millis(5)).expect("valid"))
            .attempt_timeout(Some(Duration::from_millis(100)))
            .cluster_error_retry_attempts(2);
        assert_eq!(read, expected);
        for text in ["on = ['tired']", "mode = 'always'", "max_retries = -1"] {
            assert!(toml::from_str::<RetryPolicy>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn pauses_grow_from_10_to_160_ms() {
        let backoff = RetryPolicy::default().backoff;
        let longest = |retry| *backoff.range(retry, Duration::ZERO).end();
        let pauses: Vec<_> = (1..=6).map(|retry| longest(retry).as_millis()).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 160]);
    }
}
