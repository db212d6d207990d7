//! The elements most replies are made of: [`take_plain`].

use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};

use super::line::{HEADER_MAX, LINE_MAX, find_crlf, parse_integer, parse_short_header};
use super::small::{SMALL_MAX, SmallStrings};
use crate::redis::{ServerError, Value};

/// Strings up to this size are copied: a small value that somebody keeps must not keep a whole
/// read buffer alive. Larger ones share the buffer they were read into.
pub(super) const COPY_MAX: usize = 512;

/// How many more bytes the limits let an element have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// If it is a string, its payload.
    pub(super) string: usize,
    /// All of it.
    pub(super) reply: usize,
}

/// Takes the element the buffer begins with, if all of it is there and it is of a common type: one
/// look at each byte. None for everything else, also for what is wrong: telling how is left to
/// [`Elements`](super::element::Elements).
#[inline]
pub(super) fn take_plain(
    buf: &mut BytesMut,
    room: Room,
    strings: &mut SmallStrings,
) -> Option<Value> {
    match *buf.first()? {
        b'$' if buf.starts_with(b"$-1\r\n") => take_constant(buf, 5, room, strings, Value::Nil),
        b'$' => {
            let (length, begin) = parse_short_header(buf, 0)?;
            let (end, total) = (begin + length, begin + length + 2);
            if length > room.string || total > room.reply || buf.get(end..total)? != b"\r\n" {
                return None;
            }
            Some(Value::Bulk(take(buf, begin..end, total, strings)))
        }
        b'_' if buf.starts_with(b"_\r\n") => take_constant(buf, 3, room, strings, Value::Nil),
        b':' => {
            let end = find_crlf(&buf[..buf.len().min(HEADER_MAX)], 1)?;
            let number = parse_integer(&buf[1..end])?;
            take_constant(buf, end + 2, room, strings, Value::Int(number))
        }
        b'+' if buf.starts_with(b"+OK\r\n") => take_constant(
            buf,
            5,
            room,
            strings,
            Value::Simple(Bytes::from_static(b"OK")),
        ),
        b'+' => take_plain_line(buf, room, strings).map(Value::Simple),
        b'-' => {
            take_plain_line(buf, room, strings).map(|line| Value::Error(ServerError::new(line)))
        }
        _ => None,
    }
}

/// Takes `total` bytes off the buffer, and keeps a part of them.
#[inline]
pub(super) fn take(
    buf: &mut BytesMut,
    part: Range<usize>,
    total: usize,
    strings: &mut SmallStrings,
) -> Bytes {
    if part.len() > SMALL_MAX {
        return take_long(buf, part, total, strings);
    }
    let at = strings.keep(buf, part);
    pass(buf, total, strings);
    strings.kept(at)
}

fn take_long(
    buf: &mut BytesMut,
    part: Range<usize>,
    total: usize,
    strings: &mut SmallStrings,
) -> Bytes {
    if part.len() > COPY_MAX {
        strings.passed(total);
        return buf.split_to(total).freeze().slice(part);
    }
    let copy = Bytes::copy_from_slice(&buf[part]);
    pass(buf, total, strings);
    copy
}

#[inline]
pub(super) fn pass(buf: &mut BytesMut, bytes: usize, strings: &mut SmallStrings) {
    buf.advance(bytes);
    strings.passed(bytes);
}

#[inline]
fn take_constant(
    buf: &mut BytesMut,
    total: usize,
    room: Room,
    strings: &mut SmallStrings,
    value: Value,
) -> Option<Value> {
    if total > room.reply {
        return None;
    }
    pass(buf, total, strings);
    Some(value)
}

fn take_plain_line(buf: &mut BytesMut, room: Room, strings: &mut SmallStrings) -> Option<Bytes> {
    let end = find_crlf(&buf[..buf.len().min(1 + LINE_MAX + 2)], 1)?;
    (end + 2 <= room.reply).then(|| take_line(buf, end, strings))
}

/// Takes the line that ends there, with its type and its CRLF, and keeps its text.
///
/// Lines come rarely and have memory of their own: a block for the answer to a health check would be
/// held until the next one.
pub(super) fn take_line(buf: &mut BytesMut, end: usize, strings: &mut SmallStrings) -> Bytes {
    let line = match &buf[1..end] {
        b"OK" => Bytes::from_static(b"OK"),
        // What every command of a transaction answers with.
        b"QUEUED" => Bytes::from_static(b"QUEUED"),
        line => Bytes::copy_from_slice(line),
    };
    pass(buf, end + 2, strings);
    line
}
