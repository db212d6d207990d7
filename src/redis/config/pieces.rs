//! The pieces of a URL: its hosts, its database, its escapes, and how it is refused.

use super::address::Address;
use crate::endpoint::Endpoint;
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

/// Percent-decoding. A plus sign is a plus sign: this is not a web form.
pub(super) fn decode(text: &str) -> Result<String> {
    let bad = || Error::config("the url is not well percent-encoded; '%' itself is %25");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2).ok_or_else(bad)?;
        let digit = |byte: u8| char::from(byte).to_digit(16).ok_or_else(bad);
        let value = digit(digits[0])? * 16 + digit(digits[1])?;
        bytes.push(u8::try_from(value).map_err(|_| bad())?);
        rest = tail;
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_escapes_and_leaves_plus_signs() {
        assert_eq!(decode("a+b%20%C3%a4%25").expect("valid"), "a+b ä%");
        for text in ["%", "%2", "%zz", "%+1", "%ff", "a%2"] {
            assert!(decode(text).is_err(), "{text}");
        }
    }

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
