//! What is dialled: [`Endpoint`], and the stable name of the link that dials it: [`LinkName`].

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Host and port, socket path, or another address that a backend understands.
///
/// Cheap to clone. Names are kept as given and resolved anew at each dial, so that an endpoint
/// whose address changes heals by itself. It never holds credentials.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint(Kind);

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Kind {
    Tcp { host: Arc<str>, port: u16 },
    Unix(Arc<str>),
    Other(Arc<str>),
}

impl Endpoint {
    /// A TCP endpoint. `host` is a name or an address; IPv6 addresses come without brackets.
    pub fn tcp(host: impl AsRef<str>, port: u16) -> Self {
        let host = host.as_ref();
        let host = host
            .strip_prefix('[')
            .and_then(|h| h.strip_suffix(']'))
            .unwrap_or(host);
        Self(Kind::Tcp {
            host: host.into(),
            port,
        })
    }

    /// A Unix domain socket, by its path.
    pub fn unix(path: impl AsRef<str>) -> Self {
        Self(Kind::Unix(path.as_ref().into()))
    }

    /// Anything else a custom backend dials, such as a URL. User name and password in front of an
    /// `@` in the authority are cut off.
    pub fn other(address: impl AsRef<str>) -> Self {
        let address = address.as_ref();
        let clean = match address.split_once("://") {
            Some((scheme, rest)) => {
                let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                let host_start = rest[..authority_end].rfind('@').map_or(0, |at| at + 1);
                format!("{scheme}://{}", &rest[host_start..])
            }
            None => address.to_owned(),
        };
        Self(Kind::Other(clean.into()))
    }

    /// The bytes of its text, port not included.
    pub(crate) fn text_bytes(&self) -> usize {
        match &self.0 {
            Kind::Tcp { host: text, .. } | Kind::Unix(text) | Kind::Other(text) => text.len(),
        }
    }

    /// The host of a TCP endpoint.
    pub fn host(&self) -> Option<&str> {
        match &self.0 {
            Kind::Tcp { host, .. } => Some(host),
            Kind::Unix(_) | Kind::Other(_) => None,
        }
    }

    /// The port of a TCP endpoint.
    pub fn port(&self) -> Option<u16> {
        match &self.0 {
            Kind::Tcp { port, .. } => Some(*port),
            Kind::Unix(_) | Kind::Other(_) => None,
        }
    }

    /// The path of a Unix endpoint.
    pub fn path(&self) -> Option<&str> {
        match &self.0 {
            Kind::Unix(path) => Some(path),
            Kind::Tcp { .. } | Kind::Other(_) => None,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Kind::Tcp { host, port } => write!(f, "{host}:{port}"),
            Kind::Unix(path) => write!(f, "unix:{path}"),
            Kind::Other(address) => f.write_str(address),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is neither `host:port`, `[ipv6]:port`, `unix:/path` nor a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an endpoint: expected host:port, [ipv6]:port or unix:/path")]
pub struct EndpointError;

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        if text.contains("://") {
            return Ok(Self::other(text));
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() {
                Err(EndpointError)
            } else {
                Ok(Self::unix(path))
            };
        }
        let (host, port) = text.rsplit_once(':').ok_or(EndpointError)?;
        let bracketed = host.starts_with('[') && host.ends_with(']');
        if host.is_empty() || (host.contains(':') && !bracketed) {
            return Err(EndpointError);
        }
        Ok(Self::tcp(host, port.parse().map_err(|_| EndpointError)?))
    }
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The name of a link: chosen once, the same over all its connections, in events, metrics and
/// status tables. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LinkName(Arc<str>);

impl LinkName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: AsRef<str>> From<T> for LinkName {
    fn from(name: T) -> Self {
        Self(name.as_ref().into())
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in [
            "localhost:6379",
            "[::1]:7000",
            "10.0.0.1:1",
            "unix:/run/redis.sock",
        ] {
            let endpoint: Endpoint = text.parse().expect(text);
            assert_eq!(endpoint.to_string(), text);
        }
        assert_eq!(Endpoint::tcp("[::1]", 7).host(), Some("::1"));
    }

    #[test]
    fn refuses_what_has_no_port() {
        for text in ["", "localhost", ":1", "h:", "h:99999", "::1:80", "unix:"] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn drops_credentials_of_a_url() {
        let endpoint = Endpoint::other("wss://user:pa@ss@feed.example:443/v1?q=a@b");
        assert_eq!(endpoint.to_string(), "wss://feed.example:443/v1?q=a@b");
    }
}
