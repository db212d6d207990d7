//! Where a cluster may lead a client: [`EndpointRule`].

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::address::{Address, normal_host};
use crate::endpoint::Endpoint;
use crate::redis::error::{Error, Result};

const ANY: &str = "any";

/// Which endpoints redirects and topologies may lead to, after the
/// [`EndpointMap`](super::EndpointMap). Whoever controls one node's answers could otherwise make
/// every client send its password, and its data, wherever they like.
///
/// Endpoints of the configuration are always allowed. Default: any. Each pattern is one of
///
/// * a host, `redis-1.internal`; in the form `*.internal` every name below it;
/// * an address, `10.0.0.5` or `[fd00::5]`, or a network, `10.0.0.0/8` or `[fd00::]/8`;
///
/// followed by `:port` if only that one is allowed. Names are compared as they are announced, and
/// not looked up: a name is in no network.
///
/// A redirect elsewhere is not followed, and its command fails with
/// [`ErrorKind::NotAllowed`](crate::redis::ErrorKind::NotAllowed), *refused*. A topology with such a
/// node is not believed, and the next node is asked.
///
/// In text: `allowed_endpoints = "any"` or `allowed_endpoints = ["10.0.0.0/8", "*.internal:6379"]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
pub struct EndpointRule {
    /// None: any endpoint.
    patterns: Option<Vec<Pattern>>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "\"any\" or a list of patterns")]
enum Text {
    Word(String),
    List(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    host: Host,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    /// In normal form.
    Is(String),
    /// Names that end so, in lower case, with the dot.
    Below(String),
    Network(IpAddr, u8),
}

impl EndpointRule {
    /// Every endpoint.
    pub fn any() -> Self {
        Self::default()
    }

    /// None but those of the configuration.
    pub fn configured() -> Self {
        Self {
            patterns: Some(Vec::new()),
        }
    }

    /// Those that match one of the patterns.
    ///
    /// # Errors
    /// A pattern of none of the forms above.
    pub fn only<P: AsRef<str>>(patterns: impl IntoIterator<Item = P>) -> Result<Self> {
        let parsed = patterns.into_iter().map(|text| {
            Pattern::parse(text.as_ref()).ok_or_else(|| {
                Error::config(
                    "allowed_endpoints: a pattern must be a host, *.domain, an address or a \
                     network such as 10.0.0.0/8 or [fd00::]/8, and may end in :port",
                )
            })
        });
        Ok(Self {
            patterns: Some(parsed.collect::<Result<_>>()?),
        })
    }

    /// Whether this endpoint matches.
    pub fn allows(&self, endpoint: &Endpoint) -> bool {
        let Some(patterns) = &self.patterns else {
            return true;
        };
        let (Some(host), Some(port)) = (endpoint.host(), endpoint.port()) else {
            return false;
        };
        let host = normal_host(host);
        patterns
            .iter()
            .any(|pattern| pattern.port.is_none_or(|only| only == port) && pattern.host.is(&host))
    }
}

impl Host {
    fn is(&self, host: &str) -> bool {
        match self {
            Self::Is(same) => same == host,
            Self::Below(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
            Self::Network(network, length) => host
                .parse()
                .is_ok_and(|address| is_within(address, *network, *length)),
        }
    }
}

/// An IPv4 address that is written as an IPv6 one counts as what it is.
fn is_within(address: IpAddr, network: IpAddr, length: u8) -> bool {
    let first_bits = |bits: u128, width: u32| {
        let kept = u32::from(length).min(width);
        bits.checked_shr(width - kept).unwrap_or(0)
    };
    match (address.to_canonical(), network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let [address, network] = [address, network].map(|ip| u128::from(ip.to_bits()));
            first_bits(address, 32) == first_bits(network, 32)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let [address, network] = [address, network].map(|ip| ip.to_bits());
            first_bits(address, 128) == first_bits(network, 128)
        }
        _ => false,
    }
}

impl Pattern {
    fn parse(text: &str) -> Option<Self> {
        if let Some((network, rest)) = text.split_once('/') {
            let (length, port) = match rest.split_once(':') {
                Some((length, port)) => (length, Some(port)),
                None => (rest, None),
            };
            let network: IpAddr = unbracketed(network).parse().ok()?;
            let length: u8 = length.parse().ok()?;
            let most = if network.is_ipv4() { 32 } else { 128 };
            return (length <= most).then_some(Self {
                host: Host::Network(network, length),
                port: match port {
                    Some(port) => Some(port.parse().ok().filter(|port| *port != 0)?),
                    None => None,
                },
            });
        }
        let (below, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let Address { host, port } = Address::parse(rest).ok()?;
        let host = normal_host(&host);
        let host = if below {
            Host::Below(format!(".{host}"))
        } else {
            Host::Is(host)
        };
        Some(Self { host, port })
    }
}

fn unbracketed(text: &str) -> &str {
    text.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text)
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Is(host) if host.contains(':') => write!(f, "[{host}]")?,
            Host::Is(host) => f.write_str(host)?,
            Host::Below(suffix) => write!(f, "*{suffix}")?,
            Host::Network(IpAddr::V6(network), length) => write!(f, "[{network}]/{length}")?,
            Host::Network(IpAddr::V4(network), length) => write!(f, "{network}/{length}")?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl TryFrom<Text> for EndpointRule {
    type Error = Error;

    fn try_from(text: Text) -> Result<Self> {
        match text {
            Text::Word(word) if word == ANY => Ok(Self::any()),
            Text::Word(_) => Err(Error::config(
                "allowed_endpoints must be \"any\" or a list of patterns",
            )),
            Text::List(patterns) => Self::only(patterns),
        }
    }
}

impl From<EndpointRule> for Text {
    fn from(rule: EndpointRule) -> Self {
        match rule.patterns {
            None => Self::Word(ANY.to_owned()),
            Some(patterns) => Self::List(patterns.iter().map(ToString::to_string).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_what_a_pattern_names_and_nothing_near_it() {
        for (pattern, yes, no) in [
            ("redis-1", "Redis-1:6379", "redis-10:6379"),
            ("redis-1:6379", "redis-1:6379", "redis-1:6380"),
            ("*.internal", "a.b.internal:1", "internal:1"),
            ("*.internal", "A.INTERNAL:1", "evil-internal:1"),
            ("*.internal:7", "a.internal:7", "a.internal:8"),
            ("10.0.0.5", "10.0.0.5:1", "10.0.0.50:1"),
            ("10.0.0.0/8", "10.255.0.1:1", "11.0.0.1:1"),
            (
                "10.0.0.0/8",
                "[::ffff:10.1.2.3]:1",
                "10.0.0.1.evil.example:1",
            ),
            ("10.0.0.4/30:9", "10.0.0.7:9", "10.0.0.8:9"),
            ("0.0.0.0/0", "8.8.8.8:1", "[fd00::1]:1"),
            ("[fd00::]/8", "[fdff::1]:1", "[fe80::1]:1"),
            ("[fd00::5]:7", "[fd00:0::5]:7", "[fd00::6]:7"),
            ("127.0.0.1/32", "127.0.0.1:1", "127.0.0.2:1"),
        ] {
            let rule = EndpointRule::only([pattern]).expect(pattern);
            let endpoint = |text: &str| text.parse::<Endpoint>().expect("an endpoint");
            assert!(rule.allows(&endpoint(yes)), "{pattern} {yes}");
            assert!(!rule.allows(&endpoint(no)), "{pattern} {no}");
            let (text, json) = (rule.clone(), serde_json::to_string(&rule).expect("text"));
            let read: EndpointRule = serde_json::from_str(&json).expect(&json);
            assert_eq!(read, text, "{json}");
        }
        let anywhere = Endpoint::tcp("anywhere", 1);
        assert!(EndpointRule::any().allows(&anywhere));
        assert!(!EndpointRule::configured().allows(&anywhere));
    }

    #[test]
    fn refuses_what_is_no_pattern() {
        for text in [
            "",
            "*",
            "*.",
            "a b",
            "10.0.0.0/33",
            "[fd00::]/129",
            "fd00::5",
            "h:0",
            "h:x",
            "10.0.0.0/8:0",
            "h/8",
            "*.a/8",
        ] {
            assert!(EndpointRule::only([text]).is_err(), "{text}");
        }
        assert!(serde_json::from_str::<EndpointRule>("\"all\"").is_err());
    }
}
