//! Where announced addresses are really reached: [`EndpointMap`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use super::address::{Address, normal_host};
use crate::endpoint::Endpoint;
use crate::redis::error::{Error, Result};

/// A caller's own rule: the endpoint to dial instead, or `None` to leave it to the table.
type Rule = dyn Fn(&Endpoint) -> Option<Endpoint> + Send + Sync;

/// Where the addresses that a cluster announces are really reached.
///
/// The nodes of a cluster behind NAT or in containers announce addresses that mean nothing
/// outside. This maps them, by a caller's function, by a table, or both; the function is asked
/// first. What neither knows stays as it is. The map is applied once, never to its own result.
///
/// The table maps `host:port` or a `host` with all its ports; the entry with a port is preferred.
/// A target without a port keeps the port. Hosts compare without regard to case; IPv6 addresses
/// stand in brackets. In text it is a table:
///
/// ```toml
/// [endpoint_map]
/// "10.0.0.5:6379" = "localhost:7000"
/// "10.0.0.6" = "localhost"
/// ```
///
/// A function is not serialized, and `Debug` tells only that there is one.
#[derive(Clone, Default, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
pub struct EndpointMap {
    /// Keys have their host in normal form.
    table: BTreeMap<Address, Address>,
    rule: Option<Arc<Rule>>,
}

impl EndpointMap {
    /// A map that changes nothing; the default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry to the table: each is `host`, `host:port`, `[ipv6]` or `[ipv6]:port`.
    ///
    /// # Errors
    /// When one of them is none of these, or `from` is in the table already.
    pub fn entry(mut self, from: &str, to: &str) -> Result<Self> {
        let mut from = parse(from)?;
        from.host = normal_host(&from.host);
        let to = parse(to)?;
        if self.table.contains_key(&from) {
            return Err(Error::config(format!("endpoint_map has {from} twice")));
        }
        self.table.insert(from, to);
        Ok(self)
    }

    /// Sets the function, which is asked before the table; `None` from it leaves the endpoint to
    /// the table. It is called whenever a topology is read or a redirect followed, and must
    /// neither block nor panic. Default: none.
    #[must_use]
    pub fn function(
        mut self,
        rule: impl Fn(&Endpoint) -> Option<Endpoint> + Send + Sync + 'static,
    ) -> Self {
        self.rule = Some(Arc::new(rule));
        self
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty() && self.rule.is_none()
    }

    /// The endpoint to dial for this announced one.
    pub fn apply(&self, endpoint: Endpoint) -> Endpoint {
        if let Some(mapped) = self.rule.as_ref().and_then(|rule| rule(&endpoint)) {
            return mapped;
        }
        self.look_up(&endpoint).unwrap_or(endpoint)
    }

    fn look_up(&self, endpoint: &Endpoint) -> Option<Endpoint> {
        if self.table.is_empty() {
            return None;
        }
        let port = endpoint.port()?;
        let mut key = Address {
            host: normal_host(endpoint.host()?),
            port: Some(port),
        };
        if let Some(target) = self.table.get(&key) {
            return Some(target.endpoint(port));
        }
        key.port = None;
        self.table.get(&key).map(|target| target.endpoint(port))
    }
}

fn parse(text: &str) -> Result<Address> {
    Address::parse(text).map_err(|problem| Error::config(format!("endpoint_map: {problem}")))
}

impl TryFrom<BTreeMap<String, String>> for EndpointMap {
    type Error = Error;

    fn try_from(table: BTreeMap<String, String>) -> Result<Self> {
        table
            .iter()
            .try_fold(Self::new(), |map, (from, to)| map.entry(from, to))
    }
}

impl Serialize for EndpointMap {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let texts = self
            .table
            .iter()
            .map(|(from, to)| (from.to_string(), to.to_string()));
        serializer.collect_map(texts)
    }
}

/// Two functions are equal when they are the same one.
impl PartialEq for EndpointMap {
    fn eq(&self, other: &Self) -> bool {
        let same_rule = match (&self.rule, &other.rule) {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        same_rule && self.table == other.table
    }
}

impl fmt::Debug for EndpointMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (from, to) in &self.table {
            map.entry(&format_args!("{from}"), &format_args!("{to}"));
        }
        if self.rule.is_some() {
            map.entry(&format_args!("*"), &format_args!("a function"));
        }
        map.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Endpoint {
        text.parse().expect(text)
    }

    #[test]
    fn prefers_the_function_then_the_port_then_the_host() {
        let map = EndpointMap::new()
            .entry("10.0.0.5:6379", "localhost:7000")
            .and_then(|map| map.entry("10.0.0.5", "outside"))
            .and_then(|map| map.entry("Node-3", "localhost:7003"))
            .and_then(|map| map.entry("[FD00::5]", "[::1]"))
            .and_then(|map| map.entry("node-4:7004", "localhost"))
            .expect("valid entries")
            .function(|endpoint| {
                (endpoint.port() == Some(1)).then(|| Endpoint::tcp("by-function", 2))
            });
        for (from, to) in [
            ("10.0.0.5:1", "by-function:2"),
            ("10.0.0.5:6379", "localhost:7000"),
            ("10.0.0.5:6380", "outside:6380"),
            ("node-3:6379", "localhost:7003"),
            ("NODE-3:9", "localhost:7003"),
            ("[fd00:0::5]:8", "[::1]:8"),
            ("node-4:7004", "localhost:7004"),
            ("node-4:7005", "node-4:7005"),
            ("10.0.0.55:6379", "10.0.0.55:6379"),
            ("unix:/run/a", "unix:/run/a"),
        ] {
            assert_eq!(map.apply(at(from)), at(to), "{from}");
        }
        assert!(!map.is_empty());
        assert!(EndpointMap::new().is_empty());
    }

    #[test]
    fn is_not_applied_to_its_own_result() {
        let map = EndpointMap::new()
            .entry("a", "b")
            .and_then(|map| map.entry("b", "a"))
            .expect("valid entries");
        assert_eq!(map.apply(at("a:1")), at("b:1"));
    }

    #[test]
    fn reads_and_writes_a_table_of_texts() {
        let text = "\"10.0.0.5:6379\" = \"localhost:7000\"\n\"[::1]\" = \"localhost\"\n";
        let map: EndpointMap = toml::from_str(text).expect("valid");
        assert_eq!(toml::to_string(&map).expect("can be written"), text);
        let shown = format!("{:?}", map.clone().function(|_| None));
        assert!(shown.contains("10.0.0.5:6379: localhost:7000"), "{shown}");
        assert!(shown.contains("a function"), "{shown}");
    }

    #[test]
    fn equal_maps_have_equal_tables_and_the_same_function() {
        let map = EndpointMap::new().function(|_| None);
        assert_eq!(map, map.clone());
        assert_ne!(map, EndpointMap::new());
        assert_ne!(map, EndpointMap::new().entry("a", "b").expect("valid"));
    }

    #[test]
    fn refuses_doubles_and_what_is_no_address_without_repeating_it() {
        for text in [
            r#"{"A:1": "b", "a:1": "c"}"#,
            r#"{"::1": "b"}"#,
            r#"{"a": "hunter2@b"}"#,
            r#"{"u:hunter2@a:1": "b"}"#,
            r#"{"a": "b:99999"}"#,
            r#"{"a": ""}"#,
        ] {
            let error = serde_json::from_str::<EndpointMap>(text).expect_err(text);
            assert!(error.to_string().contains("endpoint_map"), "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
