//! `mysql://user:password@host:3306/database`, read.

use crate::endpoint::Endpoint;
use crate::mysql::error::{Error, Result};
use crate::percent;
use crate::secret::Secret;

const DEFAULT_PORT: u16 = 3306;

/// What a URL says.
pub(super) struct Parts {
    pub(super) endpoint: Endpoint,
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) database: Option<String>,
}

/// Reads `mysql://` and `mariadb://`. Its errors never repeat the URL.
pub(super) fn parse(url: &str) -> Result<Parts> {
    let rest = url
        .strip_prefix("mysql://")
        .or_else(|| url.strip_prefix("mariadb://"))
        .ok_or_else(|| Error::config("a url must begin with mysql:// or mariadb://"))?;
    if rest.contains(['?', '#']) {
        return Err(Error::config(
            "a url takes no options; set them beside it (in a password write ? as %3F and # as %23)",
        ));
    }
    let (authority, database) = match rest.rsplit_once('/') {
        // A slash within the password.
        Some((_, after)) if after.contains('@') => (rest, ""),
        Some((authority, database)) => (authority, database),
        None => (rest, ""),
    };
    let (login, host) = match authority.rsplit_once('@') {
        Some((login, host)) => (Some(login), host),
        None => (None, authority),
    };
    let (username, password) = match login.map(|login| login.split_once(':')) {
        Some(Some((user, password))) => (Some(decoded(user)?), Some(decoded(password)?)),
        Some(None) => (login.map(decoded).transpose()?, None),
        None => (None, None),
    };
    let named = Some(decoded(database)?).filter(|name| !name.is_empty());
    Ok(Parts {
        endpoint: endpoint(host)?,
        username: username.filter(|user| !user.is_empty()),
        password: password.map(Secret::from),
        database: named,
    })
}

fn endpoint(host: &str) -> Result<Endpoint> {
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(before, _)| !before.contains(':') || before.ends_with(']'));
    let text = match has_port {
        true => host.to_owned(),
        false => format!("{host}:{DEFAULT_PORT}"),
    };
    if text.contains("://") || text.starts_with("unix:") {
        return Err(Error::config("a url needs a host"));
    }
    text.parse()
        .map_err(|_| Error::config("a url needs host or host:port after the @"))
}

fn decoded(text: &str) -> Result<String> {
    percent::decoded(text)
        .ok_or_else(|| Error::config("a url must be percent-encoded UTF-8; % itself is %25"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_part_and_decodes_it() {
        let parts = parse("mysql://us%40er:p%2Fa:ss@db.example:3307/sh%20op").expect("valid");
        assert_eq!(parts.endpoint, Endpoint::tcp("db.example", 3307));
        assert_eq!(parts.username.as_deref(), Some("us@er"));
        assert_eq!(parts.password.expect("given").expose(), "p/a:ss");
        assert_eq!(parts.database.as_deref(), Some("sh op"));
        let parts = parse("mariadb://[::1]").expect("valid");
        assert_eq!(parts.endpoint, Endpoint::tcp("::1", 3306));
        assert!(parts.username.is_none() && parts.password.is_none() && parts.database.is_none());
        let parts = parse("mysql://root@h/").expect("valid");
        assert_eq!(parts.endpoint, Endpoint::tcp("h", 3306));
        assert_eq!(parts.username.as_deref(), Some("root"));
    }

    #[test]
    fn what_it_refuses_it_does_not_repeat() {
        for url in [
            "redis://u:hunter2@h",
            "mysql://u:hunter2@h:port/db",
            "mysql://u:hunter2@",
            "mysql://u:hunter2%4@h",
            "mysql://u:hunter2@h/db?ssl=true",
            "mysql://u:hunter2/x@h",
        ] {
            match parse(url) {
                Err(error) => assert!(!error.to_string().contains("hunter2"), "{error}"),
                Ok(parts) => assert_eq!(parts.endpoint, Endpoint::tcp("h", 3306), "{url}"),
            }
        }
    }
}
