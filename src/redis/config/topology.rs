//! One server or a cluster: [`Mode`], and how a cluster is followed: [`ClusterSettings`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bounds::{bounded, counted, ordered, positive};
use crate::redis::error::Result;

/// One server, or a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mode {
    /// One server.
    #[default]
    Standalone,
    /// Redis Cluster or Valkey Cluster.
    Cluster,
}

/// How the topology of a cluster is followed. Without effect on a standalone server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ClusterSettings {
    /// Between two regular refreshes, each ±10 % so that clients do not march in step; greater
    /// than zero. Default 60 s.
    #[serde(with = "humantime_serde")]
    pub refresh_every: Duration,
    /// The deadline of one refresh; greater than zero. Default 2 s.
    #[serde(with = "humantime_serde")]
    pub refresh_timeout: Duration,
    /// The least time between two refreshes that a redirect or an error triggers; greater than
    /// zero and at most `refresh_every`. Default 1 s.
    #[serde(with = "humantime_serde")]
    pub refresh_cooldown: Duration,
    /// While the owner of a slot is not up, or slots are uncovered, refreshes follow each other
    /// after a random time from this on; greater than zero. Default 100 ms.
    #[serde(with = "humantime_serde")]
    pub unsettled_every_min: Duration,
    /// The longest of those random times; at least `unsettled_every_min`. Default 500 ms.
    #[serde(with = "humantime_serde")]
    pub unsettled_every_max: Duration,
    /// How long a node must be absent from the topology before its link is stopped, so that one
    /// that was killed reconnects as itself; zero stops it at once. Default 60 s.
    #[serde(with = "humantime_serde")]
    pub node_grace: Duration,
    /// Redirects that one command follows before it fails; at least 1. Default 5.
    pub max_redirects: u8,
}

impl Default for ClusterSettings {
    fn default() -> Self {
        Self {
            refresh_every: Duration::from_secs(60),
            refresh_timeout: Duration::from_secs(2),
            refresh_cooldown: Duration::from_secs(1),
            unsettled_every_min: Duration::from_millis(100),
            unsettled_every_max: Duration::from_millis(500),
            node_grace: Duration::from_secs(60),
            max_redirects: 5,
        }
    }
}

impl ClusterSettings {
    /// Sets [`refresh_every`](Self::refresh_every); default 60 s, zero is refused by `validate`.
    #[must_use]
    pub fn refresh_every(mut self, every: Duration) -> Self {
        self.refresh_every = every;
        self
    }

    /// Sets [`refresh_timeout`](Self::refresh_timeout); default 2 s, zero is refused by
    /// `validate`.
    #[must_use]
    pub fn refresh_timeout(mut self, timeout: Duration) -> Self {
        self.refresh_timeout = timeout;
        self
    }

    /// Sets [`refresh_cooldown`](Self::refresh_cooldown); default 1 s. Zero, or longer than
    /// `refresh_every`, is refused by `validate`.
    #[must_use]
    pub fn refresh_cooldown(mut self, cooldown: Duration) -> Self {
        self.refresh_cooldown = cooldown;
        self
    }

    /// Sets [`unsettled_every_min`](Self::unsettled_every_min) and
    /// [`unsettled_every_max`](Self::unsettled_every_max); default 100 ms and 500 ms. Zero, or a
    /// `min` longer than `max`, is refused by `validate`.
    #[must_use]
    pub fn unsettled_every(mut self, min: Duration, max: Duration) -> Self {
        self.unsettled_every_min = min;
        self.unsettled_every_max = max;
        self
    }

    /// Sets [`node_grace`](Self::node_grace); default 60 s.
    #[must_use]
    pub fn node_grace(mut self, grace: Duration) -> Self {
        self.node_grace = grace;
        self
    }

    /// Sets [`max_redirects`](Self::max_redirects); default 5, zero is refused by `validate`.
    #[must_use]
    pub fn max_redirects(mut self, max: u8) -> Self {
        self.max_redirects = max;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        positive("cluster.refresh_every", self.refresh_every)?;
        positive("cluster.refresh_timeout", self.refresh_timeout)?;
        positive("cluster.refresh_cooldown", self.refresh_cooldown)?;
        ordered(
            ("cluster.refresh_cooldown", self.refresh_cooldown),
            ("cluster.refresh_every", self.refresh_every),
        )?;
        positive("cluster.unsettled_every_min", self.unsettled_every_min)?;
        positive("cluster.unsettled_every_max", self.unsettled_every_max)?;
        ordered(
            ("cluster.unsettled_every_min", self.unsettled_every_min),
            ("cluster.unsettled_every_max", self.unsettled_every_max),
        )?;
        bounded("cluster.node_grace", self.node_grace)?;
        counted("cluster.max_redirects", self.max_redirects, 1, u8::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_zeros_and_a_floor_above_the_cap() {
        let (zero, second) = (Duration::ZERO, Duration::from_secs(1));
        let default = ClusterSettings::default();
        for (field, settings) in [
            ("cluster.refresh_every", default.refresh_every(zero)),
            ("cluster.refresh_timeout", default.refresh_timeout(zero)),
            ("cluster.refresh_cooldown", default.refresh_cooldown(zero)),
            (
                "cluster.refresh_cooldown",
                default.refresh_cooldown(second * 61),
            ),
            (
                "cluster.unsettled_every_min",
                default.unsettled_every(zero, second),
            ),
            (
                "cluster.unsettled_every_max",
                default.unsettled_every(second, zero),
            ),
            (
                "cluster.unsettled_every_min",
                default.unsettled_every(second * 2, second),
            ),
            ("cluster.node_grace", default.node_grace(Duration::MAX)),
            ("cluster.max_redirects", default.max_redirects(0)),
        ] {
            let error = settings.check().expect_err(field).to_string();
            assert!(error.contains(field), "{error}");
        }
        default
            .node_grace(zero)
            .check()
            .expect("no grace is allowed");
    }
}
