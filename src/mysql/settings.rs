//! What can be set: [`MysqlSettings`], its defaults and its bounds.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::endpoint::{Endpoint, LinkName};
use crate::link::LinkOptions;
use crate::mysql::error::{Error, Result};
use crate::mysql::url;
use crate::secret::Secret;
use crate::tls::TlsSettings;

/// No duration is longer: sums of instants must not overflow.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The settings of a [`Pool`](crate::mysql::Pool).
///
/// Made by [`from_url`](Self::from_url), [`new`](Self::new) or serde; then change the fields that
/// should differ. Opening a pool validates them. `Debug` and `Serialize` mask the password.
///
/// ```
/// # use everlink::mysql::MysqlSettings;
/// let settings: MysqlSettings = toml::from_str(r#"
///     url = "mysql://app:secret@db.example/shop"
///     pool = { max = 20 }
///     timeouts = { query = "5s" }
///     when_down = "wait"
/// "#)?;
/// assert_eq!(settings.pool.max, 20);
/// assert_eq!(settings.endpoint.to_string(), "db.example:3306");
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Given")]
#[non_exhaustive]
pub struct MysqlSettings {
    /// The name of the link, in events, metrics and status tables. Default `mysql`.
    pub name: LinkName,
    /// Host and port of the server. In text `url` can stand in place of this and the next three.
    pub endpoint: Endpoint,
    /// The user. Default none: the driver sends an empty name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The user's password. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// The database that connections begin in. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// TLS, and whom to trust; a table, which may be empty, switches it on. Default none: plain
    /// text. Without the feature `tls` it is refused by `validate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSettings>,
    /// Statements that every connection executes first, in this order, and again after each
    /// session, such as `SET time_zone = '+00:00'`. They must leave no transaction open. After
    /// them `autocommit` is switched on, whatever they or the server say of it. Default none.
    pub setup: Vec<String>,
    /// What a call does while the link is down. Default: it fails at once.
    pub when_down: WhenDown,
    /// How many connections there are, and how long each lives.
    pub pool: PoolSize,
    /// How long calls may take.
    pub timeouts: Timeouts,
    /// The check of the server while the link is up.
    pub health: Health,
    /// How the link is supervised.
    pub link: LinkOptions,
}

/// What a call does while its link is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WhenDown {
    /// It fails at once, *not sent*.
    #[default]
    Fail,
    /// It waits for the link, up to `timeouts.acquire`.
    Wait,
}

/// How many connections a pool has, and how long each lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct PoolSize {
    /// Connections that are kept, used or not: from 1 to `max`. Default 2.
    pub min: usize,
    /// Connections at the most: at least 1. A health check may use one more. Default 10.
    pub max: usize,
    /// Calls that may wait for a connection; one more fails at once. At least 1.
    /// Default 10 000.
    pub waiting: usize,
    /// Bytes that they may keep: text and parameters of statements, and what a closure of a
    /// transaction or a session captured, without what that points to. One always fits. Default
    /// 64 MiB.
    pub waiting_bytes: usize,
    /// How long a connection is used, less or more by up to a tenth, so that those of one start do
    /// not end together. Default 30 min.
    #[serde(with = "humantime_serde")]
    pub lifetime: Duration,
    /// A connection beyond `min` that was idle for so long is closed. Default 10 min.
    #[serde(with = "humantime_serde")]
    pub idle: Duration,
    /// A connection that was idle for longer than this answers a ping before it is lent. Default
    /// 500 ms.
    #[serde(with = "humantime_serde")]
    pub validate_after: Duration,
    /// Bytes that the rows of one answer may take; more is an error. Default 64 MiB.
    pub answer_bytes: usize,
}

impl Default for PoolSize {
    fn default() -> Self {
        Self {
            min: 2,
            max: 10,
            waiting: 10_000,
            waiting_bytes: 64 * 1024 * 1024,
            lifetime: Duration::from_secs(30 * 60),
            idle: Duration::from_secs(10 * 60),
            validate_after: Duration::from_millis(500),
            answer_bytes: 64 * 1024 * 1024,
        }
    }
}

/// How long calls may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Timeouts {
    /// How long a call waits for a connection. Default 5 s.
    #[serde(with = "humantime_serde")]
    pub acquire: Duration,
    /// How long one statement may take once it has a connection. Default 30 s.
    #[serde(with = "humantime_serde")]
    pub query: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            acquire: Duration::from_secs(5),
            query: Duration::from_secs(30),
        }
    }
}

/// The check of the server while the link is up. A failed one is followed by the next after a
/// second (or the interval, if that is shorter); a success forgets all failures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Health {
    /// Whether to check at all. Default true. A lost connection is looked into in any case.
    pub enabled: bool,
    /// What is asked; an error of the server fails the check. Default `SELECT 1`.
    pub query: String,
    /// The time between two checks. Default 10 s.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// How long one may take. Default 3 s.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Checks that fail in a row before the link is down; at least 1. Default 3.
    pub failures: u32,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            enabled: true,
            query: "SELECT 1".to_owned(),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(3),
            failures: 3,
        }
    }
}

impl MysqlSettings {
    /// For the server there, everything else at its default.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            name: LinkName::from("mysql"),
            endpoint,
            username: None,
            password: None,
            database: None,
            tls: None,
            setup: Vec::new(),
            when_down: WhenDown::default(),
            pool: PoolSize::default(),
            timeouts: Timeouts::default(),
            health: Health::default(),
            link: LinkOptions::default(),
        }
    }

    /// For `mysql://user:password@host:3306/database` (or `mariadb://`), everything else at its
    /// default. Special characters in user, password and database stand as `%40`.
    ///
    /// # Errors
    /// The URL is not valid. The message never repeats it.
    pub fn from_url(url: &str) -> Result<Self> {
        let parts = url::parse(url)?;
        let mut settings = Self::new(parts.endpoint);
        settings.username = parts.username;
        settings.password = parts.password;
        settings.database = parts.database;
        settings.validate()?;
        Ok(settings)
    }

    /// Checks all values. The start of a pool calls it.
    ///
    /// # Errors
    /// The first value that cannot work: which, and what is allowed.
    pub fn validate(&self) -> Result<()> {
        let name = self.name.as_str();
        if name.is_empty() || name.contains(char::is_control) {
            return refuse("name must not be empty and have no control characters");
        }
        if self.endpoint.host().is_none_or(str::is_empty) || self.endpoint.port() == Some(0) {
            return refuse("endpoint must be host:port, with a port that is not 0");
        }
        let pool = &self.pool;
        if pool.min == 0 || pool.min > pool.max {
            return refuse("pool.min must be at least 1 and at most pool.max");
        }
        for (field, value) in [
            ("pool.waiting", pool.waiting),
            ("pool.waiting_bytes", pool.waiting_bytes),
            ("pool.answer_bytes", pool.answer_bytes),
            ("health.failures", self.health.failures as usize),
        ] {
            if value == 0 {
                return refuse(format!("{field} must be at least 1"));
            }
        }
        if self.health.query.trim().is_empty() {
            return refuse("health.query must not be empty");
        }
        for (field, value) in [
            ("pool.lifetime", pool.lifetime),
            ("pool.idle", pool.idle),
            ("timeouts.acquire", self.timeouts.acquire),
            ("timeouts.query", self.timeouts.query),
            ("health.interval", self.health.interval),
            ("health.timeout", self.health.timeout),
        ] {
            if value.is_zero() || value > LONGEST {
                return refuse(format!(
                    "{field} must be longer than zero and at most a year"
                ));
            }
        }
        if pool.validate_after > LONGEST {
            return refuse("pool.validate_after must be at most a year");
        }
        if let Some(tls) = &self.tls {
            if !cfg!(feature = "tls") {
                return refuse("tls needs the feature `tls`");
            }
            tls.validate()
                .map_err(|error| Error::config(error.to_string()))?;
        }
        self.link
            .check()
            .map_err(|error| Error::config(format!("link.{error}")))
    }
}

fn refuse(reason: impl AsRef<str>) -> Result<()> {
    Err(Error::config(reason))
}

/// As it stands in a configuration: what is missing has its default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    // Parsed not while it is read but afterwards: an error at this place would make a format's
    // parser quote the line, password included.
    url: Option<Secret>,
    name: Option<LinkName>,
    endpoint: Option<Endpoint>,
    username: Option<String>,
    password: Option<Secret>,
    database: Option<String>,
    tls: Option<TlsSettings>,
    #[serde(default)]
    setup: Vec<String>,
    #[serde(default)]
    when_down: WhenDown,
    #[serde(default)]
    pool: PoolSize,
    #[serde(default)]
    timeouts: Timeouts,
    #[serde(default)]
    health: Health,
    #[serde(default)]
    link: LinkOptions,
}

impl TryFrom<Given> for MysqlSettings {
    type Error = Error;

    fn try_from(given: Given) -> Result<Self> {
        let mut settings = match (given.url, given.endpoint) {
            (Some(url), None) => Self::from_url(url.expose())?,
            (None, Some(endpoint)) => Self::new(endpoint),
            _ => return Err(Error::config("give either url or endpoint")),
        };
        if let Some(name) = given.name {
            settings.name = name;
        }
        settings.username = given.username.or(settings.username);
        settings.password = given.password.or(settings.password);
        settings.database = given.database.or(settings.database);
        settings.tls = given.tls;
        settings.setup = given.setup;
        settings.when_down = given.when_down;
        settings.pool = given.pool;
        settings.timeouts = given.timeouts;
        settings.health = given.health;
        settings.link = given.link;
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> MysqlSettings {
        MysqlSettings::new(Endpoint::tcp("localhost", 3306))
    }

    #[test]
    fn the_password_is_never_shown_and_survives() {
        let settings = MysqlSettings::from_url("mysql://app:hunter2@h/db").expect("valid");
        let json = serde_json::to_string(&settings).expect("can be written");
        for shown in [format!("{settings:?} {settings:#?}"), json] {
            assert!(
                shown.contains("***") && !shown.contains("hunter2"),
                "{shown}"
            );
        }
        assert_eq!(settings.password.expect("given").expose(), "hunter2");
        let error = toml::from_str::<MysqlSettings>("url = 'mysql://app:hunter2@h:x/db'");
        let error = error.expect_err("no port").message().to_owned();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn validation_names_the_field_that_cannot_work() {
        let check = |change: fn(&mut MysqlSettings), expected: &str| {
            let mut settings = local();
            change(&mut settings);
            let error = settings.validate().expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        };
        local().validate().expect("the defaults are valid");
        check(|s| s.pool.min = 0, "pool.min");
        check(|s| s.pool.min = 11, "pool.min");
        check(|s| s.pool.waiting = 0, "pool.waiting");
        check(|s| s.timeouts.acquire = Duration::ZERO, "timeouts.acquire");
        check(|s| s.timeouts.query = Duration::MAX, "timeouts.query");
        check(|s| s.health.query = " ".to_owned(), "health.query");
        check(|s| s.health.failures = 0, "health.failures");
        check(|s| s.name = LinkName::from(""), "name");
        check(|s| s.endpoint = Endpoint::unix("/a"), "endpoint");
    }

    #[test]
    fn what_is_not_given_has_its_default_and_what_is_unknown_is_refused() {
        let read = |text: &str| toml::from_str::<MysqlSettings>(text);
        let settings = read("endpoint = 'h:1'\npassword = 'p'\nhealth = { query = 'DO 1' }");
        let settings = settings.expect("valid");
        assert_eq!(settings.pool, PoolSize::default());
        assert_eq!(settings.timeouts, Timeouts::default());
        assert_eq!(settings.health.query, "DO 1");
        assert_eq!(settings.health.interval, Duration::from_secs(10));
        assert_eq!(settings.when_down, WhenDown::Fail);
        for text in [
            "",
            "url = 'mysql://h'\nendpoint = 'h:1'",
            "url = 'mysql://h'\npol = {}",
            "url = 'mysql://h'\npool = { mx = 1 }",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
