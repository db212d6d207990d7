//! On what they all take for valid, this decoder, `redis-protocol` and the crate `redis` agree.
#![no_main]

use bytes::{Bytes, BytesMut};
use everlink::redis::Value;
use everlink::redis::resp::{Decoder, Reply, ReplyLimits};
use libfuzzer_sys::fuzz_target;
use redis_protocol::resp3::decode::complete::decode_bytes;

/// What both sides can say: the integers, strings and lists in it, in order. Maps and sets of the
/// other crates keep no order, so a reply with one is compared by its length alone.
fn ours(value: &Value, out: &mut Vec<String>) -> bool {
    match value {
        Value::Nil => out.push("nil".to_owned()),
        Value::Int(number) => out.push(number.to_string()),
        Value::Bool(truth) => out.push(truth.to_string()),
        Value::Simple(text) | Value::Bulk(text) => out.push(text.escape_ascii().to_string()),
        Value::Array(items) => {
            out.push(format!("[{}", items.len()));
            return items.iter().all(|item| ours(item, out));
        }
        _ => return false,
    }
    true
}

fn theirs(value: &redis::Value, out: &mut Vec<String>) -> bool {
    match value {
        redis::Value::Nil => out.push("nil".to_owned()),
        redis::Value::Int(number) => out.push(number.to_string()),
        redis::Value::Boolean(truth) => out.push(truth.to_string()),
        redis::Value::BulkString(text) => out.push(text.escape_ascii().to_string()),
        redis::Value::SimpleString(text) => out.push(text.as_bytes().escape_ascii().to_string()),
        redis::Value::Okay => out.push("OK".to_owned()),
        redis::Value::Array(items) => {
            out.push(format!("[{}", items.len()));
            return items.iter().all(|item| theirs(item, out));
        }
        _ => return false,
    }
    true
}

fuzz_target!(|stream: &[u8]| {
    // The other crates decode nested frames recursively without a limit.
    if stream.iter().filter(|byte| b"*~%>|".contains(byte)).count() > 16 || stream.len() > 4096 {
        return;
    }
    let mut buffer = BytesMut::from(stream);
    let reply = match Decoder::new(ReplyLimits::default()).decode(&mut buffer) {
        Ok(Some(Reply::Value(value))) => value,
        _ => return,
    };
    let taken = stream.len() - buffer.len();
    let mut said = Vec::new();
    if !ours(&reply, &mut said) {
        return;
    }
    if let Ok(Some((_, length))) = decode_bytes(&Bytes::copy_from_slice(stream)) {
        assert_eq!(length, taken, "redis-protocol sees another end of the frame");
    }
    if let Ok(value) = redis::parse_redis_value(&stream[..taken]) {
        let mut other = Vec::new();
        if theirs(&value, &mut other) {
            assert_eq!(said, other, "the crate redis reads another reply");
        }
    }
});
