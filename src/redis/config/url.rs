//! Reads a URL into [`Given`]; the forms are documented in the module above.
//!
//! No message here repeats a part of the URL that could belong to a password. A password that was
//! not percent-encoded can end up in any part, so an `@` behind the hosts is refused before
//! anything behind the hosts is looked at: with no `@` left there, no password is left there.

use super::given::Given;
use super::pieces::{decode, parse_database, parse_host, refuse};
use super::query;
use super::topology::Mode;
use super::transport::Transport;
use crate::endpoint::Endpoint;
use crate::redis::error::Result;
use crate::secret::Secret;
use crate::tls::TlsSettings;

/// What the URL says. The values are read, not validated.
pub(super) fn parse(url: &str) -> Result<Given> {
    if url.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return refuse("has white space or control characters; percent-encode them");
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        return refuse("has no scheme such as redis://");
    };
    let (mode, transport) = parse_scheme(scheme)?;
    transport.require()?;

    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(authority_end);
    if rest.contains('@') {
        return refuse("has an '@' behind the hosts; percent-encode user name and password");
    }
    if rest.contains('#') {
        return refuse("has a '#'; percent-encode it");
    }
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (login, hosts) = match authority.rsplit_once('@') {
        Some((login, hosts)) => (Some(login), hosts),
        None => (None, authority),
    };

    let mut given = Given {
        mode: Some(mode),
        database: parse_path(path)?,
        tls: (transport == Transport::Tls).then(TlsSettings::default),
        ..Given::default()
    };
    if let Some(login) = login {
        (given.username, given.password) = parse_login(login)?;
    }
    let mut endpoints = parse_hosts(hosts, mode)?;
    query::parse(query, mode, &mut given, &mut endpoints)?;
    given.endpoints = Some(endpoints);
    Ok(given)
}

fn parse_scheme(scheme: &str) -> Result<(Mode, Transport)> {
    let scheme = scheme.to_ascii_lowercase();
    if matches!(
        scheme.as_str(),
        "unix" | "redis+unix" | "valkey+unix" | "redis+socket"
    ) {
        return Ok((Mode::Standalone, Transport::Unix));
    }
    let (server, mode) = match scheme
        .strip_suffix("-cluster")
        .or_else(|| scheme.strip_suffix("+cluster"))
    {
        Some(server) => (server, Mode::Cluster),
        None => (scheme.as_str(), Mode::Standalone),
    };
    match server {
        "redis" | "valkey" => Ok((mode, Transport::Tcp)),
        "rediss" | "valkeys" => Ok((mode, Transport::Tls)),
        _ => refuse(
            "has an unknown scheme; known are redis, valkey, redis-cluster, valkey-cluster, and \
             with TLS rediss, valkeys, rediss-cluster, valkeys-cluster",
        ),
    }
}

/// `user:password`, `:password` or `user`, each percent-encoded. An empty part is none.
fn parse_login(login: &str) -> Result<(Option<String>, Option<Secret>)> {
    let (username, password) = match login.split_once(':') {
        Some((username, password)) => (username, Some(password)),
        None => (login, None),
    };
    let username = decode(username)?;
    let password = match password {
        Some(password) => Some(Secret::from(decode(password)?)),
        None => None,
    };
    Ok((
        Some(username).filter(|username| !username.is_empty()),
        password.filter(|password| !password.is_empty()),
    ))
}

fn parse_hosts(hosts: &str, mode: Mode) -> Result<Vec<Endpoint>> {
    if hosts.is_empty() {
        return refuse("has no host");
    }
    if mode == Mode::Standalone && hosts.contains(',') {
        return refuse("has several hosts; is the scheme redis-cluster meant?");
    }
    hosts.split(',').map(parse_host).collect()
}

fn parse_path(path: &str) -> Result<Option<u32>> {
    match path.strip_prefix('/') {
        None | Some("") => Ok(None),
        Some(database) => parse_database(database).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::redis::config::{Config, Protocol};

    fn at(host: &str, port: u16) -> Endpoint {
        Endpoint::tcp(host, port)
    }

    #[test]
    fn reads_the_documented_forms() {
        let one = |host, port| Config::standalone(at(host, port));
        let second = Duration::from_secs(1);
        for (url, expected) in [
            ("redis://h", one("h", 6379)),
            ("REDIS://h/", one("h", 6379)),
            ("valkey://h:1/2", one("h", 1).database(2)),
            ("redis://h:1?db=2", one("h", 1).database(2)),
            ("redis://h:1/?db=2&", one("h", 1).database(2)),
            ("redis://[::1]", one("::1", 6379)),
            ("redis://[fe80::1%25eth0]:7", one("fe80::1%eth0", 7)),
            ("redis://:pw@h", one("h", 6379).password("pw")),
            (
                "redis://u:p:w@h",
                one("h", 6379).username("u").password("p:w"),
            ),
            (
                "redis://u:p@w@h",
                one("h", 6379).username("u").password("p@w"),
            ),
            (
                "redis://a%40b:%2f%3F%25+%C3%A4@h",
                one("h", 6379).username("a@b").password("/?%+ä"),
            ),
            ("redis://@h", one("h", 6379)),
            ("redis://:@h", one("h", 6379)),
            (
                "redis://h?protocol=2",
                one("h", 6379).protocol(Protocol::Resp2),
            ),
            (
                "redis://h?protocol=resp3",
                one("h", 6379).protocol(Protocol::Resp3),
            ),
            ("redis://h?protocol=auto", one("h", 6379)),
            (
                "redis://h?name=my%20cache&client_name=a+b",
                one("h", 6379).name("my cache").client_name("a+b"),
            ),
            (
                "redis://h?timeout=1s",
                one("h", 6379).command_timeout(second),
            ),
            (
                "redis://h?command_timeout=1s&connect_timeout=500ms",
                one("h", 6379)
                    .command_timeout(second)
                    .connect_timeout(second / 2),
            ),
            ("redis-cluster://h", Config::cluster([at("h", 6379)])),
            ("redis+cluster://h:1/0", Config::cluster([at("h", 1)])),
            (
                "valkey-cluster://h:1?node=i:2&node=j&node=[::1]:3",
                Config::cluster([at("h", 1), at("i", 2), at("j", 6379), at("::1", 3)]),
            ),
            (
                "valkey+cluster://:pw@h:1,[::1]:2,i",
                Config::cluster([at("h", 1), at("::1", 2), at("i", 6379)]).password("pw"),
            ),
        ] {
            assert_eq!(Config::from_url(url).expect(url), expected, "{url}");
            assert_eq!(url.parse::<Config>().expect(url), expected, "{url}");
        }
    }

    #[test]
    fn says_what_is_wrong_without_repeating_it() {
        for (url, expected) in [
            ("", "no scheme"),
            ("hunter2:6379", "no scheme"),
            ("hunter2://h", "unknown scheme"),
            ("redis-sentinel://hunter2", "unknown scheme"),
            ("redis-cluster-cluster://hunter2", "unknown scheme"),
            (
                "unix:///run/hunter2",
                "unix sockets are not supported by this version",
            ),
            (
                "redis+unix:///run/hunter2",
                "unix sockets are not supported by this version",
            ),
            ("redis://:hunter2@", "no host"),
            ("redis://:hunter2@/1", "no host"),
            ("redis://:hunter2@:6379", "a host must be"),
            ("redis://:hunter2", "a host must be"),
            ("redis://u:hunter2", "a port must be"),
            ("redis://::1:6379", "a host must be"),
            ("redis://[::1", "a host must be"),
            ("redis://:hunter2@h:0", "a port must be"),
            ("redis://:hunter2@h:65536", "a port must be"),
            ("redis://:hunter2@h,i", "is the scheme redis-cluster meant"),
            ("redis-cluster://h,,i", "a host must be"),
            ("redis://:hunter2@h/x", "database that is not a number"),
            ("redis://:hunter2@h/1/", "database that is not a number"),
            ("redis://:hunter2@h/+1", "database that is not a number"),
            (
                "redis://:hunter2@h/4294967296",
                "database that is not a number",
            ),
            ("redis://:hunter2@h?db=", "database that is not a number"),
            ("redis://:hunter2@h/1?db=1", "the database twice"),
            ("redis://:hunter2@h?name=a&name=a", "the name twice"),
            (
                "redis://:hunter2@h?timeout=1s&command_timeout=1s",
                "the timeout twice",
            ),
            ("redis://:hunter2@h?timeout=5", "with a unit"),
            (
                "redis://:hunter2@h?timeout=0s",
                "timeouts.command must be greater than zero",
            ),
            ("redis://:hunter2@h?protocol=4", "unknown protocol"),
            (
                "redis://:hunter2@h?client_name=a%20b",
                "client_name must be",
            ),
            ("redis://:hunter2@h?name=", "name must not be empty"),
            ("redis://:hunter2@h?node=i", "not the scheme of a cluster"),
            ("redis-cluster://:hunter2@h?node=", "a host must be"),
            ("redis-cluster://h?node=hunter2%40i", "a host must be"),
            ("redis-cluster://:hunter2@h/1", "must be 0 for a cluster"),
            (
                "redis://:hunter2@h?tiemout=1s",
                "unknown query key `tiemout`; known are node, db",
            ),
            ("redis://h?password=hunter2", "unknown query key `password`"),
            ("redis://:hunter2@h?DB=1", "unknown query key `DB`"),
            ("redis://hunter2@h", "username needs a password"),
            ("redis://u:hun/hunter2@h", "has an '@' behind the hosts"),
            ("redis://u:1?hunter2@h", "has an '@' behind the hosts"),
            ("redis://u:1#hunter2@h", "has an '@' behind the hosts"),
            ("redis://:hunter2@h#x", "has a '#'"),
            ("redis://:hunter2%@h", "not well percent-encoded"),
            ("redis://:hunter2%zz@h", "not well percent-encoded"),
            ("redis://:hunter2%ff@h", "not well percent-encoded"),
            ("redis://:hunter2 @h", "white space"),
            ("redis://:hunter2@h\n", "white space"),
        ] {
            let error = Config::from_url(url).expect_err(url).to_string();
            assert!(error.contains(expected), "{url}: {error}");
            assert!(!error.contains("hunter2"), "{url}: {error}");
        }
    }

    #[test]
    fn the_schemes_of_tls_switch_it_on_or_name_the_feature() {
        let tls = TlsSettings::default;
        let seeds = || Config::cluster([at("h", 1), at("i", 2)]).tls(tls());
        for (url, expected) in [
            (
                "rediss://:hunter2@h",
                Config::standalone(at("h", 6379))
                    .password("hunter2")
                    .tls(tls()),
            ),
            (
                "VALKEYS://h:1/2",
                Config::standalone(at("h", 1)).database(2).tls(tls()),
            ),
            ("rediss-cluster://h:1,i:2", seeds()),
            ("rediss+cluster://h:1,i:2", seeds()),
            ("valkeys-cluster://h:1?node=i:2", seeds()),
            ("valkeys+cluster://h:1,i:2", seeds()),
        ] {
            match Config::from_url(url) {
                Ok(config) => assert_eq!(config, expected, "{url}"),
                Err(error) => {
                    let error = error.to_string();
                    assert!(error.contains("needs the feature `tls`"), "{url}: {error}");
                    assert!(!error.contains("hunter2"), "{url}: {error}");
                }
            }
            assert_eq!(
                Config::from_url(url).is_ok(),
                cfg!(feature = "tls"),
                "{url}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(
            text in any::<String>(),
            scheme in "(redis|valkey)([-+]cluster)?://",
            near in "[a-z0-9@:/?#&=%,.\\[\\]+-]{0,40}",
        ) {
            let _ = Config::from_url(&text);
            let _ = Config::from_url(&format!("{scheme}{text}"));
            let _ = Config::from_url(&format!("{scheme}{near}"));
        }

        #[test]
        fn no_password_is_ever_shown(
            scheme in "(redis|valkey)s?([-+]cluster)?|unix|[a-z]{0,5}",
            user in "[a-z%/?#]{0,4}",
            before in "[a-z0-9@:/?#&=%,.\\[\\] +-]{0,8}",
            after in "[a-z0-9@:/?#&=%,.\\[\\] +-]{0,8}",
            tail in "([a-z]{0,3}(:[0-9]{1,5})?)?(/[0-9a-z]{0,2})?(\\?[a-z]{0,3}=[a-z0-9@]{0,3})?",
        ) {
            let url = format!("{scheme}://{user}:{before}CANARY{after}@{tail}");
            match Config::from_url(&url) {
                Ok(config) => {
                    let shown = format!("{config:?}");
                    prop_assert!(!shown.contains("CANARY"), "{}: {}", url, shown);
                }
                Err(error) => {
                    let shown = format!("{error} {error:?}");
                    prop_assert!(!shown.contains("CANARY"), "{}: {}", url, shown);
                }
            }
        }

        #[test]
        fn every_encoded_password_arrives_as_it_was(password in "\\PC{1,20}") {
            let encoded: String = password.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let config = Config::from_url(&format!("redis://:{encoded}@h")).expect("valid");
            let read = config.password.expect("was given");
            prop_assert_eq!(read.expose(), password);
        }
    }
}
