//! What is known about a command before it is sent: [`CommandSpec`], and where its keys are:
//! [`KeyRule`], a list of [`KeySpec`].
//!
//! The rules are the server's own ("Key specifications" in the Redis documentation): an argument
//! from which to look, and how many of the arguments from there on are keys.

use crate::redis::command::builder::Command;
use crate::redis::error::{Error, ErrorKind, Outcome, Result};
use crate::redis::slot::Slot;

/// What a command does, and where its keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandSpec {
    flags: Flags,
    keys: KeyRule,
    /// Argument 1 is its only key: true of most commands, and then nothing else is looked at.
    one_key: bool,
    refusal: Option<Refusal>,
}

impl CommandSpec {
    pub(super) fn new(flags: Flags, keys: KeyRule, refusal: Option<Refusal>) -> Self {
        Self {
            flags,
            one_key: *keys.0 == [KeySpec::range(1, 0, 1)],
            keys,
            refusal,
        }
    }

    /// It changes nothing: it may be sent again, and to a replica.
    pub fn is_readonly(&self) -> bool {
        self.flags.readonly
    }

    /// It may change data. Some commands are neither: `PING`, and `EVAL`, of which nobody knows.
    pub fn is_write(&self) -> bool {
        self.flags.write
    }

    /// It may wait at the server for something to happen.
    pub fn is_blocking(&self) -> bool {
        self.flags.blocking
    }

    /// It belongs to publish and subscribe.
    pub fn is_pubsub(&self) -> bool {
        self.flags.pubsub
    }

    /// It has subcommands, which have specifications of their own.
    pub fn is_container(&self) -> bool {
        self.flags.container
    }

    /// Where its keys are.
    pub fn keys(&self) -> &KeyRule {
        &self.keys
    }

    /// The slot of the keys of `command`; none if it has no key.
    ///
    /// # Errors
    /// [`ErrorKind::CrossSlot`] if its keys are in different slots: every cluster would refuse it.
    pub fn slot(&self, command: &Command) -> Result<Option<Slot>> {
        if self.one_key {
            return Ok(command.arg_at(1).map(Slot::of));
        }
        self.keys.slot(command)
    }

    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }
}

/// What a command does, as the server's flags of the same names say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Flags {
    pub(super) readonly: bool,
    pub(super) write: bool,
    pub(super) blocking: bool,
    pub(super) pubsub: bool,
    /// It has subcommands.
    pub(super) container: bool,
}

/// Why a command must not be sent on a shared connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Subscription,
    Monitor,
    Replication,
    Transaction,
    Database,
    Credentials,
    Closing,
    ReplyMode,
    Tracking,
    ClientName,
    ClientMode,
    ReplicaReads,
    Redirects,
    Debugger,
    Blocking,
    /// Blocking only with the option `BLOCK`.
    BlockOption,
}

/// Where the keys of a command are: its [`KeySpec`]s. None for a command without keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRule(Box<[KeySpec]>);

/// One way to find keys in the arguments of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySpec {
    /// Every `step`th argument from the begin to `last`.
    Range {
        /// The first key.
        begin: Begin,
        /// The last key: counted from the first if not negative; else from the end, -1 being the
        /// last argument.
        last: i16,
        /// From one key to the next.
        step: u16,
        /// With a `last` of -1: only one in so many of the arguments left is a key, those in
        /// front. 0 and 1 mean all. `XREAD` has 2: first the keys, then as many identifiers.
        limit: u16,
    },
    /// As many keys as an argument says.
    Counted {
        /// From where `count_at` and `first` are counted.
        begin: Begin,
        /// The argument that is the number of keys.
        count_at: u16,
        /// The first key.
        first: u16,
        /// From one key to the next.
        step: u16,
    },
    /// `SORT`: what follows the last `STORE` that is not the value of another option.
    SortStore,
    /// `MIGRATE`: argument 3, or if that is empty all that follows `KEYS`.
    Migrate,
}

/// Where to begin to look for keys.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Begin {
    /// At this argument; the name is argument 0.
    At(u16),
    /// After this word, in any case.
    After {
        /// The word.
        word: Box<str>,
        /// The first argument to compare with it, looking forward; or if negative, counted from
        /// the end and looking backward.
        from: i16,
    },
}

/// Keys at `first`, `first + step`, … up to `last` at most.
#[derive(Debug, Clone, Copy)]
struct Span {
    first: usize,
    last: usize,
    step: usize,
}

impl KeyRule {
    pub(super) fn none() -> Self {
        Self(Box::default())
    }

    /// Whether commands with this rule never have a key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Which arguments of `command` are keys; the name is argument 0. Nothing is allocated. Where
    /// arguments are missing or make no sense, there are no keys: the server will refuse them.
    pub fn positions<'a>(&'a self, command: &'a Command) -> impl Iterator<Item = usize> + 'a {
        self.spans(command)
            .flat_map(|span| (span.first..=span.last).step_by(span.step))
    }

    /// The keys of `command`. Nothing is allocated.
    pub fn keys<'a>(&'a self, command: &'a Command) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.spans(command).flat_map(|span| {
            let from_first = command.args().skip(span.first);
            from_first
                .take(span.last - span.first + 1)
                .step_by(span.step)
        })
    }

    /// The slot of the keys of `command`; none if it has no key.
    ///
    /// # Errors
    /// [`ErrorKind::CrossSlot`] if its keys are in different slots.
    pub fn slot(&self, command: &Command) -> Result<Option<Slot>> {
        let mut slots = self.keys(command).map(Slot::of);
        let Some(first) = slots.next() else {
            return Ok(None);
        };
        if slots.all(|slot| slot == first) {
            Ok(Some(first))
        } else {
            Err(Error::new(ErrorKind::CrossSlot, Outcome::NotSent).of(command.name()))
        }
    }

    fn spans<'a>(&'a self, command: &'a Command) -> impl Iterator<Item = Span> + 'a {
        self.0.iter().filter_map(|spec| spec.span(command))
    }
}

impl From<Vec<KeySpec>> for KeyRule {
    fn from(specs: Vec<KeySpec>) -> Self {
        Self(specs.into())
    }
}

impl KeySpec {
    pub(super) fn range(first: u16, last: i16, step: u16) -> Self {
        Self::Range {
            begin: Begin::At(first),
            last,
            step,
            limit: 0,
        }
    }

    /// As many keys as argument `count_at` says, right after it.
    pub(super) fn counted(count_at: u16) -> Self {
        Self::counted_by(count_at, 1)
    }

    /// The same, with other arguments between the keys.
    pub(super) fn counted_by(count_at: u16, step: u16) -> Self {
        Self::Counted {
            begin: Begin::At(count_at),
            count_at: 0,
            first: 1,
            step,
        }
    }

    /// From what follows `word` on.
    pub(super) fn after(word: &'static str, from: i16, last: i16, limit: u16) -> Self {
        let word = word.into();
        Self::Range {
            begin: Begin::After { word, from },
            last,
            step: 1,
            limit,
        }
    }

    fn span(&self, command: &Command) -> Option<Span> {
        let count = command.arg_count();
        let span = match self {
            Self::Range {
                begin,
                last,
                step,
                limit,
            } => {
                let first = begin.find(command)?;
                let left = count.checked_sub(first)?;
                let from_end = usize::from(last.unsigned_abs());
                let last = if *last >= 0 {
                    first + from_end
                } else {
                    let counted = left / usize::from((*limit).max(1));
                    (first + counted).checked_sub(from_end)?
                };
                Span {
                    first,
                    last,
                    step: usize::from(*step),
                }
            }
            Self::Counted {
                begin,
                count_at,
                first,
                step,
            } => {
                let begin = begin.find(command)?;
                let keys = number(command.arg_at(begin + usize::from(*count_at))?)?;
                let first = begin + usize::from(*first);
                let step = usize::from(*step);
                let last = keys.checked_sub(1)?.checked_mul(step)?.checked_add(first)?;
                Span { first, last, step }
            }
            Self::SortStore => Span::one(sort_store(command)?),
            Self::Migrate => migrate_keys(command)?,
        };
        let sound = span.first <= span.last && span.last < count && span.step > 0;
        sound.then_some(span)
    }
}

impl Begin {
    fn find(&self, command: &Command) -> Option<usize> {
        let (word, from) = match self {
            Self::At(index) => return Some(usize::from(*index)),
            Self::After { word, from } => (word.as_bytes(), *from),
        };
        let is_word = |arg: &[u8]| arg.eq_ignore_ascii_case(word);
        let distance = usize::from(from.unsigned_abs());
        let at = if from >= 0 {
            distance + command.args().skip(distance).position(is_word)?
        } else {
            let start = command.arg_count().checked_sub(distance)?;
            let mut found = None;
            for (index, arg) in command.args().enumerate().take(start + 1).skip(1) {
                if is_word(arg) {
                    found = Some(index);
                }
            }
            found?
        };
        Some(at + 1)
    }
}

impl Span {
    fn one(index: usize) -> Self {
        Self {
            first: index,
            last: index,
            step: 1,
        }
    }
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// What follows the option `name`, looking from argument `from` on and passing over the values of
/// `others`.
fn after_option(
    command: &Command,
    from: usize,
    name: &str,
    others: &[(&str, usize)],
) -> Option<usize> {
    let is = |arg: &[u8], option: &str| arg.eq_ignore_ascii_case(option.as_bytes());
    let mut args = command.args().enumerate().skip(from);
    while let Some((index, arg)) = args.next() {
        if is(arg, name) && index + 1 < command.arg_count() {
            return Some(index + 1);
        }
        if let Some((_, values)) = others.iter().find(|(other, _)| is(arg, other)) {
            args.nth(values - 1);
        }
    }
    None
}

fn sort_store(command: &Command) -> Option<usize> {
    let others = [("LIMIT", 2), ("GET", 1), ("BY", 1)];
    let next = |from: usize| after_option(command, from, "STORE", &others);
    let first = next(2)?;
    std::iter::successors(Some(first), |at| next(at + 1)).last()
}

fn migrate_keys(command: &Command) -> Option<Span> {
    if !command.arg_at(3)?.is_empty() {
        return Some(Span::one(3));
    }
    let others = [("AUTH", 1), ("AUTH2", 2)];
    Some(Span {
        first: after_option(command, 6, "KEYS", &others)?,
        last: command.arg_count() - 1,
        step: 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::command::cmd;
    use proptest::prelude::*;

    fn positions(spec: KeySpec, line: &str) -> Vec<usize> {
        let words: Vec<_> = line.split(' ').map(|word| word.trim_matches('_')).collect();
        let command = cmd(words[0]).arg(&words[1..]);
        KeyRule::from(vec![spec]).positions(&command).collect()
    }

    #[test]
    fn finds_the_keys_of_a_range() {
        assert_eq!(positions(KeySpec::range(1, 0, 1), "GET a"), [1]);
        assert_eq!(positions(KeySpec::range(1, -1, 1), "DEL a b c"), [1, 2, 3]);
        assert_eq!(positions(KeySpec::range(1, -1, 2), "MSET a 1 b 2"), [1, 3]);
        assert_eq!(positions(KeySpec::range(1, -2, 1), "BLPOP a b 0"), [1, 2]);
        assert_eq!(positions(KeySpec::range(1, 1, 1), "LCS a b LEN"), [1, 2]);
    }

    #[test]
    fn finds_counted_keys() {
        assert_eq!(positions(KeySpec::counted(2), "EVAL s 2 a b x"), [3, 4]);
        for none in [
            "EVAL s 0 a",
            "EVAL s 3 a b",
            "EVAL s x a",
            "EVAL s",
            "EVAL s 99999999999999999999 a",
        ] {
            assert_eq!(positions(KeySpec::counted(2), none), [0; 0], "{none}");
        }
    }

    #[test]
    fn finds_keys_after_a_word() {
        let streams = || KeySpec::after("STREAMS", 1, -1, 2);
        assert_eq!(
            positions(streams(), "XREAD COUNT 1 streams a b 0 0"),
            [4, 5]
        );
        assert_eq!(positions(streams(), "XREAD COUNT 1 STREAMS"), [0; 0]);
        let backward = KeySpec::after("KEYS", -2, -1, 0);
        assert_eq!(positions(backward, "X a keys b"), [3]);
    }

    #[test]
    fn finds_where_sort_stores() {
        let line = "SORT a BY STORE LIMIT 0 1 GET STORE store b STORE c";
        assert_eq!(positions(KeySpec::SortStore, line), [12]);
        assert_eq!(positions(KeySpec::SortStore, "SORT a STORE"), [0; 0]);
    }

    #[test]
    fn finds_what_migrate_moves() {
        assert_eq!(positions(KeySpec::Migrate, "MIGRATE h 1 a 0 5"), [3]);
        assert_eq!(
            positions(KeySpec::Migrate, "MIGRATE h 1 __ 0 5 AUTH keys KEYS a b"),
            [9, 10]
        );
        assert_eq!(
            positions(KeySpec::Migrate, "MIGRATE h 1 __ 0 5 KEYS"),
            [0; 0]
        );
    }

    #[test]
    fn refuses_keys_in_different_slots() {
        let spec = CommandSpec::new(
            Flags::default(),
            KeyRule::from(vec![KeySpec::range(1, -1, 1)]),
            None,
        );
        let same = spec
            .slot(&cmd("DEL").arg(["{a}1", "{a}2"]))
            .expect("one slot");
        assert_eq!(same, Some(Slot::of(b"a")));
        assert_eq!(spec.slot(&cmd("DEL")).expect("no key"), None);
        let error = spec
            .slot(&cmd("DEL").arg(["a", "b"]))
            .expect_err("two slots");
        assert!(matches!(error.kind(), ErrorKind::CrossSlot));
        assert_eq!(error.outcome(), Outcome::NotSent);
        assert_eq!(error.command(), Some("DEL"));
    }

    proptest! {
        #[test]
        fn whatever_the_rule_keys_are_arguments_after_the_name(
            words in proptest::collection::vec("[0-9]|KEYS|STORE|", 0..9),
            begin in prop_oneof![
                (1u16..9).prop_map(Begin::At),
                (-9i16..9).prop_map(|from| Begin::After { word: "KEYS".into(), from }),
            ],
            last in any::<i16>(), step in 0u16..3, limit in 0u16..3,
            count_at in 0u16..3, first in 1u16..3,
        ) {
            let command = cmd("X").arg(words);
            let rule = KeyRule::from(vec![
                KeySpec::Range { begin: begin.clone(), last, step, limit },
                KeySpec::Counted { begin, count_at, first, step },
                KeySpec::SortStore,
                KeySpec::Migrate,
            ]);
            let positions: Vec<_> = rule.positions(&command).collect();
            prop_assert!(positions.iter().all(|at| (1..command.arg_count()).contains(at)));
            let by_position = positions.iter().filter_map(|at| command.arg_at(*at));
            prop_assert!(rule.keys(&command).eq(by_position));
        }
    }
}
