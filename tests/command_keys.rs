//! What the client knows of commands, slots and keys, compared with what a real server says.
//!
//! Needs `redis-server` (7.0 or later) in the path.
#![cfg(feature = "redis")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command as Process, Stdio};
use std::time::Duration;

use bytes::Bytes;
use everlink::redis::command::{Command, CommandTable, cmd};
use everlink::redis::{ServerError, Slot, Value};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

/// A server of its own, in cluster mode, that ends with the test.
struct Server {
    process: Child,
    port: u16,
    _directory: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory for the server");
        // Between choosing a port and listening on it somebody else may take it.
        for _ in 0..10 {
            let port = free_port();
            let mut process = Process::new("redis-server")
                .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
                .args(["--save", "", "--cluster-enabled", "yes"])
                .arg("--dir")
                .arg(directory.path())
                .stdout(Stdio::null())
                .spawn()
                .expect("redis-server is in the path");
            while process.try_wait().expect("the server's state").is_none() {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Self {
                        process,
                        port,
                        _directory: directory,
                    };
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        panic!("the server does not start");
    }

    fn connect(&self) -> Client {
        let socket = TcpStream::connect(("127.0.0.1", self.port)).expect("the server listens");
        let timeout = Some(Duration::from_secs(10));
        socket.set_read_timeout(timeout).expect("a timeout is set");
        Client(BufReader::new(socket))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that is free, and the one of the cluster bus, 10,000 above, too.
fn free_port() -> u16 {
    let listen = |port| TcpListener::bind(("127.0.0.1", port));
    let mut rng: StdRng = rand::make_rng();
    loop {
        let port = rng.random_range(20_000..30_000);
        if listen(port).is_ok() && listen(port + 10_000).is_ok() {
            return port;
        }
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn call(&mut self, command: Command) -> Value {
        let socket = self.0.get_mut();
        socket.write_all(command.wire()).expect("written");
        self.reply()
    }

    fn reply(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line");
        let (kind, rest) = line.trim_end().split_at(1);
        let number = || rest.parse::<i64>().expect("a number");
        match kind {
            "+" => Value::Simple(Bytes::from(rest.to_owned())),
            "-" => Value::Error(ServerError::new(Bytes::from(rest.to_owned()))),
            ":" => Value::Int(number()),
            "$" if number() >= 0 => {
                let mut bytes = vec![0; number() as usize + 2];
                self.0.read_exact(&mut bytes).expect("a bulk string");
                bytes.truncate(number() as usize);
                Value::Bulk(bytes.into())
            }
            "*" if number() >= 0 => Value::Array(self.replies(number())),
            "~" => Value::Set(self.replies(number())),
            "%" => {
                let pair = |_| (self.reply(), self.reply());
                Value::Map((0..number()).map(pair).collect())
            }
            "$" | "*" | "_" => Value::Nil,
            _ => panic!("unexpected reply {line:?}"),
        }
    }

    fn replies(&mut self, count: i64) -> Vec<Value> {
        (0..count).map(|_| self.reply()).collect()
    }

    fn table(&mut self) -> CommandTable {
        CommandTable::from_reply(&self.call(cmd("COMMAND"))).expect("a list of commands")
    }

    /// The keys of a command, as the server finds them.
    fn keys_of(&mut self, command: &Command) -> Result<Vec<Bytes>, ServerError> {
        let args: Vec<_> = command.args().collect();
        match self.call(cmd("COMMAND GETKEYS").arg(args)) {
            Value::Array(keys) => Ok(keys
                .iter()
                .map(|key| key.as_bytes().expect("a key").clone())
                .collect()),
            Value::Error(error) => Err(error),
            other => panic!("unexpected reply {other:?}"),
        }
    }
}

fn keys_by(table: &CommandTable, command: &Command) -> Vec<Bytes> {
    let spec = table.find(command).expect("a known command");
    spec.keys()
        .keys(command)
        .map(Bytes::copy_from_slice)
        .collect()
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

#[test]
fn finds_the_same_keys_as_the_server() {
    let server = Server::start();
    let mut client = server.connect();
    let tables = [
        ("told", &client.table()),
        ("built in", &CommandTable::builtin()),
    ];
    for words in lines() {
        let command = cmd(words[0]).arg(&words[1..]);
        let keys = client.keys_of(&command).expect("keys");
        assert!(!keys.is_empty(), "{words:?}");
        for (origin, table) in tables {
            assert_eq!(keys_by(table, &command), keys, "{words:?} ({origin})");
        }
    }
}

#[test]
fn finds_the_keys_of_every_command_that_has_them_at_fixed_positions() {
    let server = Server::start();
    let mut client = server.connect();
    let told = client.table();
    let builtin = CommandTable::builtin();
    let mut compared = 0;
    for (name, _) in told.iter() {
        let words: Vec<_> = name.split('|').collect();
        // The server checks the number of arguments first: one of these will do.
        for count in 1..12 {
            let fill = (1..count).map(|n| format!("k{n}")).collect::<Vec<_>>();
            let command = cmd(words[0]).arg(&words[1..]).arg(fill);
            let Ok(keys) = client.keys_of(&command) else {
                continue;
            };
            assert_eq!(keys_by(&told, &command), keys, "{name} (told)");
            assert_eq!(keys_by(&builtin, &command), keys, "{name} (built in)");
            compared += 1;
        }
    }
    assert!(compared > 500, "only {compared} compared");
}

#[test]
fn every_command_of_the_server_is_built_in_as_the_server_describes_it() {
    let server = Server::start();
    let Value::Array(commands) = server.connect().call(cmd("COMMAND")) else {
        panic!("not a list");
    };
    let compared: usize = commands.iter().map(compare_with_builtin).sum();
    assert!(compared > 300, "only {compared} compared");
}

/// Compares one entry of the reply to `COMMAND`, and its subcommands; returns how many they were.
fn compare_with_builtin(entry: &Value) -> usize {
    let Value::Array(fields) = entry else {
        panic!("not a command: {entry:?}");
    };
    let Value::Array(subcommands) = &fields[9] else {
        panic!("no list of subcommands: {entry:?}");
    };
    let text = |value: &Value| {
        let bytes = value.as_bytes().expect("text").to_vec();
        String::from_utf8(bytes).expect("text")
    };
    let flags: Vec<_> = match &fields[2] {
        Value::Array(flags) => flags.iter().map(text).collect(),
        other => panic!("no flags: {other:?}"),
    };
    let says = |flag: &str| flags.iter().any(|said| said == flag);
    let name = text(&fields[0]);

    let builtin = CommandTable::builtin();
    let words: Vec<_> = name.split('|').collect();
    let command = cmd(words[0]).arg(&words[1..]).arg(["2"; 9]);
    let spec = builtin.find(&command).expect(&name);
    assert_eq!(spec.is_readonly(), says("readonly"), "{name}");
    assert_eq!(spec.is_write(), says("write"), "{name}");
    // Redis says it of WAIT only since 7.2.
    assert_eq!(
        spec.is_blocking(),
        says("blocking") || name == "wait",
        "{name}"
    );
    if !name.contains('|') {
        assert_eq!(spec.is_container(), !subcommands.is_empty(), "{name}");
    }
    let movable = says("movablekeys");
    let first = spec.keys().positions(&command).next();
    match fields[3] {
        Value::Int(0) if !movable => assert!(spec.keys().is_empty(), "{name}"),
        Value::Int(0) => assert!(!spec.keys().is_empty(), "{name}"),
        Value::Int(told) => assert_eq!(first, usize::try_from(told).ok(), "{name}"),
        ref other => panic!("no position: {other:?}"),
    }
    1 + subcommands.iter().map(compare_with_builtin).sum::<usize>()
}

#[test]
fn commands_that_are_not_built_in_are_known_from_either_protocol() {
    let server = Server::start();
    let mut client = server.connect();
    for protocol in [2, 3] {
        client.call(cmd("HELLO").arg(protocol));
        let mut reply = client.call(cmd("COMMAND"));
        rename(&mut reply);
        let table = CommandTable::from_reply(&reply).expect("a list of commands");
        for words in lines() {
            let command = cmd(words[0]).arg(&words[1..]);
            let renamed = cmd(&format!("x-{}", words[0])).arg(&words[1..]);
            // Only these need built-in rules: their key specifications are incomplete.
            if matches!(words[0], "SORT" | "SORT_RO" | "MIGRATE") {
                continue;
            }
            let keys = client.keys_of(&command).expect("keys");
            assert_eq!(keys_by(&table, &renamed), keys, "{words:?} ({protocol})");
        }
    }
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
        rename(&mut fields[9]);
    }
}

#[test]
fn hashes_keys_as_the_server_does() {
    let server = Server::start();
    let mut client = server.connect();
    let mut rng = StdRng::seed_from_u64(7);
    for _ in 0..3000 {
        let mut key = vec![0; rng.random_range(0..24)];
        rng.fill_bytes(&mut key);
        for byte in &mut key {
            match rng.random_range(0..6) {
                0 => *byte = b'{',
                1 => *byte = b'}',
                _ => {}
            }
        }
        let slot = client.call(cmd("CLUSTER KEYSLOT").arg(&key));
        let expected = Value::Int(Slot::of(&key).get().into());
        assert_eq!(slot, expected, "{}", key.escape_ascii());
    }
}
