//! What a feed dials: [`FeedUrl`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::endpoint::Endpoint;
use crate::percent;
use crate::policy::PolicyError;
use crate::secret::Secret;

/// A `ws://` or `wss://` URL. User name and password in it are sent as HTTP basic authentication.
///
/// `Display`, `Debug`, `Serialize` and the [`Endpoint`] show neither them nor the query, which often
/// holds a token.
#[derive(Clone, PartialEq, Eq)]
pub struct FeedUrl {
    secure: bool,
    host: String,
    port: u16,
    path: String,
    query: Option<Secret>,
    /// `user:password`.
    credentials: Option<Secret>,
}

impl FeedUrl {
    /// TLS is wanted.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 80 or 443 if the URL has none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What is shown of it.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::other(self.to_string())
    }

    pub(crate) fn credentials(&self) -> Option<&Secret> {
        self.credentials.as_ref()
    }

    /// As it is requested: without the credentials.
    pub(crate) fn request_uri(&self) -> Secret {
        let query = self.query.as_ref().map(Secret::expose);
        let mark = if query.is_some() { "?" } else { "" };
        let base = self.base();
        Secret::from(format!("{base}{mark}{}", query.unwrap_or_default()))
    }

    fn base(&self) -> String {
        let scheme = if self.secure { "wss" } else { "ws" };
        let authority = Endpoint::tcp(&self.host, self.port);
        format!("{scheme}://{authority}{}", self.path)
    }
}

impl FromStr for FeedUrl {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        // What was given is not repeated: it may hold a password.
        let refused = || PolicyError::new("url", "refused", "ws://host or wss://host, port, path");
        let (scheme, rest) = text.split_once("://").ok_or_else(refused)?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "ws" => false,
            "wss" => true,
            _ => return Err(refused()),
        };
        // A fragment has no meaning here (RFC 6455, 3).
        if rest.contains('#') || !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(refused());
        }
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(Secret::from(query))),
            None => (rest, None),
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let (credentials, authority) = match authority.rsplit_once('@') {
            Some((user, authority)) => {
                let user = percent::decoded(user).ok_or_else(refused)?;
                (Some(Secret::from(user)), authority)
            }
            None => (None, authority),
        };
        let default = if secure { 443 } else { 80 };
        let bare = authority.ends_with(']') || !authority.contains(':');
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !bare => (host, port.parse().map_err(|_| refused())?),
            _ => (authority, default),
        };
        let bracketed = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let host = match bracketed {
            Some(address) => address,
            None if host.contains([':', '[', ']']) => return Err(refused()),
            None => host,
        };
        if host.is_empty() || port == 0 {
            return Err(refused());
        }
        Ok(Self {
            secure,
            host: host.to_owned(),
            port,
            path: path.to_owned(),
            query,
            credentials,
        })
    }
}

impl fmt::Display for FeedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base())?;
        match &self.query {
            Some(query) => write!(f, "?{query}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for FeedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for FeedUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FeedUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Secret::deserialize(deserializer)?;
        text.expose().parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> FeedUrl {
        text.parse().expect(text)
    }

    #[test]
    fn reads_host_port_and_path_with_their_defaults() {
        let plain = url("ws://feed.example");
        assert_eq!((plain.host(), plain.port()), ("feed.example", 80));
        assert_eq!(plain.request_uri().expose(), "ws://feed.example:80/");
        let secure = url("WSS://[::1]/v1");
        assert_eq!((secure.host(), secure.port()), ("::1", 443));
        assert_eq!(secure.request_uri().expose(), "wss://[::1]:443/v1");
        assert!(secure.is_secure() && !plain.is_secure());
        assert_eq!(
            url("ws://h:81?a=b").request_uri().expose(),
            "ws://h:81/?a=b"
        );
    }

    #[test]
    fn shows_neither_credentials_nor_the_query() {
        let url = url("wss://kim:s%65cret@feed.example/v1?token=hidden");
        assert_eq!(url.credentials().expect("both").expose(), "kim:secret");
        for shown in [
            url.to_string(),
            format!("{url:?}"),
            serde_json::to_string(&url).expect("a text"),
            url.endpoint().to_string(),
        ] {
            assert!(shown.contains("wss://feed.example:443/v1?***"), "{shown}");
            assert!(
                !shown.contains("cret") && !shown.contains("hidden"),
                "{shown}"
            );
        }
        assert!(url.request_uri().expose().ends_with("/v1?token=hidden"));
    }

    #[test]
    fn refuses_what_cannot_be_dialled_and_does_not_repeat_it() {
        for text in [
            "",
            "feed",
            "http://h",
            "ws://",
            "ws://:80",
            "ws://h:x",
            "ws://h:0",
            "ws://h:70000",
            "ws://h/#part",
            "ws://a b",
            "ws://::1/",
            "ws://u%zz@h",
            "ws://u%+1@h",
            "ws://h\n/",
        ] {
            assert!(text.parse::<FeedUrl>().is_err(), "{text}");
        }
        let error = "http://kim:secret@h".parse::<FeedUrl>().expect_err("http");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
