//! Who the client says it is, and in which protocol: [`Protocol`], and the rules for user name,
//! password and client name.

use serde::{Deserialize, Serialize};

use crate::redis::error::{Error, Result};
use crate::secret::Secret;

/// The version of the wire protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Protocol {
    /// RESP3 by `HELLO 3`; RESP2 with servers that do not know `HELLO` (before Redis 6).
    #[default]
    Auto,
    /// RESP2, without `HELLO`.
    Resp2,
    /// RESP3 or no connection.
    Resp3,
}

/// Both empty texts are nearly always an unset variable, so they are refused rather than sent.
pub(super) fn check_login(username: Option<&str>, password: Option<&Secret>) -> Result<()> {
    if username.is_some_and(str::is_empty) {
        return Err(Error::config(
            "username must not be empty; leave it out for the default user",
        ));
    }
    if password.is_some_and(Secret::is_empty) {
        return Err(Error::config(
            "password must not be empty; leave it out for none",
        ));
    }
    // `HELLO ... AUTH` and `AUTH` take a user name only together with a password.
    if username.is_some() && password.is_none() {
        return Err(Error::config(
            "username needs a password (for a user with nopass, any)",
        ));
    }
    Ok(())
}

/// The server's own rule (`validateClientAttr` in its networking.c): it refuses anything else
/// during the handshake.
pub(super) fn check_client_name(name: Option<&str>) -> Result<()> {
    let valid = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    if name.is_none_or(valid) {
        return Ok(());
    }
    Err(Error::config(
        "client_name must be printable ASCII without spaces, at least one character",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_username_needs_a_password_but_not_the_other_way_round() {
        let (secret, empty) = (Secret::from("hunter2"), Secret::from(""));
        check_login(None, None).expect("no login");
        check_login(None, Some(&secret)).expect("the default user");
        check_login(Some("app"), Some(&secret)).expect("a user");
        for (username, password, expected) in [
            (Some("app"), None, "username needs a password"),
            (Some(""), Some(&secret), "username must not be empty"),
            (Some("app"), Some(&empty), "password must not be empty"),
            (None, Some(&empty), "password must not be empty"),
        ] {
            let error = check_login(username, password).expect_err(expected);
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn a_client_name_is_what_the_server_accepts() {
        for name in [None, Some("web-1"), Some("!~"), Some("a:b/c@d")] {
            check_client_name(name).expect("the server accepts it");
        }
        for name in ["", "a b", "a\n", "a\0", "ä", "\u{7f}"] {
            assert!(check_client_name(Some(name)).is_err(), "{name:?}");
        }
    }
}
