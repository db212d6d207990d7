//! What the client knows of commands, slots and keys, compared with what a real server says.
#![cfg(feature = "redis")]

mod application;
#[path = "command_keys/described.rs"]
mod described;
mod support;

use bytes::Bytes;
use everlink::redis::command::{Command, CommandSpec, CommandTable, cmd};
use everlink::redis::config::Protocol;
use everlink::redis::{ErrorKind, ServerError, Slot, Value};
use futures_util::future::join_all;
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

use crate::application::{Application, serving};
use crate::described::Described;
use crate::support::redis_server::{RedisServer, RedisServerOptions};

/// A server in cluster mode, which knows more commands than another, and a client of it.
struct Server {
    application: Application,
    process: RedisServer,
}

impl Server {
    async fn start() -> Self {
        let options = RedisServerOptions::default().cluster().volatile();
        let process = RedisServer::start(options).await.expect("a server");
        // Over RESP2 every list is an array.
        let config = serving(&process).protocol(Protocol::Resp2);
        let application = Application::ready(config).await;
        Self {
            application: application.expect("a client"),
            process,
        }
    }

    async fn call(&self, command: Command) -> Value {
        self.application.run(command).await.expect("a reply")
    }

    async fn table(&self) -> CommandTable {
        CommandTable::from_reply(&self.call(cmd("COMMAND")).await).expect("a list of commands")
    }

    /// What the server says of a command; none if it has not got it, as not every version has all.
    async fn description(&self, name: &str) -> Option<Vec<Value>> {
        match self.call(cmd("COMMAND INFO").arg(name)).await {
            Value::Array(mut entries) => match entries.pop() {
                Some(Value::Array(fields)) => Some(fields),
                _ => None,
            },
            other => panic!("not a list: {other:?}"),
        }
    }

    /// The keys of a command, as the server finds them.
    async fn keys_of(&self, command: &Command) -> Result<Vec<Bytes>, ServerError> {
        let args: Vec<_> = command.args().collect();
        let keys = cmd("COMMAND GETKEYS").arg(args);
        match self.application.client.query::<Vec<Bytes>>(keys).await {
            Ok(mut keys) => {
                keys.sort();
                Ok(keys)
            }
            Err(error) => match error.kind() {
                ErrorKind::Server(said) => Err(said.clone()),
                other => panic!("unexpected error {other:?}"),
            },
        }
    }
}

/// In no order: not even the server's versions agree on one.
fn keys_by(table: &CommandTable, command: &Command) -> Vec<Bytes> {
    let spec = table.find(command).expect("a known command");
    let keys = spec.keys().keys(command);
    let mut keys: Vec<_> = keys.map(Bytes::copy_from_slice).collect();
    keys.sort();
    keys
}

/// Commands whose keys are not at fixed positions, or at more than one.
const COMMANDS: &str = "
    SET a b EX 10
    MSET a 1 b 2 c 3
    MSETNX a 1 b 2
    MGET a b c
    DEL a b
    BITOP AND d a b
    COPY a b DB 1
    LCS a b LEN
    RENAME a b
    LMOVE a b LEFT RIGHT
    BLMOVE a b LEFT RIGHT 0
    BLPOP a b c 0
    BZPOPMAX a 0
    BLMPOP 0 2 a b LEFT COUNT 10
    BZMPOP 0 1 a MIN
    LMPOP 2 a b RIGHT
    ZMPOP 1 a MAX
    SINTERCARD 2 a b LIMIT 1
    SINTERSTORE d a b
    ZINTER 2 a b WEIGHTS 1 2 WITHSCORES
    ZINTERCARD 2 a b LIMIT 3
    ZUNION 1 a
    ZDIFF 2 a b
    ZUNIONSTORE d 2 a b WEIGHTS 1 2
    ZINTERSTORE d 1 a AGGREGATE MAX
    ZDIFFSTORE d 2 a b
    ZRANGESTORE d a 0 -1
    GEOSEARCHSTORE d a FROMMEMBER m BYRADIUS 1 m
    GEORADIUS a 1 2 3 m
    GEORADIUS a 1 2 3 m COUNT 5 STORE d
    GEORADIUS a 1 2 3 m storedist d ASC
    GEORADIUSBYMEMBER a m 3 km STORE d
    GEORADIUSBYMEMBER_RO a m 3 km
    PFCOUNT a b
    PFMERGE d a b
    SORT a
    SORT a BY w_* LIMIT 0 5 GET # GET o_* ASC ALPHA STORE d
    SORT a BY STORE GET STORE STORE d
    SORT_RO a BY w_* LIMIT 0 5
    MIGRATE host 6379 a 0 1000
    MIGRATE host 6379 a 0 1000 COPY REPLACE AUTH password
    MIGRATE host 6379 \"\" 0 1000 KEYS a b c
    MIGRATE host 6379 \"\" 0 1000 COPY AUTH2 keys keys KEYS a b
    EVAL script 2 a b c
    EVAL_RO script 1 a
    EVALSHA sha 2 a b
    EVALSHA_RO sha 1 a b
    FCALL function 2 a b c
    FCALL_RO function 1 a
    XADD a * f v
    XREAD STREAMS a b 0 0
    XREAD COUNT 2 BLOCK 0 streams a b c 0 0 0
    XREADGROUP GROUP g c STREAMS a >
    XREADGROUP GROUP streams c COUNT 1 NOACK STREAMS a b > >
    XGROUP CREATE a g $ MKSTREAM
    XGROUP SETID a g 0
    XINFO STREAM a FULL
    XINFO CONSUMERS a g
    OBJECT ENCODING a
    object freq a
    MEMORY USAGE a SAMPLES 5
    WATCH a b
    BITFIELD a GET u8 0
    GETEX a PERSIST
    PFDEBUG ENCODING a
";

/// The words of each of them.
fn lines() -> impl Iterator<Item = Vec<&'static str>> {
    COMMANDS.trim().lines().map(|line| {
        let words = line.split_ascii_whitespace();
        words.map(|word| word.trim_matches('"')).collect()
    })
}

#[actix::test]
async fn finds_the_same_keys_as_the_server() {
    let server = Server::start().await;
    let tables = [
        ("told", &server.table().await),
        ("built in", &CommandTable::builtin()),
    ];
    let mut compared = 0;
    for words in lines() {
        if server.description(words[0]).await.is_none() {
            continue;
        }
        let command = cmd(words[0]).arg(&words[1..]);
        let keys = match server.keys_of(&command).await {
            Ok(keys) => keys,
            Err(error) => panic!("{words:?}: {error:?}"),
        };
        if keys.iter().any(|key| key == "KEYS") {
            // Redis 6.2 takes a user or a password called "keys" for the option.
            continue;
        }
        compared += 1;
        assert!(!keys.is_empty(), "{words:?}");
        for (origin, table) in tables {
            assert_eq!(keys_by(table, &command), keys, "{words:?} ({origin})");
        }
    }
    assert!(compared >= 50, "only {compared} compared");
}

#[actix::test]
async fn finds_the_keys_of_every_command_that_has_them_at_fixed_positions() {
    let server = Server::start().await;
    let told = server.table().await;
    let builtin = CommandTable::builtin();
    let mut compared = 0;
    for (name, _) in told.iter() {
        let words: Vec<_> = name.split('|').collect();
        // Servers before 7.0 describe no subcommands, and take any word for one.
        if words.len() == 1
            && told
                .find(&cmd(words[0]))
                .is_some_and(CommandSpec::is_container)
        {
            continue;
        }
        // The server checks the number of arguments first: one of these will do.
        for count in 1..12 {
            let fill = (1..count).map(|n| format!("k{n}")).collect::<Vec<_>>();
            let command = cmd(words[0]).arg(&words[1..]).arg(fill);
            let Ok(keys) = server.keys_of(&command).await else {
                continue;
            };
            assert_eq!(keys_by(&told, &command), keys, "{name} (told)");
            assert_eq!(keys_by(&builtin, &command), keys, "{name} (built in)");
            compared += 1;
        }
    }
    assert!(compared > 500, "only {compared} compared");
}

#[actix::test]
async fn every_command_of_the_server_is_built_in_as_the_server_describes_it() {
    let server = Server::start().await;
    let Value::Array(commands) = server.call(cmd("COMMAND")).await else {
        panic!("not a list");
    };
    let commands: Vec<_> = commands
        .iter()
        .flat_map(Described::all)
        // For those who speak HTTP to a server: it closes their connection.
        .filter(|command| command.name != "post" && command.name != "host:")
        .collect();
    // Not before 7.0.
    let tells_blocking = commands.iter().any(|command| command.says("blocking"));
    let differences: Vec<_> = commands
        .iter()
        .flat_map(|command| command.differences(tells_blocking))
        .collect();
    assert_eq!(differences, [""; 0]);
    assert!(commands.len() > 200, "only {}", commands.len());
}

#[actix::test]
async fn commands_that_are_not_built_in_are_known_from_either_protocol() {
    let server = Server::start().await;
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        let config = serving(&server.process).protocol(protocol);
        let application = Application::ready(config).await.expect("a client");
        let mut reply = application.run(cmd("COMMAND")).await.expect("a reply");
        rename(&mut reply);
        let table = CommandTable::from_reply(&reply).expect("a list of commands");
        for words in lines() {
            let command = cmd(words[0]).arg(&words[1..]);
            let renamed = cmd(&format!("x-{}", words[0])).arg(&words[1..]);
            // Only these need built-in rules: their key specifications are incomplete.
            if matches!(words[0], "SORT" | "SORT_RO" | "MIGRATE") {
                continue;
            }
            let Some(description) = server.description(words[0]).await else {
                continue;
            };
            // Before 7.0 there are no specifications, and nothing is told of movable keys and of
            // subcommands.
            if description.len() <= 8 && !has_fixed_keys(&description) {
                continue;
            }
            let keys = server.keys_of(&command).await.expect("keys");
            assert_eq!(keys_by(&table, &renamed), keys, "{words:?} ({protocol:?})");
        }
    }
}

fn has_fixed_keys(description: &[Value]) -> bool {
    let Value::Array(flags) = &description[2] else {
        panic!("no flags: {description:?}");
    };
    let movable = |flag: &Value| flag.as_bytes().is_some_and(|flag| flag == "movablekeys");
    !flags.iter().any(movable) && description[3] != Value::Int(0)
}

/// Puts `x-` before the name of each command in a reply to `COMMAND`, and of each subcommand.
fn rename(reply: &mut Value) {
    let (Value::Array(commands) | Value::Set(commands)) = reply else {
        panic!("not a list: {reply:?}");
    };
    for command in commands {
        let Value::Array(fields) = command else {
            panic!("not a command: {command:?}");
        };
        let name = fields[0].as_bytes().expect("a name");
        fields[0] = Value::Bulk([b"x-", &name[..]].concat().into());
        if let Some(subcommands) = fields.get_mut(9) {
            rename(subcommands);
        }
    }
}

#[actix::test]
async fn hashes_keys_as_the_server_does() {
    let server = Server::start().await;
    let mut rng = StdRng::seed_from_u64(7);
    let keys: Vec<Vec<u8>> = (0..3000).map(|_| random_key(&mut rng)).collect();
    let asked = keys
        .iter()
        .map(|key| server.call(cmd("CLUSTER KEYSLOT").arg(&key[..])));
    for (key, slot) in keys.iter().zip(join_all(asked).await) {
        let expected = Value::Int(Slot::of(key).get().into());
        assert_eq!(slot, expected, "{}", key.escape_ascii());
    }
}

/// Random bytes, many of them braces.
fn random_key(rng: &mut StdRng) -> Vec<u8> {
    let mut key = vec![0; rng.random_range(0..24)];
    rng.fill_bytes(&mut key);
    for byte in &mut key {
        match rng.random_range(0..6) {
            0 => *byte = b'{',
            1 => *byte = b'}',
            _ => {}
        }
    }
    key
}
