//! What an error reply proves: [`outcome_of`]. Pure.

use crate::redis::command::Command;
use crate::redis::error::Outcome;
use crate::redis::value::ServerError;

/// Codes that a server gives before it begins to execute anything, scripts included.
///
/// Redirects and `CLUSTERDOWN`, `TRYAGAIN`: Redis Cluster specification, "Redirection and
/// resharding". The others are checked in the server's command dispatch before the call.
const BEFORE_EXECUTION: [&str; 11] = [
    "MOVED",
    "ASK",
    "TRYAGAIN",
    "CLUSTERDOWN",
    "CROSSSLOT",
    "LOADING",
    "MASTERDOWN",
    "NOAUTH",
    "NOSCRIPT",
    "EXECABORT",
    "NOPROTO",
];

/// What became of a command that was answered with this error.
///
/// A plain command that fails changes nothing: *refused*. A script or function may have changed
/// something before one of its own calls failed: its outcome is unknown, unless the code shows
/// that it never began.
pub(crate) fn outcome_of(error: &ServerError, script: bool) -> Outcome {
    if !script || BEFORE_EXECUTION.contains(&error.code()) {
        Outcome::Refused
    } else {
        Outcome::Unknown
    }
}

/// Whether a command runs a script or function that may write.
pub(crate) fn is_script(command: &Command) -> bool {
    const WRITING: [&str; 3] = ["EVAL", "EVALSHA", "FCALL"];
    let name = command.name();
    matches!(name.as_bytes().first(), Some(b'E' | b'e' | b'F' | b'f'))
        && WRITING
            .iter()
            .any(|script| name.eq_ignore_ascii_case(script))
}

impl Outcome {
    pub(crate) fn is_refused(self) -> bool {
        self == Self::Refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::command::cmd;

    #[test]
    fn an_error_reply_proves_what_it_proves() {
        let never_began = [
            "MOVED 1 a:1",
            "ASK 1 a:1",
            "TRYAGAIN x",
            "CLUSTERDOWN x",
            "LOADING x",
            "NOSCRIPT x",
            "NOAUTH x",
        ];
        let perhaps_midway = [
            "ERR x",
            "WRONGTYPE x",
            "OOM x",
            "READONLY x",
            "NOPERM x",
            "MY x",
        ];
        for line in never_began.into_iter().chain(perhaps_midway) {
            let error = ServerError::new(line.into());
            assert_eq!(outcome_of(&error, false), Outcome::Refused, "{line}");
            let script = if perhaps_midway.contains(&line) {
                Outcome::Unknown
            } else {
                Outcome::Refused
            };
            assert_eq!(outcome_of(&error, true), script, "{line}");
        }
    }

    #[test]
    fn only_what_may_write_is_a_script() {
        for name in ["EVAL", "evalsha", "Fcall"] {
            assert!(is_script(&cmd(name)), "{name}");
        }
        for name in [
            "EVAL_RO",
            "EVALSHA_RO",
            "FCALL_RO",
            "EXISTS",
            "FUNCTION LIST",
            "GET",
        ] {
            assert!(!is_script(&cmd(name)), "{name}");
        }
    }
}
