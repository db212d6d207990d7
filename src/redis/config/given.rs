//! What somebody gave, before defaults: [`Given`]. A file and a URL both read into it.

use serde::Deserialize;

use super::breaker::GivenBreaker;
use super::credentials::Protocol;
use super::endpoint_map::EndpointMap;
use super::endpoint_rule::EndpointRule;
use super::health::{Health, Supervision};
use super::queues::{Buffers, InFlight, Waiting, WhenDown};
use super::tcp::Tcp;
use super::timeouts::GivenTimeouts;
use super::topology::{ClusterSettings, Mode};
use crate::endpoint::{Endpoint, LinkName};
use crate::policy::{RestartPolicy, RetryBudget};
use crate::redis::error::{Error, Result};
use crate::redis::resp::ReplyLimits;
use crate::redis::retry::RetryPolicy;
use crate::secret::Secret;
use crate::tls::TlsSettings;

/// The serialized form of a [`Config`](super::Config). What a URL can set too is optional, so that a field
/// beside the URL wins only where it was given.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Given {
    // Parsed not while it is read but afterwards: an error at this place would make a format's
    // parser quote the line, password included.
    pub(super) url: Option<Secret>,
    pub(super) mode: Option<Mode>,
    pub(super) endpoints: Option<Vec<Endpoint>>,
    pub(super) name: Option<LinkName>,
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) database: Option<u32>,
    pub(super) client_name: Option<String>,
    pub(super) protocol: Option<Protocol>,
    pub(super) timeouts: GivenTimeouts,
    pub(super) when_down: WhenDown,
    pub(super) tcp: Tcp,
    pub(super) tls: Option<TlsSettings>,
    pub(super) health: Health,
    pub(super) restart: RestartPolicy,
    pub(super) breaker: GivenBreaker,
    pub(super) supervision: Supervision,
    pub(super) waiting: Waiting,
    pub(super) retry: RetryPolicy,
    pub(super) retry_budget: RetryBudget,
    pub(super) in_flight: InFlight,
    pub(super) buffers: Buffers,
    pub(super) limits: ReplyLimits,
    pub(super) cluster: ClusterSettings,
    pub(super) endpoint_map: EndpointMap,
    pub(super) allowed_endpoints: EndpointRule,
}

impl Given {
    /// This, and what the URL says where this says nothing.
    pub(super) fn with_url(self, url: Self) -> Result<Self> {
        if self.endpoints.is_some() {
            return Err(Error::config("give either url or endpoints, not both"));
        }
        if (self.mode, url.mode) == (Some(Mode::Standalone), Some(Mode::Cluster)) {
            return Err(Error::config(
                "mode is \"standalone\", but the scheme of the url is that of a cluster",
            ));
        }
        Ok(Self {
            url: None,
            mode: self.mode.or(url.mode),
            endpoints: url.endpoints,
            name: self.name.or(url.name),
            username: self.username.or(url.username),
            password: self.password.or(url.password),
            database: self.database.or(url.database),
            client_name: self.client_name.or(url.client_name),
            protocol: self.protocol.or(url.protocol),
            timeouts: self.timeouts.or(url.timeouts),
            tls: self.tls.or(url.tls),
            ..self
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;
    use crate::redis::config::Config;

    const DEFAULTS: &str = include_str!("defaults.toml");

    fn read(text: &str) -> Config {
        toml::from_str(text).expect(text)
    }

    fn refusal(text: &str) -> String {
        toml::from_str::<Config>(text).expect_err(text).to_string()
    }

    /// The dotted names of all fields in a table.
    fn fields(table: &toml::Table, prefix: &str, into: &mut BTreeSet<String>) {
        for (key, value) in table {
            match value {
                toml::Value::Table(inner) => fields(inner, &format!("{prefix}{key}."), into),
                _ => {
                    into.insert(format!("{prefix}{key}"));
                }
            }
        }
    }

    #[test]
    fn the_documented_defaults_are_the_real_ones_and_complete() {
        let default = Config::standalone(Endpoint::tcp("localhost", 6379));
        assert_eq!(read(DEFAULTS), default);
        default.validate().expect("the defaults are valid");

        let table: toml::Table = DEFAULTS.parse().expect("TOML");
        let (mut documented, mut real) = (BTreeSet::new(), BTreeSet::new());
        fields(&table, "", &mut documented);
        let written = toml::to_string(&default).expect("can be written");
        fields(&written.parse().expect("TOML"), "", &mut real);
        assert_eq!(documented, real);
        for (key, value) in &written.parse::<toml::Table>().expect("TOML") {
            assert_eq!(table.get(key), Some(value), "{key}");
        }
    }

    #[test]
    fn what_is_written_reads_back_except_for_the_password() {
        let mut config = Config::cluster([Endpoint::tcp("::1", 7000), Endpoint::tcp("b", 7001)])
            .name("sessions")
            .username("app")
            .client_name("web-1")
            .protocol(Protocol::Resp2)
            .when_down(WhenDown::Fail)
            .command_timeout(Duration::from_millis(500))
            .supervision(Supervision::default().park_probe(None))
            .tcp(Tcp::default().keepalive(None).user_timeout(None))
            .tls(TlsSettings::default().root(crate::tls::Pem::file("/ca.pem")))
            .cluster_settings(ClusterSettings::default().max_redirects(9))
            .endpoint_map(EndpointMap::new().entry("a", "b:1").expect("valid"));
        let text = toml::to_string(&config).expect("can be written");
        assert!(text.contains("command = \"500ms\""), "{text}");
        assert_eq!(read(&text), config);
        let json = serde_json::to_string(&config).expect("can be written");
        assert_eq!(
            serde_json::from_str::<Config>(&json).expect("valid"),
            config
        );

        config.password = Some("hunter2".into());
        let text = toml::to_string(&config).expect("can be written");
        assert!(text.contains("password = \"***\"") && !text.contains("hunter2"));
        config.password = Some("***".into());
        assert_eq!(read(&text), config);
    }

    #[test]
    fn can_be_a_part_of_the_users_own_configuration() {
        #[derive(Deserialize)]
        struct App {
            redis: Config,
        }
        let text = "[redis]\nendpoints = ['h:1']\n[redis.timeouts]\ncommand = '1m 500ms'";
        let app: App = toml::from_str(text).expect("valid");
        let expected = Config::standalone(Endpoint::tcp("h", 1))
            .command_timeout(Duration::from_millis(60_500));
        assert_eq!(app.redis, expected);
    }

    #[test]
    fn unknown_fields_are_refused_at_every_level() {
        for table in [
            "",
            "timeouts",
            "tcp",
            "tcp.keepalive",
            "tls",
            "health",
            "breaker",
            "supervision",
            "waiting",
            "retry",
            "retry_budget",
            "in_flight",
            "cluster",
        ] {
            let header = if table.is_empty() {
                String::new()
            } else {
                format!("[{table}]\n")
            };
            let error = refusal(&format!("{header}surprise = 1"));
            assert!(
                error.contains("unknown field `surprise`"),
                "{table}: {error}"
            );
        }
    }

    #[test]
    fn fields_beside_a_url_win_where_they_are_given() {
        let config = read(
            "url = 'redis://app:one@h:1/2?name=n&client_name=c&protocol=3&timeout=1s&connect_timeout=2s'
             password = 'two'
             database = 3
             timeouts = { command = '9s', drain = '8s' }",
        );
        let expected = Config::standalone(Endpoint::tcp("h", 1))
            .name("n")
            .username("app")
            .password("two")
            .database(3)
            .client_name("c")
            .protocol(Protocol::Resp3)
            .command_timeout(Duration::from_secs(9))
            .connect_timeout(Duration::from_secs(2));
        let mut expected = expected;
        expected.timeouts.drain = Duration::from_secs(8);
        assert_eq!(config, expected);
        let config = read("url = 'redis://seed'\nmode = 'cluster'");
        assert_eq!(config, Config::cluster([Endpoint::tcp("seed", 6379)]));
    }

    #[test]
    fn a_table_tls_switches_tls_on_beside_endpoints_and_any_url() {
        let tls = TlsSettings::default().server_name("cache.example");
        let expected = Config::standalone(Endpoint::tcp("h", 6379)).tls(tls);
        let table = "[tls]\nserver_name = 'cache.example'";
        for from in ["endpoints = ['h:6379']", "url = 'redis://h'"] {
            assert_eq!(read(&format!("{from}\n{table}")), expected);
        }
        if cfg!(feature = "tls") {
            assert_eq!(read(&format!("url = 'rediss://h'\n{table}")), expected);
            expected.validate().expect("valid");
        } else {
            let error = expected.validate().expect_err("no TLS").to_string();
            assert!(error.contains("needs the feature `tls`"), "{error}");
        }
        assert_eq!(read("endpoints = ['h:1']").tls, None);
    }

    #[test]
    fn contradictions_between_url_and_fields_are_refused() {
        let error = refusal("url = 'redis://h'\nendpoints = ['h:1']");
        assert!(error.contains("either url or endpoints"), "{error}");
        let error = refusal("url = 'redis-cluster://h'\nmode = 'standalone'");
        assert!(error.contains("scheme of the url"), "{error}");
    }

    #[test]
    fn the_error_of_a_url_does_not_show_its_line() {
        for url in [
            "redis://:hunter2@h?x=1",
            "rediss://:hunter2@h:0",
            "redis://:hunter2@h:x",
        ] {
            for text in [
                format!("url = '{url}'"),
                format!("name = 'a'\nurl = '{url}'\ndatabase = 0"),
                format!("url = '{url}'\nendpoints = []"),
            ] {
                let error = refusal(&text);
                assert!(!error.contains("hunter2"), "{error}");
                let embedded = format!("[redis]\n{text}\n[other]");
                let error = toml::from_str::<std::collections::BTreeMap<String, Config>>(&embedded)
                    .expect_err("refused");
                assert!(!error.to_string().contains("hunter2"), "{error}");
                let inline = format!("redis = {{ url = '{url}' }}");
                let error = toml::from_str::<std::collections::BTreeMap<String, Config>>(&inline)
                    .expect_err("refused");
                assert!(!error.message().contains("hunter2"), "{error}");
            }
        }
    }

    #[test]
    fn durations_need_a_unit_and_words_are_those_of_the_documentation() {
        for text in [
            "timeouts = { command = 5 }",
            "timeouts = { command = '5' }",
            "timeouts = { command = 'soon' }",
            "mode = 'sentinel'",
            "protocol = 'resp4'",
            "when_down = 'panic'",
            "database = -1",
            "endpoints = ['localhost']",
        ] {
            refusal(text);
        }
    }
}
