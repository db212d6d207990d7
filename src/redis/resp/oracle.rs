//! The decoder against `redis-protocol` as the oracle, against an encoder of its own, and against
//! replies as servers sent them, cut at every byte.

use bytes::{Bytes, BytesMut};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use redis_protocol::resp3::decode::complete::decode_bytes;
use redis_protocol::resp3::types::{BytesFrame, VerbatimStringFormat};

use super::recorded::{PUSHED, RECORDED};
use super::{Decoder, ProtocolError, Reply, ReplyLimits};
use crate::redis::{ServerError, Value, Verbatim};

/// Forms that no server was recorded to send.
const CONSTRUCTED: &[&[u8]] = &[
    b"-MOVED 12182 127.0.0.1:7002\r\n",
    b"!21\r\nSYNTAX invalid syntax\r\n",
    b"*3\r\n$1\r\na\r\n%1\r\n+k\r\n|1\r\n+a\r\n:1\r\n$-1\r\n*-1\r\n",
];

fn replies() -> impl Iterator<Item = &'static [u8]> {
    let recorded = RECORDED
        .iter()
        .flat_map(|(_, resp2, resp3)| [*resp2, *resp3]);
    recorded
        .chain(PUSHED.iter().copied())
        .chain(CONSTRUCTED.iter().copied())
}

/// Feeds `bytes` in pieces that end at the cuts, and decodes after each.
fn decode_cut(bytes: &[u8], cuts: &[usize]) -> Result<Vec<Reply>, ProtocolError> {
    let mut decoder = Decoder::new(ReplyLimits::default());
    let mut buf = BytesMut::new();
    let mut replies = Vec::new();
    let mut from = 0;
    for cut in cuts.iter().copied().chain([bytes.len()]) {
        buf.extend_from_slice(&bytes[from..cut]);
        from = cut;
        while let Some(reply) = decoder.decode(&mut buf)? {
            replies.push(reply);
        }
    }
    Ok(replies)
}

fn into_value(reply: Reply) -> Value {
    match reply {
        Reply::Value(value) => value,
        Reply::Error(error) => Value::Error(error),
        Reply::Push(items) => Value::Push(items),
    }
}

fn encode_line(out: &mut Vec<u8>, kind: u8, line: impl AsRef<[u8]>) {
    out.push(kind);
    out.extend_from_slice(line.as_ref());
    out.extend_from_slice(b"\r\n");
}

fn encode_blob(out: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    encode_line(out, kind, payload.len().to_string());
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

/// RESP3. Puts an attribute before every value if asked to.
fn encode(out: &mut Vec<u8>, value: &Value, attributes: bool) {
    if attributes {
        out.extend_from_slice(b"|1\r\n+since\r\n*2\r\n:7\r\n$1\r\n\r\r\n");
    }
    let list = |out: &mut Vec<u8>, kind, items: &[Value]| {
        encode_line(out, kind, items.len().to_string());
        for item in items {
            encode(out, item, attributes);
        }
    };
    match value {
        Value::Nil => encode_line(out, b'_', ""),
        Value::Simple(line) => encode_line(out, b'+', line),
        Value::Bulk(payload) => encode_blob(out, b'$', payload),
        Value::Int(number) => encode_line(out, b':', number.to_string()),
        Value::Double(number) => encode_line(out, b',', number.to_string()),
        Value::Bool(true) => encode_line(out, b'#', "t"),
        Value::Bool(false) => encode_line(out, b'#', "f"),
        Value::BigNumber(digits) => encode_line(out, b'(', digits),
        Value::Verbatim(verbatim) => {
            let Verbatim { format, text } = &**verbatim;
            encode_blob(out, b'=', &[format, &b":"[..], text].concat());
        }
        Value::Array(items) => list(out, b'*', items),
        Value::Set(items) => list(out, b'~', items),
        Value::Push(items) => list(out, b'>', items),
        Value::Map(pairs) => {
            encode_line(out, b'%', pairs.len().to_string());
            for (key, value) in pairs {
                encode(out, key, attributes);
                encode(out, value, attributes);
            }
        }
        // Both forms of an error, by its content.
        Value::Error(error) if error.as_bytes().contains(&b'\n') => {
            encode_blob(out, b'!', error.as_bytes());
        }
        Value::Error(error) => encode_line(out, b'-', error.as_bytes()),
    }
}

fn encoded(value: &Value, attributes: bool) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out, value, attributes);
    out
}

fn from_oracle(frame: BytesFrame) -> Value {
    let list = |data: Vec<BytesFrame>| data.into_iter().map(from_oracle).collect();
    match frame {
        BytesFrame::Null => Value::Nil,
        BytesFrame::SimpleString { data, .. } => Value::Simple(data),
        BytesFrame::BlobString { data, .. } => Value::Bulk(data),
        BytesFrame::SimpleError { data, .. } => Value::Error(ServerError::new(data.into_inner())),
        BytesFrame::BlobError { data, .. } => Value::Error(ServerError::new(data)),
        BytesFrame::Number { data, .. } => Value::Int(data),
        BytesFrame::Double { data, .. } => Value::Double(data),
        BytesFrame::Boolean { data, .. } => Value::Bool(data),
        BytesFrame::BigNumber { data, .. } => Value::BigNumber(data),
        BytesFrame::VerbatimString { data, format, .. } => Value::Verbatim(Box::new(Verbatim {
            format: match format {
                VerbatimStringFormat::Text => *b"txt",
                VerbatimStringFormat::Markdown => *b"mkd",
            },
            text: data,
        })),
        BytesFrame::Array { data, .. } => Value::Array(list(data)),
        BytesFrame::Push { data, .. } => Value::Push(list(data)),
        BytesFrame::Set { data, .. } => Value::Set(list(data.into_iter().collect())),
        BytesFrame::Map { data, .. } => Value::Map(
            data.into_iter()
                .map(|(key, value)| (from_oracle(key), from_oracle(value)))
                .collect(),
        ),
        other @ (BytesFrame::Hello { .. } | BytesFrame::ChunkedString(_)) => {
            panic!("no reply: {other:?}")
        }
    }
}

/// The oracle has lost the order of maps and sets.
fn sorted(value: Value) -> Value {
    let each = |items: Vec<Value>| items.into_iter().map(sorted).collect::<Vec<_>>();
    match value {
        Value::Array(items) => Value::Array(each(items)),
        Value::Push(items) => Value::Push(each(items)),
        Value::Set(items) => {
            let mut items = each(items);
            items.sort_by_cached_key(|item| encoded(item, false));
            Value::Set(items)
        }
        Value::Map(pairs) => {
            let mut pairs: Vec<_> = pairs
                .into_iter()
                .map(|(k, v)| (sorted(k), sorted(v)))
                .collect();
            pairs.sort_by_cached_key(|(key, _)| encoded(key, false));
            Value::Map(pairs)
        }
        scalar => scalar,
    }
}

fn any_scalar() -> impl Strategy<Value = Value> {
    let text = |pattern: &'static str| pattern.prop_map(Bytes::from);
    prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>()
            .prop_filter("nan equals nothing", |n| !n.is_nan())
            .prop_map(Value::Double),
        text("[ -~äß]{0,20}").prop_map(Value::Simple),
        vec(any::<u8>(), 0..40).prop_map(|payload| Value::Bulk(payload.into())),
        vec(any::<u8>(), 510..515).prop_map(|payload| Value::Bulk(payload.into())),
        text("[+-]?[0-9]{1,60}").prop_map(Value::BigNumber),
        (
            prop_oneof![Just(*b"txt"), Just(*b"mkd")],
            text("[ -~\r\n]{0,20}")
        )
            .prop_map(|(format, text)| Value::Verbatim(Box::new(Verbatim { format, text }))),
        text("[A-Z]{1,9} [ -~]{0,20}").prop_map(|line| Value::Error(ServerError::new(line))),
        text("[A-Z]{1,9} [ -~]{0,9}\r\n[ -~]{0,9}")
            .prop_map(|line| Value::Error(ServerError::new(line))),
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    any_scalar().prop_recursive(5, 60, 6, |inner| {
        let keys = || "[a-z]{0,8}".prop_map(Bytes::from);
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::Array),
            btree_set(keys(), 0..6)
                .prop_map(|keys| Value::Set(keys.into_iter().map(Value::Bulk).collect())),
            btree_map(keys(), inner, 0..6).prop_map(|pairs| {
                let pairs = pairs.into_iter().rev();
                Value::Map(pairs.map(|(k, v)| (Value::Bulk(k), v)).collect())
            }),
        ]
    })
}

fn any_reply() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => any_value(),
        1 => vec(any_value(), 0..4).prop_map(Value::Push),
    ]
}

#[test]
fn recorded_replies_cut_at_every_byte_decode_as_they_do_whole() {
    for recorded in replies() {
        let whole = decode_cut(recorded, &[]).expect("valid");
        assert_eq!(whole.len(), 1, "{}", recorded.escape_ascii());
        for cut in 1..recorded.len() {
            let halves = decode_cut(recorded, &[cut]).expect("valid");
            assert_eq!(halves, whole, "{} at {cut}", recorded.escape_ascii());
        }
        let each: Vec<usize> = (1..recorded.len()).collect();
        assert_eq!(decode_cut(recorded, &each).expect("valid"), whole);
    }
}

#[test]
fn a_stream_of_recorded_replies_keeps_their_order() {
    let whole: Vec<Reply> = replies()
        .flat_map(|recorded| decode_cut(recorded, &[]).expect("valid"))
        .collect();
    let stream: Vec<u8> = replies().flatten().copied().collect();
    assert_eq!(decode_cut(&stream, &[]).expect("valid"), whole);
    for step in [1, 2, 3, 5, 17] {
        let cuts: Vec<usize> = (step..stream.len()).step_by(step).collect();
        assert_eq!(decode_cut(&stream, &cuts).expect("valid"), whole);
    }
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded_with_its_order(value in any_reply()) {
        let replies = decode_cut(&encoded(&value, false), &[]).expect("valid");
        prop_assert_eq!(replies.len(), 1);
        prop_assert_eq!(into_value(replies[0].clone()), value);
    }

    #[test]
    fn the_oracle_agrees(value in any_reply()) {
        let bytes = Bytes::from(encoded(&value, false));
        let (frame, length) = decode_bytes(&bytes).expect("valid").expect("complete");
        prop_assert_eq!(length, bytes.len());
        let replies = decode_cut(&bytes, &[]).expect("valid");
        let ours = sorted(into_value(replies[0].clone()));
        prop_assert_eq!(ours, sorted(from_oracle(frame)));
    }

    #[test]
    fn attributes_change_nothing(value in any_reply()) {
        let replies = decode_cut(&encoded(&value, true), &[]).expect("valid");
        prop_assert_eq!(replies.len(), 1);
        prop_assert_eq!(into_value(replies[0].clone()), value);
    }

    #[test]
    fn pieces_change_nothing(
        values in vec(any_reply(), 1..4),
        cuts in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let stream: Vec<u8> = values.iter().flat_map(|value| encoded(value, false)).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        cuts.sort_unstable();
        let replies = decode_cut(&stream, &cuts).expect("valid");
        let decoded: Vec<Value> = replies.into_iter().map(into_value).collect();
        prop_assert_eq!(decoded, values);
    }

    #[test]
    fn a_damaged_stream_never_panics_and_ends_the_same_in_pieces(
        values in vec(any_reply(), 1..3),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        step in 1_usize..20,
    ) {
        let mut stream: Vec<u8> = values.iter().flat_map(|value| encoded(value, false)).collect();
        for (at, byte) in damage {
            let at = at.index(stream.len());
            stream[at] = byte;
        }
        let cuts: Vec<usize> = (step..stream.len()).step_by(step).collect();
        let (whole, pieces) = (decode_cut(&stream, &[]), decode_cut(&stream, &cuts));
        // By their text: a nan equals nothing.
        prop_assert_eq!(format!("{:?}", whole), format!("{:?}", pieces));
    }

    #[test]
    fn any_bytes_at_all_never_panic(bytes in "[-+:$*_#,(!=%~>|?;.0-9tf\r\n]{0,80}") {
        let whole = decode_cut(bytes.as_bytes(), &[]);
        let cuts: Vec<usize> = (1..bytes.len()).collect();
        let pieces = decode_cut(bytes.as_bytes(), &cuts);
        prop_assert_eq!(format!("{:?}", whole), format!("{:?}", pieces));
    }
}
