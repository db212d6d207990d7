//! Commands that a shared connection must not carry: [`unsuitable`].
//!
//! A connection serves many callers at once. A command that changes what the connection is, or
//! that holds up its replies, would do so to all of them.

use crate::redis::command::builder::Command;
use crate::redis::command::spec::{CommandSpec, Refusal};

/// Why `command` must not be sent on a shared connection, and what to use instead; none for the
/// commands that may.
///
/// `spec` is what [`CommandTable::find`](crate::redis::command::CommandTable::find) gave. With it,
/// an ordinary command costs one comparison.
#[inline]
pub fn unsuitable(command: &Command, spec: Option<&CommandSpec>) -> Option<&'static str> {
    let refusal = match spec {
        Some(spec) => spec.refusal()?,
        None => {
            let named = |(name, _): &&(&str, Refusal)| command.is(name);
            REFUSED.iter().find(named)?.1
        }
    };
    if refusal == Refusal::BlockOption && !has_block_option(command) {
        return None;
    }
    Some(refusal.reason())
}

/// Why a command with this name (in lower case, `client|reply` with a subcommand) is refused. All
/// commands are that may block, but for those known to do so only when asked to.
pub(super) fn refusal(name: &str, blocking: bool) -> Option<Refusal> {
    let refused = REFUSED.iter().find(|(refused, _)| *refused == name);
    match refused {
        Some((_, refusal)) => Some(*refusal),
        None => blocking.then_some(Refusal::Blocking),
    }
}

/// The commands refused by name.
pub(super) const REFUSED: [(&str, Refusal); 45] = [
    ("subscribe", Refusal::Subscription),
    ("psubscribe", Refusal::Subscription),
    ("ssubscribe", Refusal::Subscription),
    ("unsubscribe", Refusal::Subscription),
    ("punsubscribe", Refusal::Subscription),
    ("sunsubscribe", Refusal::Subscription),
    ("monitor", Refusal::Monitor),
    ("sync", Refusal::Replication),
    ("psync", Refusal::Replication),
    ("replconf", Refusal::Replication),
    ("multi", Refusal::Transaction),
    ("exec", Refusal::Transaction),
    ("discard", Refusal::Transaction),
    ("watch", Refusal::Transaction),
    ("unwatch", Refusal::Transaction),
    ("select", Refusal::Database),
    ("auth", Refusal::Credentials),
    ("hello", Refusal::Credentials),
    ("reset", Refusal::Closing),
    ("quit", Refusal::Closing),
    ("client|reply", Refusal::ReplyMode),
    ("client|tracking", Refusal::Tracking),
    ("client|caching", Refusal::Tracking),
    ("client|setname", Refusal::ClientName),
    ("client|setinfo", Refusal::ClientName),
    ("client|no-evict", Refusal::ClientMode),
    ("client|no-touch", Refusal::ClientMode),
    ("client|capa", Refusal::ClientMode),
    ("client|import-source", Refusal::ClientMode),
    ("readonly", Refusal::ReplicaReads),
    ("readwrite", Refusal::ReplicaReads),
    ("asking", Refusal::Redirects),
    ("script|debug", Refusal::Debugger),
    ("blpop", Refusal::Blocking),
    ("brpop", Refusal::Blocking),
    ("blmove", Refusal::Blocking),
    ("brpoplpush", Refusal::Blocking),
    ("blmpop", Refusal::Blocking),
    ("bzpopmin", Refusal::Blocking),
    ("bzpopmax", Refusal::Blocking),
    ("bzmpop", Refusal::Blocking),
    ("wait", Refusal::Blocking),
    ("waitaof", Refusal::Blocking),
    ("xread", Refusal::BlockOption),
    ("xreadgroup", Refusal::BlockOption),
];

impl Refusal {
    fn reason(self) -> &'static str {
        match self {
            Self::Subscription => {
                "subscriptions need a connection of their own, not a command on the shared one"
            }
            Self::Monitor => {
                "MONITOR turns the shared connection into a stream: use another client for it"
            }
            Self::Replication => "replication commands are for servers, not for clients",
            Self::Transaction => {
                "MULTI and WATCH would mix the commands of all callers of the shared connection: use a Lua script or a function"
            }
            Self::Database => {
                "SELECT would change the database for all callers: set `database` in the configuration"
            }
            Self::Credentials => {
                "AUTH and HELLO would change the shared connection for all callers: set user name and password in the configuration"
            }
            Self::Closing => {
                "QUIT and RESET would end or reset the shared connection: stop the client instead"
            }
            Self::ReplyMode => "CLIENT REPLY would take the replies from all callers",
            Self::Tracking => {
                "client-side caching needs a connection of its own, which this version does not offer yet"
            }
            Self::ClientName => {
                "CLIENT SETNAME and SETINFO would change the shared connection: set the client's name in the configuration"
            }
            Self::ClientMode => "this CLIENT command would change the shared connection",
            Self::ReplicaReads => {
                "READONLY and READWRITE would change the shared connection: set reading from replicas in the configuration"
            }
            Self::Redirects => "ASKING is sent by the client itself where a redirect needs it",
            Self::Debugger => "the script debugger needs a connection of its own: use redis-cli",
            Self::Blocking | Self::BlockOption => {
                "blocking commands need a connection of their own, which this version does not offer yet"
            }
        }
    }
}

/// Whether `XREAD` or `XREADGROUP` has the option `BLOCK`. A group or consumer of that name, and
/// what follows `STREAMS`, do not count.
fn has_block_option(command: &Command) -> bool {
    let mut args = command.args().skip(1);
    while let Some(arg) = args.next() {
        if arg.eq_ignore_ascii_case(b"BLOCK") {
            return true;
        }
        if arg.eq_ignore_ascii_case(b"STREAMS") {
            return false;
        }
        if arg.eq_ignore_ascii_case(b"GROUP") {
            args.nth(1);
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::command::{CommandTable, cmd};

    /// The verdict, which must be the same with and without a specification.
    fn verdict(line: &str) -> Option<&'static str> {
        let command = cmd(line);
        let table = CommandTable::builtin();
        let with = unsuitable(&command, table.find(&command));
        assert_eq!(with, unsuitable(&command, None), "{line}");
        with
    }

    #[test]
    fn refuses_what_changes_or_blocks_the_connection() {
        for line in [
            "SUBSCRIBE a",
            "psubscribe a",
            "SSUBSCRIBE a",
            "UNSUBSCRIBE",
            "PUNSUBSCRIBE",
            "SUNSUBSCRIBE",
            "MONITOR",
            "SYNC",
            "PSYNC ? -1",
            "MULTI",
            "EXEC",
            "DISCARD",
            "WATCH a",
            "UNWATCH",
            "SELECT 1",
            "AUTH x",
            "HELLO 3",
            "RESET",
            "QUIT",
            "CLIENT REPLY OFF",
            "client tracking on",
            "CLIENT SETNAME x",
            "CLIENT NO-EVICT ON",
            "CLIENT NO-TOUCH ON",
            "READONLY",
            "READWRITE",
            "ASKING",
            "BLPOP a 0",
            "BRPOP a 0",
            "BLMOVE a b LEFT LEFT 0",
            "BRPOPLPUSH a b 0",
            "BLMPOP 0 1 a LEFT",
            "BZPOPMIN a 0",
            "BZPOPMAX a 0",
            "BZMPOP 0 1 a MIN",
            "WAIT 1 0",
            "WAITAOF 1 0 0",
            "XREAD BLOCK 0 STREAMS a $",
            "XREADGROUP GROUP g c COUNT 1 block 0 STREAMS a >",
        ] {
            assert!(verdict(line).is_some(), "{line}");
        }
    }

    #[test]
    fn lets_all_others_pass() {
        for line in [
            "GET a",
            "SET a b",
            "EVAL s 0",
            "PUBLISH a b",
            "SPUBLISH a b",
            "CLIENT PAUSE 10",
            "CLIENT LIST",
            "CLIENT",
            "DEBUG SLEEP 1",
            "SHUTDOWN",
            "XREAD STREAMS a $",
            "XREAD COUNT 1 STREAMS block 0",
            "XREADGROUP GROUP block block STREAMS a >",
            "FT.SEARCH i q",
            "SCRIPT LOAD s",
            "CONFIG GET a",
        ] {
            assert_eq!(verdict(line), None, "{line}");
        }
    }

    #[test]
    fn refuses_an_unknown_command_that_the_server_says_may_block() {
        assert_eq!(refusal("newpop", true), Some(Refusal::Blocking));
        assert_eq!(refusal("newpop", false), None);
        assert_eq!(refusal("xread", true), Some(Refusal::BlockOption));
    }

    #[test]
    fn says_what_to_use_instead() {
        let reason = verdict("SELECT 1").expect("refused");
        assert!(reason.contains("`database`"), "{reason}");
    }
}
