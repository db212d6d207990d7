//! `https://user:password@host:9200/prefix`, read: [`NodeUrl`].

use std::fmt;

use serde::{Serialize, Serializer};

use crate::elasticsearch::error::{Error, Result};
use crate::endpoint::Endpoint;
use crate::percent;
use crate::secret::Secret;

const DEFAULT_PORT: u16 = 9200;

/// Where a node is. It holds no credentials.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeUrl {
    secure: bool,
    endpoint: Endpoint,
    /// Empty, or begins with a slash and does not end with one.
    prefix: String,
}

/// A URL's user and password.
pub(super) type Login = (String, Secret);

impl NodeUrl {
    /// A node at host and port.
    ///
    /// # Errors
    /// It is not host and port.
    pub fn new(secure: bool, endpoint: Endpoint) -> Result<Self> {
        let host = endpoint.host().unwrap_or_default();
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        if host.is_empty() || !host.bytes().all(is_host) || endpoint.port() == Some(0) {
            return Err(Error::config(
                "a node must have a host, and a port that is not 0",
            ));
        }
        Ok(Self {
            secure,
            endpoint,
            prefix: String::new(),
        })
    }

    /// Reads `http://host:9200` or `https://…`, with a prefix of all paths behind it or not. The
    /// port is 9200 if it is not given.
    ///
    /// # Errors
    /// It is no such URL, or has a user and password, which belong beside it. The message never
    /// repeats it.
    pub fn parse(url: &str) -> Result<Self> {
        match parse(url)? {
            (url, None) => Ok(url),
            (_, Some(_)) => Err(Error::config("credentials stand beside the url of a node")),
        }
    }

    /// TLS is wanted.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Host and port.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What paths are appended to; `host` stands in place of its own, if given.
    pub(super) fn base(&self, host: Option<&str>) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        let port = self.endpoint.port().unwrap_or(DEFAULT_PORT);
        let authority = match host {
            Some(host) => Endpoint::tcp(host, port),
            None => self.endpoint.clone(),
        };
        format!("{scheme}://{authority}{}/", self.prefix)
    }

    /// The same, elsewhere.
    pub(super) fn moved_to(&self, endpoint: Endpoint) -> Result<Self> {
        let mut moved = Self::new(self.secure, endpoint)?;
        moved.prefix.clone_from(&self.prefix);
        Ok(moved)
    }
}

/// Reads a URL with user and password or without.
pub(super) fn parse(url: &str) -> Result<(NodeUrl, Option<Login>)> {
    let (secure, rest) = match url.split_once("://") {
        Some(("http", rest)) => (false, rest),
        Some(("https", rest)) => (true, rest),
        _ => return Err(Error::config("a url must begin with http:// or https://")),
    };
    if rest.contains(['?', '#', '\\']) || !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::config(
            "a url takes no query, no fragment and only visible ASCII (in a password write ? as %3F)",
        ));
    }
    let (authority, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    // A path with it would show what may be the rest of a password.
    if prefix.contains('@') && !authority.contains('@') {
        return Err(Error::config(
            "a url takes no @ after its first / (in a password write / as %2F, in a path @ as %40)",
        ));
    }
    let (login, host) = match authority.rsplit_once('@') {
        Some((login, host)) => (Some(login), host),
        None => (None, authority),
    };
    let login = match login.map(|login| login.split_once(':')) {
        Some(Some((user, password))) => Some((decoded(user)?, Secret::from(decoded(password)?))),
        Some(None) => return Err(Error::config("a url with a user needs a password, too")),
        None => None,
    };
    let mut url = NodeUrl::new(secure, endpoint(host)?)?;
    url.prefix = prefix.trim_end_matches('/').to_owned();
    Ok((url, login))
}

fn endpoint(host: &str) -> Result<Endpoint> {
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(before, _)| !before.contains(':') || before.ends_with(']'));
    let text = match has_port {
        true => host.to_owned(),
        false => format!("{host}:{DEFAULT_PORT}"),
    };
    let wrong = || Error::config("a url needs host or host:port");
    let endpoint: Endpoint = text.parse().map_err(|_| wrong())?;
    match endpoint.host() {
        Some(_) => Ok(endpoint),
        None => Err(wrong()),
    }
}

fn decoded(text: &str) -> Result<String> {
    percent::decoded(text)
        .ok_or_else(|| Error::config("a url must be percent-encoded UTF-8; % itself is %25"))
}

impl fmt::Display for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.base(None).trim_end_matches('/'))
    }
}

impl fmt::Debug for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for NodeUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_part_and_decodes_it() {
        let (url, login) =
            parse("https://us%40er:p%2Fa:s%2Fs@db.example:9201/a/b/").expect("valid");
        assert_eq!(url.to_string(), "https://db.example:9201/a/b");
        assert_eq!(url.base(None), "https://db.example:9201/a/b/");
        assert_eq!(url.base(Some("other")), "https://other:9201/a/b/");
        let (user, password) = login.expect("given");
        assert_eq!((user.as_str(), password.expose()), ("us@er", "p/a:s/s"));
        let (url, login) = parse("https://u:secret@good/p@x").expect("valid");
        assert_eq!(url.to_string(), "https://good:9200/p@x");
        assert!(login.is_some());
        let url = NodeUrl::parse("http://[::1]").expect("valid");
        assert_eq!(url.base(None), "http://[::1]:9200/");
        assert!(!url.is_secure());
    }

    #[test]
    fn what_it_refuses_it_does_not_repeat() {
        for url in [
            "ftp://u:hunter2@h",
            "http://u:hunter2@h:port",
            "http://u:hunter2@",
            "http://u:hunter2%4@h",
            "http://u:hunter2@h?x",
            "http://hunter2@h",
            "http://u:hunter2@h h",
            "http://u:hunter2@h:0",
            "http://u:hunter2/x@h",
            "http://u:9200/hunter2@h",
        ] {
            let error = parse(url).expect_err(url).to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(NodeUrl::parse("http://u:p@h").is_err());
    }
}
