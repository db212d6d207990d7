//! The setters of [`Config`], by value: `Config::standalone(endpoint).name("cache")`.

use std::time::Duration;

use super::credentials::Protocol;
use super::endpoint_map::EndpointMap;
use super::endpoint_rule::EndpointRule;
use super::health::{Health, Supervision};
use super::queues::{Buffers, InFlight, Waiting, WhenDown};
use super::settings::Config;
use super::tcp::Tcp;
use super::timeouts::Timeouts;
use super::topology::ClusterSettings;
use crate::endpoint::LinkName;
use crate::policy::{BreakerSettings, RestartPolicy, RetryBudget};
use crate::redis::resp::ReplyLimits;
use crate::redis::retry::RetryPolicy;
use crate::secret::Secret;
use crate::tls::TlsSettings;

impl Config {
    /// Sets [`name`](Self::name); default `redis`. An empty one, or one with control characters,
    /// is refused by `validate`.
    #[must_use]
    pub fn name(mut self, name: impl Into<LinkName>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets [`username`](Self::username); default none. An empty one, or one without a password,
    /// is refused by `validate`.
    #[must_use]
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self
    }

    /// Sets [`password`](Self::password); default none. An empty one is refused by `validate`.
    #[must_use]
    pub fn password(mut self, password: impl Into<Secret>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Sets [`database`](Self::database); default 0. Another one for a cluster is refused by
    /// `validate`.
    #[must_use]
    pub fn database(mut self, database: u32) -> Self {
        self.database = database;
        self
    }

    /// Sets [`client_name`](Self::client_name); default none. An empty one, or one with anything
    /// but printable ASCII, is refused by `validate`.
    #[must_use]
    pub fn client_name(mut self, client_name: impl Into<String>) -> Self {
        self.client_name = Some(client_name.into());
        self
    }

    /// Sets [`protocol`](Self::protocol); default automatic.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Sets [`when_down`](Self::when_down); default [`WhenDown::Wait`].
    #[must_use]
    pub fn when_down(mut self, when_down: WhenDown) -> Self {
        self.when_down = when_down;
        self
    }

    /// Sets [`timeouts`](Self::timeouts), all of them; see there for defaults and errors.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sets [`Timeouts::connect`]; default 5 s, zero is refused by `validate`.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.connect = timeout;
        self
    }

    /// Sets [`Timeouts::command`]; default 5 s, zero is refused by `validate`.
    #[must_use]
    pub fn command_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.command = timeout;
        self
    }

    /// Sets [`tcp`](Self::tcp); see there for defaults and errors.
    #[must_use]
    pub fn tcp(mut self, tcp: Tcp) -> Self {
        self.tcp = tcp;
        self
    }

    /// Sets [`tls`](Self::tls): from now on every connection is secured, whatever the scheme of a
    /// URL said. Default none. Without the feature `tls` it is refused by `validate`.
    #[must_use]
    pub fn tls(mut self, tls: TlsSettings) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Sets [`health`](Self::health); see there for defaults and errors.
    #[must_use]
    pub fn health(mut self, health: Health) -> Self {
        self.health = health;
        self
    }

    /// Sets [`supervision`](Self::supervision); see there for defaults and errors.
    #[must_use]
    pub fn supervision(mut self, supervision: Supervision) -> Self {
        self.supervision = supervision;
        self
    }

    /// Sets [`waiting`](Self::waiting); see there for defaults and errors.
    #[must_use]
    pub fn waiting(mut self, waiting: Waiting) -> Self {
        self.waiting = waiting;
        self
    }

    /// Sets [`retry`](Self::retry); see [`RetryPolicy`] for defaults and errors.
    #[must_use]
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Sets [`retry_budget`](Self::retry_budget); default 20 % of the traffic and 10 a second.
    #[must_use]
    pub fn retry_budget(mut self, budget: RetryBudget) -> Self {
        self.retry_budget = budget;
        self
    }

    /// Sets [`restart`](Self::restart); see [`RestartPolicy`] for defaults.
    #[must_use]
    pub fn restart(mut self, restart: RestartPolicy) -> Self {
        self.restart = restart;
        self
    }

    /// Sets [`breaker`](Self::breaker), `None` is off; see [`BreakerSettings`] for defaults.
    #[must_use]
    pub fn breaker(mut self, breaker: Option<BreakerSettings>) -> Self {
        self.breaker = breaker;
        self
    }

    /// Sets [`limits`](Self::limits); see [`ReplyLimits`] for defaults and errors.
    #[must_use]
    pub fn limits(mut self, limits: ReplyLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets [`in_flight`](Self::in_flight); see there for defaults and errors.
    #[must_use]
    pub fn in_flight(mut self, in_flight: InFlight) -> Self {
        self.in_flight = in_flight;
        self
    }

    /// Sets [`buffers`](Self::buffers); see there for defaults and errors.
    #[must_use]
    pub fn buffers(mut self, buffers: Buffers) -> Self {
        self.buffers = buffers;
        self
    }

    /// Sets the field `cluster`; see [`ClusterSettings`] for
    /// defaults and errors. Without effect on a standalone server.
    #[must_use]
    pub fn cluster_settings(mut self, cluster: ClusterSettings) -> Self {
        self.cluster = cluster;
        self
    }

    /// Sets [`endpoint_map`](Self::endpoint_map); default empty.
    #[must_use]
    pub fn endpoint_map(mut self, map: EndpointMap) -> Self {
        self.endpoint_map = map;
        self
    }

    /// Sets [`allowed_endpoints`](Self::allowed_endpoints); default any.
    #[must_use]
    pub fn allowed_endpoints(mut self, rule: EndpointRule) -> Self {
        self.allowed_endpoints = rule;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Endpoint;

    #[test]
    fn each_setter_sets_its_field() {
        let second = Duration::from_secs(1);
        let map = EndpointMap::new().entry("a", "b").expect("valid");
        let set = Config::standalone(Endpoint::tcp("h", 1))
            .name("n")
            .username("u")
            .password("p")
            .database(2)
            .client_name("c")
            .protocol(Protocol::Resp3)
            .when_down(WhenDown::Fail)
            .timeouts(Timeouts::default().drain(second))
            .connect_timeout(second * 2)
            .command_timeout(second * 3)
            .tcp(Tcp::default().nodelay(false))
            .tls(TlsSettings::default())
            .health(Health::default().enabled(false))
            .supervision(Supervision::default().park_probe(None))
            .waiting(Waiting::default().requests(7))
            .retry(RetryPolicy::default().max_losses(10))
            .retry_budget(RetryBudget::new(0.5, 6).expect("valid"))
            .in_flight(InFlight::default().requests(8))
            .buffers(Buffers::default().write_bytes(10))
            .cluster_settings(ClusterSettings::default().max_redirects(9))
            .breaker(None)
            .endpoint_map(map.clone())
            .allowed_endpoints(EndpointRule::configured());

        let mut expected = Config::standalone(Endpoint::tcp("h", 1));
        expected.name = "n".into();
        expected.username = Some("u".into());
        expected.password = Some("p".into());
        expected.database = 2;
        expected.client_name = Some("c".into());
        expected.protocol = Protocol::Resp3;
        expected.when_down = WhenDown::Fail;
        expected.timeouts.drain = second;
        expected.timeouts.connect = second * 2;
        expected.timeouts.command = second * 3;
        expected.tcp.nodelay = false;
        expected.tls = Some(TlsSettings::default());
        expected.health.enabled = false;
        expected.supervision.park_probe = None;
        expected.waiting.requests = 7;
        expected.retry.max_losses = 10;
        expected.retry_budget = RetryBudget::new(0.5, 6).expect("valid");
        expected.in_flight.requests = 8;
        expected.buffers.write_bytes = 10;
        expected.cluster.max_redirects = 9;
        expected.breaker = None;
        expected.endpoint_map = map;
        expected.allowed_endpoints = EndpointRule::configured();
        assert_eq!(set, expected);
    }
}
