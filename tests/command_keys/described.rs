//! Commands as a server describes them, and in what the built-in table differs.

use everlink::redis::Value;
use everlink::redis::command::{CommandTable, cmd};

/// A command or subcommand, in the words of the reply to `COMMAND`.
pub(crate) struct Described<'a> {
    pub(crate) name: String,
    flags: Vec<String>,
    first_key: i64,
    /// None before Redis 7.0, which does not tell them.
    subcommands: Option<&'a [Value]>,
}

impl<'a> Described<'a> {
    /// The command of an entry, and its subcommands.
    pub(crate) fn all(entry: &'a Value) -> Vec<Self> {
        let Value::Array(fields) = entry else {
            panic!("not a command: {entry:?}");
        };
        let text = |value: &Value| {
            let bytes = value.as_bytes().expect("text").to_vec();
            String::from_utf8(bytes).expect("text")
        };
        let Value::Array(flags) = &fields[2] else {
            panic!("no flags: {entry:?}");
        };
        let Value::Int(first_key) = fields[3] else {
            panic!("no position: {entry:?}");
        };
        let subcommands = fields.get(9).map(|subcommands| match subcommands {
            Value::Array(subcommands) => &subcommands[..],
            other => panic!("no list of subcommands: {other:?}"),
        });
        let command = Self {
            name: text(&fields[0]),
            flags: flags.iter().map(text).collect(),
            first_key,
            subcommands,
        };
        let below = subcommands.unwrap_or_default().iter().flat_map(Self::all);
        std::iter::once(command).chain(below).collect()
    }

    pub(crate) fn says(&self, flag: &str) -> bool {
        self.flags.iter().any(|said| said == flag)
    }

    /// In what the built-in table says something else.
    pub(crate) fn differences(&self, tells_blocking: bool) -> Vec<String> {
        let name = &self.name;
        let builtin = CommandTable::builtin();
        let words: Vec<_> = name.split('|').collect();
        let command = cmd(words[0]).arg(&words[1..]).arg(["2"; 9]);
        let Some(spec) = builtin.find(&command) else {
            return vec![format!("{name} is not built in")];
        };
        if spec.is_container() && self.subcommands.is_none() {
            // What is built in are its subcommands, of which the server tells nothing.
            return Vec::new();
        }
        let first = spec.keys().positions(&command).next();
        let movable = self.says("movablekeys");
        let keys_differ = match self.first_key {
            0 => movable == spec.keys().is_empty(),
            told => first != usize::try_from(told).ok(),
        };
        let container = self.subcommands.is_some_and(|below| !below.is_empty());
        // Redis says it of WAIT only since 7.2.
        let blocking = self.says("blocking") || name == "wait";
        [
            ("readonly", spec.is_readonly() != self.says("readonly")),
            ("write", spec.is_write() != self.says("write")),
            ("blocking", tells_blocking && spec.is_blocking() != blocking),
            (
                "container",
                !name.contains('|')
                    && self.subcommands.is_some()
                    && spec.is_container() != container,
            ),
            ("keys", keys_differ),
        ]
        .into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(what, _)| format!("{name}: {what}"))
        .collect()
    }
}
