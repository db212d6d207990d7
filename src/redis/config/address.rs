//! The text `host`, `host:port` or `[ipv6]:port`: [`Address`], and what a host may look like.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use crate::endpoint::Endpoint;

/// A host, and a port if one was given. The host has no brackets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: Option<u16>,
}

/// What is wrong with an address. Never the text itself: a text that is not an address may be a
/// password in the wrong place.
pub(super) type Problem = &'static str;

const HOST: Problem = "a host must be a name (ASCII letters, digits, '.', '-', '_'), an IPv4 \
                       address or, with a port in [brackets], an IPv6 address";
const PORT: Problem = "a port must be a number from 1 to 65535";

impl Address {
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or(HOST)?;
                if !is_ipv6(host) {
                    return Err(HOST);
                }
                match rest.strip_prefix(':') {
                    Some(port) => (host, Some(port)),
                    None if rest.is_empty() => (host, None),
                    None => return Err(HOST),
                }
            }
            None => match text.split_once(':') {
                // Without brackets nobody can tell whether its last group is a port.
                Some((_, port)) if port.contains(':') => return Err(HOST),
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        check_host(host)?;
        Ok(Self {
            host: host.to_owned(),
            port: port.map(parse_port).transpose()?,
        })
    }

    /// The endpoint, with this port where none was given.
    pub(super) fn endpoint(&self, default_port: u16) -> Endpoint {
        Endpoint::tcp(&self.host, self.port.unwrap_or(default_port))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// Whether something of this name can be dialled: nothing that would need an escape, and nothing
/// in which credentials could hide.
pub(super) fn check_host(host: &str) -> Result<(), Problem> {
    let is_name = !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    if is_name || is_ipv6(host) {
        Ok(())
    } else {
        Err(HOST)
    }
}

pub(super) fn check_port(port: u16) -> Result<(), Problem> {
    if port == 0 { Err(PORT) } else { Ok(()) }
}

/// The host in the form in which equal hosts are equal texts.
pub(super) fn normal_host(host: &str) -> String {
    match host.parse::<IpAddr>() {
        Ok(ip) => ip.to_string(),
        Err(_) => host.to_ascii_lowercase(),
    }
}

/// An IPv6 address, with a zone such as `%eth0` or without.
fn is_ipv6(host: &str) -> bool {
    let (ip, zone) = host.split_once('%').unwrap_or((host, "0"));
    let is_zone = !zone.is_empty()
        && zone
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    is_zone && ip.parse::<Ipv6Addr>().is_ok()
}

fn parse_port(text: &str) -> Result<u16, Problem> {
    // `u16` would also read a leading plus sign.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(PORT);
    }
    let port = text.parse().map_err(|_| PORT)?;
    check_port(port)?;
    Ok(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_hosts_with_and_without_a_port() {
        for text in [
            "localhost",
            "localhost:1",
            "redis_1.my-net:65535",
            "10.0.0.1:6379",
            "[::1]",
            "[::1]:7000",
            "[fe80::1%eth0]:7000",
        ] {
            let address = Address::parse(text).expect(text);
            assert_eq!(address.to_string(), text);
        }
        let address = Address::parse("[::1]").expect("an address");
        assert_eq!(address.endpoint(6379), Endpoint::tcp("::1", 6379));
    }

    #[test]
    fn refuses_what_nobody_can_dial() {
        for text in [
            "",
            ":",
            ":1",
            "h:",
            "h:0",
            "h:65536",
            "h:+1",
            "h:1:2",
            "::1",
            "::1:80",
            "[::1",
            "[]",
            "[::1]x",
            "[::1]:",
            "[host]:1",
            "u@h",
            "u:p@h:1",
            "a b",
            "h/1",
            "h?x",
            "h#x",
            "h\n",
            "ümlaut",
            "a,b",
            "[fe80::1%]:1",
            "http://h",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn equal_hosts_have_one_normal_form() {
        assert_eq!(normal_host("Redis.Local"), normal_host("redis.local"));
        assert_eq!(normal_host("2001:DB8::0001"), normal_host("2001:db8:0::1"));
    }
}
