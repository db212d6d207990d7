//! Where the keys of a command are: [`KeyRule`], a list of [`KeySpec`].
//!
//! The rules are the server's own ("Key specifications" in the Redis documentation): an argument
//! from which to look, and how many of the arguments from there on are keys.

use crate::redis::command::builder::Command;
use crate::redis::error::{Error, ErrorKind, Outcome, Result};
use crate::redis::slot::Slot;

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

    /// Whether argument 1 is the only key.
    pub(super) fn is_argument_1(&self) -> bool {
        *self.0 == [KeySpec::range(1, 0, 1)]
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
mod tests;
