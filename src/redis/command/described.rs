//! Commands as a server describes them: the entries of the reply to `COMMAND`.

use std::collections::BTreeMap;

use crate::redis::command::keys::{Begin, KeyRule, KeySpec};
use crate::redis::command::spec::{CommandSpec, Flags};
use crate::redis::command::unsuitable::refusal;
use crate::redis::value::Value;

/// Takes over one entry of the reply: name, arity, flags, first key, last key, step, categories;
/// since Redis 7.0 also tips, key specifications and subcommands. `builtin` is what was known before.
pub(super) fn insert_described<'a>(
    entry: &Value,
    builtin: &dyn Fn(&str) -> Option<&'a CommandSpec>,
    specs: &mut BTreeMap<Box<str>, CommandSpec>,
) -> Option<()> {
    let fields = list(entry)?;
    let name = text(fields.first()?)?.to_ascii_lowercase();
    let words = list(fields.get(2)?)?;
    let says = |flag: &str| words.iter().any(|word| text(word) == Some(flag));
    let subcommands = fields.get(9).and_then(list).unwrap_or_default();
    let known = builtin(&name);

    // Before Redis 7.0, subcommands were not described: what is built in knows more.
    if subcommands.is_empty() && known.is_some_and(CommandSpec::is_container) {
        return Some(());
    }
    let flags = Flags {
        readonly: says("readonly"),
        write: says("write"),
        // Before Redis 7.0, this was not told.
        blocking: says("blocking") || known.is_some_and(CommandSpec::is_blocking),
        pubsub: says("pubsub"),
        container: !subcommands.is_empty(),
    };
    let keys = described_keys(fields, says("movablekeys"), known);
    let refusal = refusal(&name, flags.blocking);
    specs.insert(name.into(), CommandSpec::new(flags, keys, refusal));
    for subcommand in subcommands {
        insert_described(subcommand, builtin, specs);
    }
    Some(())
}

fn described_keys(fields: &[Value], movable: bool, known: Option<&CommandSpec>) -> KeyRule {
    let described = fields.get(8).and_then(list).unwrap_or_default();
    let specs: Vec<_> = described.iter().filter_map(key_spec).collect();
    let complete = specs.len() == described.len() && !(movable && specs.is_empty());
    if complete && !specs.is_empty() {
        return KeyRule::from(specs);
    }
    if !complete && let Some(known) = known {
        return known.keys().clone();
    }
    if !specs.is_empty() {
        return KeyRule::from(specs);
    }
    match by_position(fields) {
        Some(spec) => KeyRule::from(vec![spec]),
        // As for an unknown command.
        None if movable => KeyRule::from(vec![KeySpec::range(1, 0, 1)]),
        None => KeyRule::none(),
    }
}

/// First key, last key and step, as all versions tell them; none if there is no first key.
fn by_position(fields: &[Value]) -> Option<KeySpec> {
    let first = small::<u16>(fields.get(3)?).filter(|first| *first > 0)?;
    let last = small::<i16>(fields.get(4)?)?;
    let last = match last {
        0.. => last.checked_sub_unsigned(first)?,
        _ => last,
    };
    Some(KeySpec::range(first, last, small(fields.get(5)?)?))
}

/// One key specification; none if it is incomplete or of an unknown type.
fn key_spec(described: &Value) -> Option<KeySpec> {
    let flags = field(described, "flags").and_then(list).unwrap_or_default();
    if flags.iter().any(|flag| text(flag) == Some("incomplete")) {
        return None;
    }
    let search = field(described, "begin_search")?;
    let from = field(search, "spec")?;
    let begin = match text(field(search, "type")?)? {
        "index" => Begin::At(small(field(from, "index")?).filter(|index| *index > 0)?),
        "keyword" => Begin::After {
            word: text(field(from, "keyword")?)?.into(),
            from: small(field(from, "startfrom")?)?,
        },
        _ => return None,
    };
    let find = field(described, "find_keys")?;
    let keys = field(find, "spec")?;
    match text(field(find, "type")?)? {
        "range" => Some(KeySpec::Range {
            begin,
            last: small(field(keys, "lastkey")?)?,
            step: small(field(keys, "keystep")?)?,
            limit: small(field(keys, "limit")?)?,
        }),
        "keynum" => Some(KeySpec::Counted {
            begin,
            count_at: small(field(keys, "keynumidx")?)?,
            first: small(field(keys, "firstkey")?)?,
            step: small(field(keys, "keystep")?)?,
        }),
        _ => None,
    }
}

pub(super) fn list(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(items) | Value::Set(items) => Some(items),
        _ => None,
    }
}

/// A field of a map: RESP3, or RESP2 in the form of a flat array.
fn field<'a>(map: &'a Value, name: &str) -> Option<&'a Value> {
    match map {
        Value::Map(pairs) => pairs
            .iter()
            .find_map(|(key, value)| (text(key) == Some(name)).then_some(value)),
        _ => list(map)?
            .chunks_exact(2)
            .find_map(|pair| (text(&pair[0]) == Some(name)).then_some(&pair[1])),
    }
}

fn text(value: &Value) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()?).ok()
}

fn small<T: TryFrom<i64>>(value: &Value) -> Option<T> {
    match value {
        Value::Int(number) => T::try_from(*number).ok(),
        _ => None,
    }
}
