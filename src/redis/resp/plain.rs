//! The short way: single replies of the commonest types, decoded without scan and frame.

use bytes::{Buf, Bytes, BytesMut};

use super::decode::Reply;
use super::frame::COPY_MAX;
use super::limits::ReplyLimits;
use super::line::{HEADER_MAX, LINE_MAX, find_crlf, parse_integer, parse_short_header};
use super::small::SmallStrings;
use crate::redis::{ServerError, Value};

/// The replies most commands get, if complete: no scan, no frame, one look at each byte. None
/// for everything else, also for what is wrong: telling how is left to the scan.
#[inline]
pub(super) fn decode_plain(
    buf: &mut BytesMut,
    limits: &ReplyLimits,
    strings: &mut SmallStrings,
) -> Option<Reply> {
    match *buf.first()? {
        b'$' if buf.starts_with(b"$-1\r\n") => Some(take_nil(buf, 5)),
        b'$' => decode_plain_bulk(buf, limits, strings),
        b'_' if buf.starts_with(b"_\r\n") => Some(take_nil(buf, 3)),
        b'+' => {
            if buf.starts_with(b"+OK\r\n") {
                buf.advance(5);
                return Some(Reply::Value(Value::Simple(Bytes::from_static(b"OK"))));
            }
            let line = take_line(buf, limits)?;
            Some(Reply::Value(Value::Simple(line)))
        }
        b':' => {
            let end = find_crlf(&buf[..buf.len().min(HEADER_MAX)], 1)?;
            let number = parse_integer(&buf[1..end])?;
            buf.advance(end + 2);
            Some(Reply::Value(Value::Int(number)))
        }
        b'-' => {
            let line = take_line(buf, limits)?;
            Some(Reply::Error(ServerError::new(line)))
        }
        _ => None,
    }
}

fn take_nil(buf: &mut BytesMut, length: usize) -> Reply {
    buf.advance(length);
    Reply::Value(Value::Nil)
}

#[inline]
fn decode_plain_bulk(
    buf: &mut BytesMut,
    limits: &ReplyLimits,
    strings: &mut SmallStrings,
) -> Option<Reply> {
    let (length, start) = parse_short_header(buf, 0)?;
    let end = start + length;
    if length > limits.bulk_bytes || end + 2 > limits.reply_bytes {
        return None;
    }
    if buf.get(end..end + 2)? != b"\r\n" {
        return None;
    }
    let payload = if length <= COPY_MAX {
        let payload = strings.copy(&buf[start..end]);
        buf.advance(end + 2);
        payload
    } else {
        buf.split_to(end + 2).freeze().slice(start..end)
    };
    Some(Reply::Value(Value::Bulk(payload)))
}

fn take_line(buf: &mut BytesMut, limits: &ReplyLimits) -> Option<Bytes> {
    let end = find_crlf(&buf[..buf.len().min(1 + LINE_MAX + 2)], 1)?;
    if end + 2 > limits.reply_bytes {
        return None;
    }
    let line = Bytes::copy_from_slice(&buf[1..end]);
    buf.advance(end + 2);
    Some(line)
}
