//! The configuration as a whole: [`Config`].

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::bounds::positive;
use super::credentials::{Protocol, check_client_name, check_login};
use super::endpoint_map::EndpointMap;
use super::endpoint_rule::EndpointRule;
use super::given::Given;
use super::health::{Health, Supervision};
use super::off;
use super::queues::{Buffers, InFlight, Waiting, WhenDown};
use super::tcp::Tcp;
use super::timeouts::Timeouts;
use super::topology::{ClusterSettings, Mode};
use super::transport::{Transport, check_endpoint};
use super::url;
use crate::endpoint::{Endpoint, LinkName};
use crate::policy::{BreakerSettings, RestartPolicy, RetryBudget};
use crate::redis::error::{Error, Result};
use crate::redis::resp::ReplyLimits;
use crate::redis::retry::RetryPolicy;
use crate::secret::Secret;
use crate::tls::TlsSettings;

/// The configuration of a Redis client, standalone or cluster.
///
/// Made by [`standalone`](Self::standalone), [`cluster`](Self::cluster),
/// [`from_url`](Self::from_url) or serde, as a part of the application's own configuration; the
/// library reads no files and no environment. Reading it with serde checks the form;
/// [`validate`](Self::validate) checks the values, and the start of a client calls it.
///
/// `Debug` and `Serialize` mask the password, and `Serialize` leaves out the function of an
/// [`EndpointMap`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Given")]
#[non_exhaustive]
pub struct Config {
    /// One server or a cluster. Default standalone.
    pub mode: Mode,
    /// What is dialled: exactly one for a standalone server, the seeds for a cluster. In text
    /// `url` can stand in its place.
    pub endpoints: Vec<Endpoint>,
    /// The prefix of the names of all links, in events, metrics and status tables; no control
    /// characters. Two clients in one process need two names. Default `redis`.
    pub name: LinkName,
    /// The user to authenticate as; needs a password. Default none: the default user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password to authenticate with. Default none: no authentication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// The database selected on each connection; a cluster has only 0. Default 0.
    pub database: u32,
    /// The name that `CLIENT LIST` on the server shows; printable ASCII without spaces. Default
    /// none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    /// The version of the wire protocol. Default automatic.
    pub protocol: Protocol,
    /// What a command does while its link is down. Default: it waits.
    pub when_down: WhenDown,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// Options of the socket.
    pub tcp: Tcp,
    /// How every connection, to every node, is secured by TLS. Default none: plain text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSettings>,
    /// The check of a silent connection.
    pub health: Health,
    /// When a link tries again, how often, and when it gives up.
    pub restart: RestartPolicy,
    /// When calls to a node fail at once for a while because too many failed; `None`, or `"off"`
    /// in text, switches it off. Default: on, with the defaults of [`BreakerSettings`].
    #[serde(with = "off::table")]
    pub breaker: Option<BreakerSettings>,
    /// When a link counts as stable, and what a parked one does.
    pub supervision: Supervision,
    /// The queue of requests that wait for a connection.
    pub waiting: Waiting,
    /// When a command is sent again.
    pub retry: RetryPolicy,
    /// How much load retries may add to each node.
    pub retry_budget: RetryBudget,
    /// What a connection may have in flight.
    pub in_flight: InFlight,
    /// The buffers between a connection and its socket.
    pub buffers: Buffers,
    /// How large a reply may be.
    pub limits: ReplyLimits,
    /// How the topology of a cluster is followed.
    pub cluster: ClusterSettings,
    /// Where announced addresses are really reached. Default: where they say.
    pub endpoint_map: EndpointMap,
    /// Where redirects and topologies may lead. Default: anywhere.
    pub allowed_endpoints: EndpointRule,
}

impl Config {
    /// What was given, and defaults for the rest. It is not validated.
    fn from_given(given: Given) -> Self {
        Self {
            mode: given.mode.unwrap_or_default(),
            endpoints: given.endpoints.unwrap_or_default(),
            name: given.name.unwrap_or_else(|| LinkName::from("redis")),
            username: given.username,
            password: given.password,
            database: given.database.unwrap_or_default(),
            client_name: given.client_name,
            protocol: given.protocol.unwrap_or_default(),
            when_down: given.when_down,
            timeouts: given.timeouts.into(),
            tcp: given.tcp,
            tls: given.tls,
            health: given.health,
            restart: given.restart,
            breaker: given.breaker.0,
            supervision: given.supervision,
            waiting: given.waiting,
            retry: given.retry,
            retry_budget: given.retry_budget,
            in_flight: given.in_flight,
            buffers: given.buffers,
            limits: given.limits,
            cluster: given.cluster,
            endpoint_map: given.endpoint_map,
            allowed_endpoints: given.allowed_endpoints,
        }
    }

    /// Everything at its default, but these.
    fn new(mode: Mode, endpoints: Vec<Endpoint>) -> Self {
        Self::from_given(Given {
            mode: Some(mode),
            endpoints: Some(endpoints),
            ..Given::default()
        })
    }

    /// The configuration for one server, everything else at its default.
    pub fn standalone(endpoint: Endpoint) -> Self {
        Self::new(Mode::Standalone, vec![endpoint])
    }

    /// The configuration for a cluster with these seeds, everything else at its default.
    pub fn cluster(seeds: impl IntoIterator<Item = Endpoint>) -> Self {
        Self::new(Mode::Cluster, seeds.into_iter().collect())
    }

    /// The configuration that a URL describes, validated; see the
    /// [module documentation](crate::redis::config) for the forms.
    ///
    /// # Errors
    /// When the URL or a value in it is not valid, or asks for a unix socket, which this version
    /// has not, or for TLS without the feature `tls`. The message never repeats the URL.
    pub fn from_url(url: &str) -> Result<Self> {
        let config = Self::from_given(url::parse(url)?);
        config.validate()?;
        Ok(config)
    }

    /// Checks all values. The start of a client calls it.
    ///
    /// # Errors
    /// The first value that cannot work: which field, what it was unless it may be secret, and
    /// what is allowed.
    pub fn validate(&self) -> Result<()> {
        self.check_endpoints()?;
        let name = self.name.as_str();
        if name.is_empty() || name.contains(char::is_control) {
            return Err(Error::config(
                "name must not be empty and have no control characters",
            ));
        }
        check_login(self.username.as_deref(), self.password.as_ref())?;
        check_client_name(self.client_name.as_deref())?;
        if self.mode == Mode::Cluster && self.database != 0 {
            return Err(Error::config(format!(
                "database is {}, it must be 0 for a cluster",
                self.database
            )));
        }
        self.timeouts.check()?;
        self.tcp.check()?;
        if let Some(tls) = &self.tls {
            Transport::Tls.require()?;
            tls.validate()
                .map_err(|error| Error::config(error.to_string()))?;
        }
        self.health.check()?;
        self.supervision.check()?;
        self.waiting.check()?;
        if let Some(timeout) = self.retry.attempt_timeout {
            positive("retry.attempt_timeout", timeout)?;
        }
        self.in_flight.check()?;
        self.buffers.check()?;
        self.limits.validate()?;
        self.cluster.check()
    }

    /// Whether a redirect or a topology may lead there.
    pub(crate) fn allows(&self, endpoint: &Endpoint) -> bool {
        self.allowed_endpoints.allows(endpoint) || self.endpoints.contains(endpoint)
    }

    fn check_endpoints(&self) -> Result<()> {
        let count = self.endpoints.len();
        if count == 0 {
            return Err(Error::config("endpoints must not be empty; or give a url"));
        }
        if self.mode == Mode::Standalone && count != 1 {
            return Err(Error::config(format!(
                "endpoints has {count} entries, a standalone server has exactly one; \
                 is mode \"cluster\" meant?"
            )));
        }
        self.endpoints.iter().try_for_each(check_endpoint)
    }
}

/// As [`Config::from_url`].
impl FromStr for Config {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        Self::from_url(url)
    }
}

impl TryFrom<Given> for Config {
    type Error = Error;

    fn try_from(mut given: Given) -> Result<Self> {
        if let Some(url) = given.url.take() {
            given = given.with_url(url::parse(url.expose())?)?;
        }
        Ok(Self::from_given(given))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn local() -> Config {
        Config::standalone(Endpoint::tcp("localhost", 6379))
    }

    #[test]
    fn validation_names_the_field_that_cannot_work() {
        let node = || Endpoint::tcp("localhost", 6379);
        let zero = Duration::ZERO;
        let mut two = local();
        two.endpoints.push(node());
        for (config, expected) in [
            (Config::cluster([]), "endpoints must not be empty"),
            (two, "endpoints has 2 entries"),
            (
                Config::standalone(Endpoint::unix("/a")),
                "unix sockets are not supported",
            ),
            (
                Config::cluster([node(), Endpoint::tcp("h", 0)]),
                "a port must be",
            ),
            (local().name(""), "name must not be empty"),
            (local().name("a\nb"), "control characters"),
            (local().username("app"), "username needs a password"),
            (local().password(""), "password must not be empty"),
            (local().client_name("a b"), "client_name must be printable"),
            (
                Config::cluster([node()]).database(1),
                "database is 1, it must be 0",
            ),
            (
                local().connect_timeout(zero),
                "timeouts.connect must be greater than zero",
            ),
            (
                local().command_timeout(zero),
                "timeouts.command must be greater than zero",
            ),
            (
                local().tcp(Tcp::default().user_timeout(Some(zero))),
                "tcp.user_timeout",
            ),
            (
                local().health(Health::default().failures(0)),
                "health.failures is 0",
            ),
            (
                local().supervision(Supervision::default().stable_after(zero)),
                "supervision.stable_after",
            ),
            (
                local().waiting(Waiting::default().bytes(0)),
                "waiting.bytes is 0",
            ),
            (
                local().retry(RetryPolicy::default().attempt_timeout(Some(zero))),
                "retry.attempt_timeout",
            ),
            (
                local().in_flight(InFlight::default().bytes(0)),
                "in_flight.bytes is 0",
            ),
            (
                local().cluster_settings(ClusterSettings::default().max_redirects(0)),
                "cluster.max_redirects is 0",
            ),
        ] {
            let error = config.validate().expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn any_number_of_seeds_makes_a_cluster_and_a_database_a_standalone_server() {
        let node = |port| Endpoint::tcp("localhost", port);
        Config::cluster([node(1), node(2)])
            .validate()
            .expect("two seeds");
        Config::cluster([node(1)]).validate().expect("one seed");
        local().database(15).validate().expect("a database");
    }

    #[test]
    fn the_password_is_never_shown() {
        let config = local().username("app").password("hunter2");
        let shown = format!("{config:?} {config:#?}");
        assert!(
            shown.contains("***") && !shown.contains("hunter2"),
            "{shown}"
        );
        let json = serde_json::to_string(&config).expect("can be written");
        assert!(json.contains("***") && !json.contains("hunter2"), "{json}");
        assert_eq!(config.password.expect("was set").expose(), "hunter2");
    }
}
