//! The links of a service as a configuration file says them: [`ManagerConfig`].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::endpoint::LinkName;
use crate::manager::escalation::Strategy;
use crate::manager::manager::{Manager, Register, Setup};
use crate::manager::roster::NotRegistered;
use crate::policy::Intensity;

/// The links of a service, and how they stand together. Each entry of `links` has a name, the names
/// of those it starts after, and the settings of one kind.
///
/// ```toml
/// strategy = "one_for_one"            # or "rest_for_one", "one_for_all"
/// intensity = { restarts = 5, period = "60s" }
///
/// [[links]]
/// name = "sessions"
/// redis = { url = "redis://localhost:6379/1" }
///
/// [[links]]
/// name = "carts"
/// after = ["sessions"]
/// redis = { url = "redis-cluster://10.0.0.1,10.0.0.2" }
/// ```
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ManagerConfig {
    /// Whom a link that has given up takes with it. Default: nobody.
    pub strategy: Strategy,
    /// How many restarts of members are too many. Default: 5 in 60 s.
    pub intensity: Intensity,
    /// The members, in the order of starting.
    pub links: Vec<MemberConfig>,
}

/// One member of a [`ManagerConfig`]: exactly one kind is given.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MemberConfig {
    /// Its name, and that of its links.
    pub name: LinkName,
    /// It starts only once these, given before it, are up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<LinkName>,
    /// A Redis client.
    #[cfg(feature = "redis")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<crate::redis::Config>,
    /// A pool of connections to MySQL or MariaDB.
    #[cfg(feature = "mysql")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mysql: Option<crate::mysql::MysqlSettings>,
    /// A client for Elasticsearch or OpenSearch.
    #[cfg(feature = "elasticsearch")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elasticsearch: Option<crate::elasticsearch::ElasticSettings>,
    /// A WebSocket feed; what it says and to whom is code, see [`ManagerConfig::setup_with`].
    #[cfg(feature = "websocket")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub websocket: Option<crate::websocket::FeedSettings>,
}

/// What a configuration cannot say of its members.
#[derive(Default)]
#[non_exhaustive]
pub struct Code {
    /// Makes a feed of its settings: which protocol it speaks, and who hears it.
    #[cfg(feature = "websocket")]
    feed: Option<MakeFeed>,
}

#[cfg(feature = "websocket")]
type MakeFeed = Box<dyn FnMut(LinkName, crate::websocket::FeedSettings) -> Register>;

impl Code {
    /// How feeds are made of their settings: usually by [`Register::new`] with
    /// [`Feed::open`](crate::websocket::Feed::open) in it.
    #[cfg(feature = "websocket")]
    #[must_use]
    pub fn feed(
        mut self,
        make: impl FnMut(LinkName, crate::websocket::FeedSettings) -> Register + 'static,
    ) -> Self {
        self.feed = Some(Box::new(make));
        self
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Code").finish_non_exhaustive()
    }
}

/// Why a configuration cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManagerConfigError {
    /// Names.
    #[error(transparent)]
    Name(#[from] NotRegistered),
    /// None, or more than one.
    #[error("{0} must have the settings of exactly one kind")]
    Kind(LinkName),
    /// What it needs beside its settings was not given.
    #[error("{0} is a feed: what it says and to whom is given by ManagerConfig::setup_with")]
    Code(LinkName),
}

impl ManagerConfig {
    /// A manager with these members; members of other kinds can be added to it before it is
    /// started.
    ///
    /// # Errors
    ///
    /// Names that are given twice or not before they are needed; a member without a kind, or with
    /// two; a feed.
    pub fn setup(self) -> Result<Setup, ManagerConfigError> {
        self.setup_with(Code::default())
    }

    /// The same, where members need code beside their settings.
    ///
    /// # Errors
    ///
    /// As [`ManagerConfig::setup`], but for feeds.
    pub fn setup_with(self, mut code: Code) -> Result<Setup, ManagerConfigError> {
        let setup = Manager::new()
            .strategy(self.strategy)
            .intensity(self.intensity);
        self.links.into_iter().try_fold(setup, |setup, member| {
            let after = member.after.clone();
            let register = member.register(&mut code)?;
            let register = after.into_iter().fold(register, Register::after);
            Ok(setup.member(register)?)
        })
    }
}

impl MemberConfig {
    #[cfg_attr(
        not(feature = "websocket"),
        expect(unused_variables, reason = "no other kind needs code")
    )]
    fn register(self, code: &mut Code) -> Result<Register, ManagerConfigError> {
        let name = self.name;
        #[cfg(feature = "websocket")]
        let feed = match (self.websocket, &mut code.feed) {
            (None, _) => None,
            (Some(settings), Some(make)) => Some(make(name.clone(), settings)),
            (Some(_), None) => return Err(ManagerConfigError::Code(name)),
        };
        let kinds: Vec<Option<Register>> = vec![
            #[cfg(feature = "redis")]
            self.redis
                .map(|config| Register::redis(name.clone(), config)),
            #[cfg(feature = "websocket")]
            feed,
            #[cfg(feature = "elasticsearch")]
            self.elasticsearch
                .map(|settings| Register::elasticsearch(name.clone(), settings)),
            #[cfg(feature = "mysql")]
            self.mysql
                .map(|settings| Register::mysql(name.clone(), settings)),
        ];
        let mut given = kinds.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(one), None) => Ok(one),
            _ => Err(ManagerConfigError::Kind(name)),
        }
    }
}

#[cfg(all(test, feature = "redis"))]
mod tests {
    use super::*;

    fn setup(text: &str) -> Result<Setup, ManagerConfigError> {
        let config: ManagerConfig = toml::from_str(text).expect(text);
        config.setup()
    }

    #[test]
    fn a_file_names_all_links_of_a_service() {
        let text = r#"
            strategy = "rest_for_one"
            intensity = { restarts = 1, period = "10s" }
            [[links]]
            name = "sessions"
            redis = { url = "redis://localhost:6379/1" }
            [[links]]
            name = "carts"
            after = ["sessions"]
            redis = { url = "redis-cluster://10.0.0.1,10.0.0.2" }
        "#;
        let config: ManagerConfig = toml::from_str(text).expect(text);
        assert_eq!(config.strategy, Strategy::RestForOne);
        let written = toml::to_string(&config).expect("can be written");
        let again: ManagerConfig = toml::from_str(&written).expect(&written);
        assert_eq!(format!("{again:?}"), format!("{config:?}"));
        let _ = setup(text).expect("a valid configuration");
    }

    #[cfg(feature = "elasticsearch")]
    #[test]
    fn a_search_cluster_is_a_kind_of_its_own() {
        let one = "[[links]]\nname = 'books'\nelasticsearch = { urls = ['http://h'] }";
        let _ = setup(one).expect("a valid configuration");
        let error = setup(&format!("{one}\nredis = {{ url = 'redis://h' }}"));
        let expected = ManagerConfigError::Kind("books".into());
        assert_eq!(error.expect_err("two kinds"), expected);
    }

    #[cfg(feature = "websocket")]
    #[test]
    fn a_feed_needs_to_be_told_what_it_says() {
        let text = "[[links]]\nname = 'prices'\nwebsocket = { url = 'ws://h/feed' }";
        let refused = setup(text).expect_err("no protocol");
        assert_eq!(refused, ManagerConfigError::Code("prices".into()));
        let config: ManagerConfig = toml::from_str(text).expect(text);
        let code = Code::default().feed(|name, _| {
            Register::new(name, |_| async {
                Err::<crate::websocket::Feed, _>("not in this test".into())
            })
        });
        let _ = config.setup_with(code).expect("told");
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        let twice = "[[links]]\nname = 'a'\nredis = { url = 'redis://h' }\n".repeat(2);
        let expected = ManagerConfigError::Name(NotRegistered::Twice("a".into()));
        assert_eq!(setup(&twice).expect_err("twice"), expected);
        let unknown = "[[links]]\nname = 'a'\nafter = ['b']\nredis = { url = 'redis://h' }";
        let error = setup(unknown).expect_err("unknown").to_string();
        assert_eq!(
            error,
            "a is to start after b, which is not registered before it"
        );
        let none = setup("[[links]]\nname = 'a'").expect_err("no kind");
        assert_eq!(none, ManagerConfigError::Kind("a".into()));
    }
}
