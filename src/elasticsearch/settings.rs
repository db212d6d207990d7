//! What can be set: [`ElasticSettings`], its defaults and its bounds.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::elasticsearch::error::{Error, Result};
use crate::elasticsearch::url::{self, NodeUrl};
use crate::endpoint::{Endpoint, LinkName};
use crate::link::LinkOptions;
use crate::policy::RetryBudget;
use crate::secret::Secret;
use crate::tls::TlsSettings;

/// No duration is longer: sums of instants must not overflow.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The settings of an [`ElasticClient`](crate::elasticsearch::ElasticClient).
///
/// Made by [`from_urls`](Self::from_urls) or serde; then change the fields that should differ.
/// Opening a client validates them. `Debug` and `Serialize` mask passwords and keys.
///
/// ```
/// # use everlink::elasticsearch::ElasticSettings;
/// let settings: ElasticSettings = toml::from_str(r#"
///     urls = ["http://10.0.0.1:9200", "http://10.0.0.2:9200"]
///     api_key = "VnVhQ2ZHY0JDZGJrUW0tZTVhT3g6dWkybHAyYXhUTm1zeWFrdzl0dk5udw=="
///     timeouts = { request = "10s" }
/// "#)?;
/// assert_eq!(settings.nodes.len(), 2);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Given")]
#[non_exhaustive]
pub struct ElasticSettings {
    /// The name of the client; its links are called by it, a slash, and the endpoint of the node.
    /// Default `elasticsearch`.
    pub name: LinkName,
    /// Where the nodes are; at least one. In text `urls`, which may hold user and password.
    #[serde(rename = "urls")]
    pub nodes: Vec<NodeUrl>,
    /// The user of basic authentication. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The user's password. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// An API key in place of user and password: as the server gave it out encoded, or
    /// `id:key`. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<Secret>,
    /// Whom to trust where a URL begins with `https`, which needs the feature `tls`. Default: the
    /// system's roots. A `server_name` must be a host name here; it is also sent as `Host`.
    pub tls: TlsSettings,
    /// After so many failures in a row (requests that were lost or came too late, or checks) a
    /// node is out, and its link is down. At least 1. Default 3.
    pub node_failure_threshold: u32,
    /// The check of each node.
    pub health: Health,
    /// How long requests may take.
    pub timeouts: Timeouts,
    /// What requests and answers may take.
    pub limits: Limits,
    /// How often one request is repeated that was written and not answered, if it may be.
    /// Default 3.
    pub repeats: u32,
    /// How much load all repetitions together may add. Default as [`RetryBudget`].
    pub budget: RetryBudget,
    /// Asks the nodes for the others. Default none: only the nodes above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sniff: Option<Sniff>,
    /// How the link of each node is supervised.
    pub link: LinkOptions,
}

/// How well a cluster must be for its nodes to count as healthy.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Colour {
    /// In any state, as long as the node answers.
    Red,
    /// All primary shards are there.
    #[default]
    Yellow,
    /// All shards are there.
    Green,
}

/// The check of a node, by `GET _cluster/health`: before its link is up, and while it is. A failed
/// one is followed by the next after a second (or the interval, if that is shorter).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Health {
    /// Whether to check while the link is up. Default true. A lost connection is looked into in any
    /// case.
    pub enabled: bool,
    /// The least that counts as healthy. Default yellow.
    pub at_least: Colour,
    /// The time between two checks. Default 15 s.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// How long one may take. Default 5 s.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            enabled: true,
            at_least: Colour::default(),
            interval: Duration::from_secs(15),
            timeout: Duration::from_secs(5),
        }
    }
}

/// How long requests may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Timeouts {
    /// How long a connection may take to come about, TLS included. Default 2 s.
    #[serde(with = "humantime_serde")]
    pub connect: Duration,
    /// How long one node may take for a request that may be repeated on another. Default 10 s.
    #[serde(with = "humantime_serde")]
    pub attempt: Duration,
    /// How long a request may take in all, waiting and repetitions included. Default 30 s.
    #[serde(with = "humantime_serde")]
    pub request: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            attempt: Duration::from_secs(10),
            request: Duration::from_secs(30),
        }
    }
}

/// What requests and answers may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Limits {
    /// Requests that are under way with one node, each over a connection of its own. Default 64.
    pub in_flight: usize,
    /// Requests that wait or are under way; one more fails at once. Default 10 000.
    pub requests: usize,
    /// The bytes of their bodies; a request that is alone always fits. Default 64 MiB.
    pub bytes: usize,
    /// The bytes of one answer; more is an error. Default 64 MiB.
    pub answer: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight: 64,
            requests: 10_000,
            bytes: 64 * 1024 * 1024,
            answer: 64 * 1024 * 1024,
        }
    }
}

/// Asks a living node for all nodes (`GET _nodes/http`) and links to what they publish.
///
/// Nodes that were configured stay in any case; one that was found leaves when a later answer does
/// not name it. An answer that fails or is empty changes nothing. **The credentials are sent to
/// whatever address the cluster publishes.**
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Sniff {
    /// The time between two questions; the first comes once a node is up. Default 60 s.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// What to dial in place of an address that is published, such as one that is only reachable
    /// from within: `{ "172.17.0.2:9200" = "db1.example:9200" }`. Default none.
    pub map: BTreeMap<String, Endpoint>,
    /// The most nodes that are linked to. Default 100.
    pub max: usize,
}

impl Default for Sniff {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(60),
            map: BTreeMap::new(),
            max: 100,
        }
    }
}

impl ElasticSettings {
    /// For nodes at `http://host:9200` or `https://user:password@host:9200/prefix`, everything else
    /// at its default. Special characters in user and password stand as `%40`. Credentials are the
    /// same for all nodes: they may stand in one URL or in each.
    ///
    /// # Errors
    /// A URL is not valid, two have different credentials, or there is none. The message never
    /// repeats it.
    pub fn from_urls<U: AsRef<str>>(urls: impl IntoIterator<Item = U>) -> Result<Self> {
        let mut login = None;
        let mut nodes = Vec::new();
        for given in urls {
            let (node, own) = url::parse(given.as_ref())?;
            if own.is_some() && login.is_some() && login != own {
                return Err(Error::config("all urls must have the same credentials"));
            }
            login = login.or(own);
            nodes.push(node);
        }
        let (username, password) = login.unzip();
        let settings = Self {
            name: LinkName::from("elasticsearch"),
            nodes,
            username,
            password,
            api_key: None,
            tls: TlsSettings::default(),
            node_failure_threshold: 3,
            health: Health::default(),
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            repeats: 3,
            budget: RetryBudget::default(),
            sniff: None,
            link: LinkOptions::default(),
        };
        settings.validate()?;
        Ok(settings)
    }

    /// Checks all values. The start of a client calls it.
    ///
    /// # Errors
    /// The first value that cannot work: which, and what is allowed.
    pub fn validate(&self) -> Result<()> {
        let name = self.name.as_str();
        if name.is_empty() || name.contains(char::is_control) {
            return refuse("name must not be empty and have no control characters");
        }
        self.validate_nodes()?;
        if self.username.is_some() != self.password.is_some() {
            return refuse("username and password belong together");
        }
        if self.api_key.is_some() && self.username.is_some() {
            return refuse("give either api_key or username and password");
        }
        let key = self.api_key.as_ref().map(Secret::expose);
        if key.is_some_and(|key| key.is_empty() || !key.bytes().all(|it| it.is_ascii_graphic())) {
            return refuse("api_key must be visible ASCII");
        }
        let limits = &self.limits;
        for (field, value) in [
            ("limits.in_flight", limits.in_flight),
            ("limits.requests", limits.requests),
            ("limits.bytes", limits.bytes),
            ("limits.answer", limits.answer),
            (
                "node_failure_threshold",
                self.node_failure_threshold as usize,
            ),
            ("sniff.max", self.sniff.as_ref().map_or(1, |it| it.max)),
        ] {
            if value == 0 {
                return refuse(format!("{field} must be at least 1"));
            }
        }
        if limits.in_flight > 100_000 {
            return refuse("limits.in_flight must be at most 100 000");
        }
        let sniffed = self.sniff.as_ref().map_or(LONGEST, |it| it.interval);
        for (field, value) in [
            ("health.interval", self.health.interval),
            ("health.timeout", self.health.timeout),
            ("timeouts.connect", self.timeouts.connect),
            ("timeouts.attempt", self.timeouts.attempt),
            ("timeouts.request", self.timeouts.request),
            ("sniff.interval", sniffed),
        ] {
            if value.is_zero() || value > LONGEST {
                return refuse(format!(
                    "{field} must be longer than zero and at most a year"
                ));
            }
        }
        self.link
            .check()
            .map_err(|error| Error::config(format!("link.{error}")))
    }

    fn validate_nodes(&self) -> Result<()> {
        let mut seen = std::collections::BTreeSet::new();
        if self.nodes.is_empty() {
            return refuse("there must be at least one url");
        }
        if !self.nodes.iter().all(|node| seen.insert(node.endpoint())) {
            return refuse("each node must be given once");
        }
        if self.nodes.iter().any(NodeUrl::is_secure) {
            if !cfg!(feature = "tls") {
                return refuse("https needs the feature `tls`");
            }
            let name = self.tls.server_name.as_deref().unwrap_or("a.name");
            if name.parse::<std::net::IpAddr>().is_ok() {
                return refuse("tls.server_name must be a host name, not an address, here");
            }
        }
        self.tls
            .validate()
            .map_err(|error| Error::config(error.to_string()))
    }
}

fn refuse(reason: impl AsRef<str>) -> Result<()> {
    Err(Error::config(reason))
}

/// As it stands in a configuration: what is missing has its default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    // Parsed not while they are read but afterwards: an error at this place would make a format's
    // parser quote the line, password included.
    urls: Vec<Secret>,
    name: Option<LinkName>,
    username: Option<String>,
    password: Option<Secret>,
    api_key: Option<Secret>,
    tls: Option<TlsSettings>,
    node_failure_threshold: Option<u32>,
    #[serde(default)]
    health: Health,
    #[serde(default)]
    timeouts: Timeouts,
    #[serde(default)]
    limits: Limits,
    repeats: Option<u32>,
    #[serde(default)]
    budget: RetryBudget,
    sniff: Option<Sniff>,
    #[serde(default)]
    link: LinkOptions,
}

impl TryFrom<Given> for ElasticSettings {
    type Error = Error;

    fn try_from(given: Given) -> Result<Self> {
        let default = Self::from_urls(given.urls.iter().map(Secret::expose))?;
        Ok(Self {
            name: given.name.unwrap_or(default.name),
            nodes: default.nodes,
            username: given.username.or(default.username),
            password: given.password.or(default.password),
            api_key: given.api_key,
            tls: given.tls.unwrap_or_default(),
            node_failure_threshold: given
                .node_failure_threshold
                .unwrap_or(default.node_failure_threshold),
            health: given.health,
            timeouts: given.timeouts,
            limits: given.limits,
            repeats: given.repeats.unwrap_or(default.repeats),
            budget: given.budget,
            sniff: given.sniff,
            link: given.link,
        })
    }
}

#[cfg(test)]
mod tests;
