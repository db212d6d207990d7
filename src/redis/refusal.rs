//! What an error reply proves: [`outcome_of`]. Pure.

use crate::endpoint::Endpoint;
use crate::redis::cluster::Redirect;
use crate::redis::command::Command;
use crate::redis::error::Outcome;
use crate::redis::slot::Slot;
use crate::redis::value::ServerError;

/// Sentences that a server says before it begins to execute a script.
///
/// A script can return any text as its own error, so that a code proves nothing. These are the
/// server's words, letter by letter (`server.c` and `cluster.c` of Redis 6.2 to 8.2 and Valkey 8.1
/// and 9.1). No error of a call inside a script reads so: on a foreign or uncovered slot it is "ERR
/// Script attempted to …", and what else a call may run into (`OOM`, `READONLY`, `NOPERM`) proves
/// nothing anyway. A script that says one of these itself lies; nobody can tell.
const BEFORE_SCRIPTS: [&str; 10] = [
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "CLUSTERDOWN The cluster is down",
    "CLUSTERDOWN The cluster is down and only accepts read commands",
    "CLUSTERDOWN Hash slot not served",
    "CROSSSLOT Keys in request don't hash to the same slot",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "NOAUTH Authentication required.",
    "MASTERDOWN Link with MASTER is down, replica-serve-stale-data is set to 'no' and 'allow-stale' \
     flag is not set on the script.",
    "NOSCRIPT No matching script. Please use EVAL.",
    "NOSCRIPT No matching script.",
];

/// What became of a command that was answered with this error.
///
/// A plain command that fails changes nothing: *refused*. A script or function, or `MIGRATE`, may
/// have changed something before one of its own calls failed: its outcome is unknown, unless the
/// text shows that it never began. `slot` is that of the command's keys.
pub(crate) fn outcome_of(
    error: &ServerError,
    script: bool,
    slot: Option<Slot>,
    answered_by: &Endpoint,
) -> Outcome {
    if !script || proves_not_begun(error, slot, answered_by) {
        Outcome::Refused
    } else {
        Outcome::Unknown
    }
}

fn proves_not_begun(error: &ServerError, slot: Option<Slot>, answered_by: &Endpoint) -> bool {
    let Ok(line) = std::str::from_utf8(error.as_bytes()) else {
        return false;
    };
    match error.code() {
        // Redis Cluster specification, "Redirection and resharding": the slot is the command's.
        "MOVED" | "ASK" => {
            let redirect = Redirect::parse(error, answered_by);
            line.split(' ').count() == 3
                && slot.is_some()
                && redirect.map(|redirect| redirect.slot) == slot
        }
        // Redis and Valkey name themselves.
        "LOADING" => line
            .strip_prefix("LOADING ")
            .and_then(|rest| rest.strip_suffix(" is loading the dataset in memory"))
            .is_some_and(|name| !name.is_empty() && !name.contains(' ')),
        _ => BEFORE_SCRIPTS.contains(&line),
    }
}

/// Whether a command may have done a part of its work before it answers with an error: it runs a
/// script or function that may write, of the server or of its module for triggers and functions; or
/// it is `MIGRATE`, which deletes each key that the other server took before one fails.
pub(crate) fn is_script(command: &Command) -> bool {
    const WRITING: [&str; 6] = [
        "EVAL",
        "EVALSHA",
        "FCALL",
        "MIGRATE",
        "TFCALL",
        "TFCALLASYNC",
    ];
    let name = command.name_bytes();
    matches!(
        name.first(),
        Some(b'E' | b'e' | b'F' | b'f' | b'M' | b'm' | b'T' | b't')
    ) && WRITING
        .iter()
        .any(|script| name.eq_ignore_ascii_case(script.as_bytes()))
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
            "MOVED 7 a:1",
            "ASK 7 :1",
            "TRYAGAIN Multiple keys request during rehashing of slot",
            "CLUSTERDOWN Hash slot not served",
            "LOADING Redis is loading the dataset in memory",
            "LOADING Valkey is loading the dataset in memory",
            "NOSCRIPT No matching script. Please use EVAL.",
            "NOSCRIPT No matching script.",
            "NOAUTH Authentication required.",
        ];
        let perhaps_midway = [
            "MOVED 8 a:1",
            "MOVED 7 a",
            "MOVED 7 a:1 script: 0f0f, on @user_script:1.",
            "ASK seven a:1",
            "TRYAGAIN x",
            "CLUSTERDOWN x",
            "LOADING x",
            "LOADING a b is loading the dataset in memory",
            "NOSCRIPT x",
            "EXECABORT x",
            "ERR x",
            "ERR Script attempted to access a non local key in a cluster node",
            "WRONGTYPE x",
            "OOM x",
            "READONLY x",
            "NOPERM x",
            "MY x",
        ];
        let (node, slot) = (Endpoint::tcp("b", 1), Slot::new(7));
        for line in never_began.into_iter().chain(perhaps_midway) {
            let error = ServerError::new(line.into());
            let outcome = |script, slot| outcome_of(&error, script, slot, &node);
            assert_eq!(outcome(false, slot), Outcome::Refused, "{line}");
            let script = if perhaps_midway.contains(&line) {
                Outcome::Unknown
            } else {
                Outcome::Refused
            };
            assert_eq!(outcome(true, slot), script, "{line}");
        }
        let moved = ServerError::new("MOVED 7 a:1".into());
        let without_keys = outcome_of(&moved, true, None, &node);
        assert_eq!(without_keys, Outcome::Unknown, "nothing to redirect");
    }

    #[test]
    fn only_what_may_write_is_a_script() {
        for name in [
            "EVAL",
            "evalsha",
            "Fcall",
            "MIGRATE",
            "tfcall",
            "TFCALLASYNC",
        ] {
            assert!(is_script(&cmd(name)), "{name}");
        }
        for name in [
            "EVAL_RO",
            "EVALSHA_RO",
            "FCALL_RO",
            "EXISTS",
            "FUNCTION LIST",
            "GET",
            "MGET",
            "TTL",
        ] {
            assert!(!is_script(&cmd(name)), "{name}");
        }
    }
}
