//! The specifications of all commands: [`CommandTable`], built in or as the server tells.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU128;
use std::sync::{Arc, LazyLock};

use crate::redis::command::builder::Command;
use crate::redis::command::builtin::groups;
use crate::redis::command::described::{insert_described, list};
use crate::redis::command::spec::CommandSpec;
use crate::redis::command::unsuitable::refusal;
use crate::redis::error::{Error, Result};
use crate::redis::slot::Slot;
use crate::redis::value::Value;

/// What is known about each command, found by its name in any case. Immutable; share it.
pub struct CommandTable {
    /// Sorted by name.
    entries: Vec<Entry>,
    /// Where the short names are: open addressing, from the hash of a packed name to its entry,
    /// counted from 1; 0 is free. At least half of it is free; its length is a power of two.
    short: Box<[u32]>,
}

struct Entry {
    /// In lower case; that of a subcommand is like `object|encoding`.
    name: Box<str>,
    /// The name as a number, if it is short.
    packed: Option<PackedName>,
    spec: CommandSpec,
}

/// A name of at most 15 bytes, in lower case, as one number: it is compared at once, and nearly
/// every command has one. The byte 1 before the first tells the length.
#[derive(Clone, Copy, PartialEq, Eq)]
struct PackedName(NonZeroU128);

impl PackedName {
    #[inline]
    fn new(name: &[u8]) -> Option<Self> {
        if name.len() > 15 {
            return None;
        }
        let shifted = name.iter().fold(1, |packed, byte| {
            packed << 8 | u128::from(byte.to_ascii_lowercase())
        });
        NonZeroU128::new(shifted).map(Self)
    }

    /// Where to look for it first, in an index of this length, a power of two.
    #[inline]
    fn place(self, places: usize) -> usize {
        let folded = self.0.get() as u64 ^ (self.0.get() >> 64) as u64;
        // The multiplier of Fibonacci hashing; its upper bits depend on all of `folded`.
        let hash = folded.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (hash >> 32) as usize & (places - 1)
    }
}

impl CommandTable {
    /// The commands known without asking a server.
    pub fn builtin() -> Arc<Self> {
        static BUILTIN: LazyLock<Arc<CommandTable>> = LazyLock::new(|| {
            let mut specs = BTreeMap::new();
            for (flags, keys, names) in groups() {
                for name in names.split_ascii_whitespace() {
                    let refusal = refusal(name, flags.blocking);
                    let spec = CommandSpec::new(flags, keys.clone(), refusal);
                    specs.insert(name.into(), spec);
                }
            }
            Arc::new(CommandTable::new(specs))
        });
        Arc::clone(&BUILTIN)
    }

    /// What a server answered to `COMMAND`, over what is built in.
    ///
    /// For RESP2 and RESP3, Redis and Valkey from 6.2 on. Where a server says only that keys
    /// cannot be found by position, the built-in rule is used. Entries that make no sense are
    /// passed over.
    ///
    /// # Errors
    /// If the reply is not a list of commands.
    pub fn from_reply(reply: &Value) -> Result<Self> {
        let builtin = Self::builtin();
        let find = |name: &str| builtin.find_any(name.as_bytes(), None);
        let known = builtin.entries.iter();
        let mut specs: BTreeMap<_, _> = known
            .map(|entry| (entry.name.clone(), entry.spec.clone()))
            .collect();
        let described = list(reply)
            .ok_or_else(|| Error::conversion("the reply to COMMAND", reply.kind()))?
            .iter()
            .filter(|entry| insert_described(entry, &find, &mut specs).is_some())
            .count();
        if described == 0 {
            return Err(Error::conversion(
                "the reply to COMMAND",
                "no command in it",
            ));
        }
        Ok(Self::new(specs))
    }

    fn new(specs: BTreeMap<Box<str>, CommandSpec>) -> Self {
        let entries: Vec<_> = specs
            .into_iter()
            .map(|(name, spec)| Entry {
                packed: PackedName::new(name.as_bytes()),
                name,
                spec,
            })
            .collect();
        let places = (entries.len() * 2).next_power_of_two();
        let mut short = vec![0u32; places].into_boxed_slice();
        for (number, entry) in (1..).zip(&entries) {
            let Some(packed) = entry.packed else {
                continue;
            };
            let mut at = packed.place(places);
            while short[at] != 0 {
                at = (at + 1) & (places - 1);
            }
            short[at] = number;
        }
        Self { entries, short }
    }

    /// What is known about a command; of one with subcommands, about the subcommand if that is
    /// known. None for an unknown command.
    ///
    /// Nothing is allocated: this is asked once for each command that is sent.
    #[inline]
    pub fn find(&self, command: &Command) -> Option<&CommandSpec> {
        let name = command.name_bytes();
        let spec = match PackedName::new(name) {
            Some(packed) => self.find_short(packed)?,
            None => self.find_any(name, None)?,
        };
        if !spec.is_container() {
            return Some(spec);
        }
        command
            .arg_at(1)
            .and_then(|subcommand| self.find_any(name, Some(subcommand)))
            .or(Some(spec))
    }

    /// The slot that a command must go to; none if any node will do.
    ///
    /// [`Command::route_by`] comes first. Then the keys decide. An unknown command goes by its
    /// first argument, if it has one: that is where most commands have their key, and if it is
    /// wrong, the server redirects.
    ///
    /// # Errors
    /// [`ErrorKind::CrossSlot`](crate::redis::ErrorKind::CrossSlot) if its keys are in different
    /// slots.
    pub fn slot(&self, command: &Command) -> Result<Option<Slot>> {
        Self::slot_with(self.find(command), command)
    }

    /// The same as [`CommandTable::slot`], for a caller that has already looked the command up.
    ///
    /// # Errors
    /// As above.
    #[inline]
    pub fn slot_with(spec: Option<&CommandSpec>, command: &Command) -> Result<Option<Slot>> {
        if let Some(slot) = command.own_route() {
            return Ok(Some(slot));
        }
        match spec {
            Some(spec) => spec.slot(command),
            None => Ok(command.arg_at(1).map(Slot::of)),
        }
    }

    /// All commands with their specifications, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &CommandSpec)> {
        self.entries.iter().map(|entry| (&*entry.name, &entry.spec))
    }

    #[inline]
    fn find_short(&self, name: PackedName) -> Option<&CommandSpec> {
        let mut at = name.place(self.short.len());
        loop {
            let number = self.short[at].checked_sub(1)?;
            let entry = &self.entries[number as usize];
            if entry.packed == Some(name) {
                return Some(&entry.spec);
            }
            at = (at + 1) & (self.short.len() - 1);
        }
    }

    fn find_any(&self, name: &[u8], subcommand: Option<&[u8]>) -> Option<&CommandSpec> {
        let parts = match subcommand {
            Some(subcommand) => [name, b"|", subcommand],
            None => [name, b"", b""],
        };
        let wanted = parts.into_iter().flatten().map(u8::to_ascii_lowercase);
        let compare = |entry: &Entry| entry.name.bytes().cmp(wanted.clone());
        let at = self.entries.binary_search_by(compare).ok()?;
        Some(&self.entries[at].spec)
    }
}

impl fmt::Debug for CommandTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommandTable({} commands)", self.entries.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::command::cmd;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn word(text: &str) -> Value {
        Value::Bulk(Bytes::copy_from_slice(text.as_bytes()))
    }

    fn described(name: &str, flags: &[&str], positions: [i64; 3]) -> Vec<Value> {
        let flags = flags.iter().copied().map(word).collect();
        let mut fields = vec![word(name), Value::Int(-2), Value::Set(flags)];
        fields.extend(positions.map(Value::Int));
        fields
    }

    fn table(entries: Vec<Vec<Value>>) -> CommandTable {
        let reply = Value::Array(entries.into_iter().map(Value::Array).collect());
        CommandTable::from_reply(&reply).expect("a list of commands")
    }

    fn positions(table: &CommandTable, line: &str) -> Vec<usize> {
        let command = cmd(line);
        let spec = table.find(&command).expect(line);
        spec.keys().positions(&command).collect()
    }

    #[test]
    fn finds_each_command_by_its_name() {
        let table = CommandTable::builtin();
        for (name, spec) in table.iter() {
            let found = table.find(&cmd(&name.replace('|', " "))).expect(name);
            assert!(std::ptr::eq(found, spec), "{name}");
        }
        assert!(table.find(&cmd("NOSUCH")).is_none());
        assert!(table.find(&cmd(&"GET".repeat(50))).is_none());
    }

    #[test]
    fn knows_a_container_where_the_subcommand_is_unknown() {
        let table = CommandTable::builtin();
        for line in ["OBJECT", "OBJECT NEW key", "CLIENT LISTS"] {
            assert!(table.find(&cmd(line)).expect(line).is_container(), "{line}");
        }
        assert_eq!(positions(&table, "object Encoding k"), [2]);
    }

    #[test]
    fn routes_by_keys_unless_told_otherwise() {
        let table = CommandTable::builtin();
        let slot = |command: Command| table.slot(&command).expect("one slot");
        assert_eq!(slot(cmd("GET").arg("k")), Some(Slot::of(b"k")));
        assert_eq!(slot(cmd("PING").arg("k")), None);
        assert_eq!(slot(cmd("FT.NEW").arg("k")), Some(Slot::of(b"k")));
        assert_eq!(slot(cmd("FT.NEW")), None);
        assert_eq!(slot(cmd("PING").route_by("k")), Some(Slot::of(b"k")));
        assert_eq!(slot(cmd("DEL a b").route_by("k")), Some(Slot::of(b"k")));
        assert!(table.slot(&cmd("DEL a b")).is_err());
    }

    #[test]
    fn a_server_without_key_specifications_is_taken_by_position() {
        let table = table(vec![
            described("MOD.MSET", &["write"], [1, -1, 2]),
            described("mod.two", &["readonly"], [2, 3, 1]),
            described("mod.movable", &["write", "movablekeys"], [0, 0, 0]),
            described("mod.none", &["write"], [0, 0, 0]),
            described("eval", &["noscript", "movablekeys"], [0, 0, 0]),
            described("object", &["readonly"], [2, 2, 1]),
            described("blpop", &["write", "noscript"], [1, -2, 1]),
        ]);
        assert_eq!(positions(&table, "mod.mset a 1 b 2"), [1, 3]);
        assert_eq!(positions(&table, "MOD.TWO x a b y"), [2, 3]);
        assert_eq!(positions(&table, "mod.movable a b"), [1]);
        assert_eq!(positions(&table, "mod.none a b"), [0; 0]);
        assert_eq!(positions(&table, "EVAL s 1 a b"), [3]);
        assert_eq!(positions(&table, "OBJECT FREQ a"), [2]);
        let blpop = table.find(&cmd("BLPOP a 0")).expect("known");
        assert!(blpop.is_blocking() && blpop.is_write());
    }

    #[test]
    fn refuses_what_is_not_a_list_of_commands() {
        for reply in [
            Value::Nil,
            Value::Array(vec![]),
            Value::Array(vec![Value::Nil]),
        ] {
            assert!(CommandTable::from_reply(&reply).is_err(), "{reply:?}");
        }
    }

    proptest! {
        #[test]
        fn the_case_of_a_name_does_not_matter(at in any::<prop::sample::Index>(), upper in any::<u64>()) {
            let table = CommandTable::builtin();
            let entries: Vec<_> = table.iter().collect();
            let (name, spec) = entries[at.index(entries.len())];
            let mixed: String = name.chars().enumerate().map(|(at, letter)| match letter {
                '|' => ' ',
                _ if upper >> at & 1 == 1 => letter.to_ascii_uppercase(),
                _ => letter,
            }).collect();
            prop_assert_eq!(table.find(&cmd(&mixed)), Some(spec));
        }
    }
}
