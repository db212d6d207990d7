//! Reads the query of a URL: its keys, and the form of their values.

use std::time::Duration;

use humantime_serde::re::humantime::parse_duration;

use super::credentials::Protocol;
use super::given::Given;
use super::pieces::{decode, parse_database, parse_host, refuse};
use super::timeouts::GivenTimeouts;
use super::topology::Mode;
use crate::endpoint::{Endpoint, LinkName};
use crate::redis::error::Result;

const KEYS: &str =
    "node, db, name, client_name, protocol, timeout (or command_timeout), connect_timeout";

/// Reads the query into what the URL has said so far; further nodes join the endpoints.
pub(super) fn parse(
    query: &str,
    mode: Mode,
    given: &mut Given,
    endpoints: &mut Vec<Endpoint>,
) -> Result<()> {
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decode(value)?;
        let GivenTimeouts {
            connect, command, ..
        } = &mut given.timeouts;
        match key {
            "node" if mode == Mode::Standalone => {
                return refuse("has a node, but not the scheme of a cluster");
            }
            "node" => endpoints.push(parse_host(&value)?),
            "db" => once(&mut given.database, "database", parse_database(&value)?)?,
            "name" => once(&mut given.name, "name", LinkName::from(&value))?,
            "client_name" => once(&mut given.client_name, "client_name", value)?,
            "protocol" => once(&mut given.protocol, "protocol", parse_protocol(&value)?)?,
            "timeout" | "command_timeout" => once(command, "timeout", parse_time(&value)?)?,
            "connect_timeout" => once(connect, "connect_timeout", parse_time(&value)?)?,
            _ => {
                return refuse(&format!(
                    "has an unknown query key{}; known are {KEYS}",
                    shown(key)
                ));
            }
        }
    }
    Ok(())
}

/// A key as it can stand in a message: none of odd characters or unusual length.
fn shown(key: &str) -> String {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if key.len() <= 32 && key.bytes().all(is_word) {
        format!(" `{key}`")
    } else {
        String::new()
    }
}

fn once<T>(field: &mut Option<T>, name: &str, value: T) -> Result<()> {
    if field.replace(value).is_some() {
        return refuse(&format!("gives the {name} twice"));
    }
    Ok(())
}

fn parse_protocol(text: &str) -> Result<Protocol> {
    match text {
        "auto" => Ok(Protocol::Auto),
        "resp2" | "2" => Ok(Protocol::Resp2),
        "resp3" | "3" => Ok(Protocol::Resp3),
        _ => refuse("has an unknown protocol; known are auto, resp2 (or 2), resp3 (or 3)"),
    }
}

/// With a unit: other clients disagree whether a bare number is seconds or milliseconds.
fn parse_time(text: &str) -> Result<Duration> {
    match parse_duration(text) {
        Ok(duration) => Ok(duration),
        Err(_) => refuse("has a timeout that is not a duration with a unit, such as 5s or 500ms"),
    }
}
