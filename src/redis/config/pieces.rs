//! The pieces of a URL: its hosts, its database, its escapes, and how it is refused.

use super::address::Address;
use crate::endpoint::Endpoint;
use crate::percent;
use crate::redis::error::{Error, Result};

/// The port of a URL that names none.
const DEFAULT_PORT: u16 = 6379;

/// The message begins with "the url" and must not repeat any of it.
pub(super) fn refuse<T>(problem: &str) -> Result<T> {
    Err(Error::config(format!("the url {problem}")))
}

/// `host`, `host:port` or `[ipv6]:port`, percent-encoded.
pub(super) fn parse_host(host: &str) -> Result<Endpoint> {
    match Address::parse(&decode(host)?) {
        Ok(address) => Ok(address.endpoint(DEFAULT_PORT)),
        Err(problem) => refuse(&format!("has a host that cannot be used: {problem}")),
    }
}

pub(super) fn parse_database(text: &str) -> Result<u32> {
    // `u32` would also read a leading plus sign.
    if text.bytes().all(|byte| byte.is_ascii_digit())
        && let Ok(database) = text.parse()
    {
        return Ok(database);
    }
    refuse("has a database that is not a number")
}

pub(super) fn decode(text: &str) -> Result<String> {
    percent::decoded(text).map_or_else(
        || refuse("is not well percent-encoded; '%' itself is %25"),
        Ok,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_a_port_has_that_of_redis() {
        let endpoint = parse_host("h").expect("valid");
        assert_eq!(endpoint, Endpoint::tcp("h", 6379));
    }

    #[test]
    fn a_database_is_digits_and_nothing_else() {
        assert_eq!(parse_database("15").expect("valid"), 15);
        for text in ["", "+1", "-1", "1a", "4294967296"] {
            assert!(parse_database(text).is_err(), "{text}");
        }
    }
}
