//! The links of a service as a configuration file says them: [`ManagerConfig`].

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
}

impl ManagerConfig {
    /// A manager with these members; members of other kinds can be added to it before it is
    /// started.
    ///
    /// # Errors
    ///
    /// Names that are given twice or not before they are needed; a member without a kind, or with
    /// two.
    pub fn setup(self) -> Result<Setup, ManagerConfigError> {
        let setup = Manager::new()
            .strategy(self.strategy)
            .intensity(self.intensity);
        self.links.into_iter().try_fold(setup, |setup, member| {
            let after = member.after.clone();
            let register = member.register()?;
            let register = after.into_iter().fold(register, Register::after);
            Ok(setup.member(register)?)
        })
    }
}

impl MemberConfig {
    fn register(self) -> Result<Register, ManagerConfigError> {
        let name = self.name;
        let kinds: Vec<Option<Register>> = vec![
            #[cfg(feature = "redis")]
            self.redis
                .map(|config| Register::redis(name.clone(), config)),
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
