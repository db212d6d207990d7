//! The general way: a complete frame of any type becomes a [`Value`].

use bytes::Bytes;

use super::error::ProtocolError;
use super::foreign;
use super::line::{find_crlf, parse_double, parse_integer, parse_length, parse_short_header};
use super::small::SmallStrings;
use crate::redis::{ServerError, Value};

/// Strings up to this size are copied: a small value that somebody keeps must not keep a whole
/// read buffer alive. Larger ones share the buffer they were read into.
pub(super) const COPY_MAX: usize = 512;

/// The value of a frame that the scanner found to be complete and within the limits.
pub(super) fn decode_frame(
    frame: &Bytes,
    strings: &mut SmallStrings,
) -> Result<Value, ProtocolError> {
    let at = 0;
    let mut cursor = Cursor { frame, strings, at };
    cursor.value()
}

struct Cursor<'a> {
    frame: &'a Bytes,
    strings: &'a mut SmallStrings,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The next value. Calls itself once for each level, of which the scanner let pass a few.
    fn value(&mut self) -> Result<Value, ProtocolError> {
        loop {
            let frame: &'a [u8] = self.frame;
            let begin = self.at;
            if let Some(payload) = self.short_bulk() {
                return Ok(Value::Bulk(payload));
            }
            let end = find_crlf(frame, begin + 1).ok_or(ProtocolError::MissingLineEnd)?;
            let (kind, line) = (frame[begin], &frame[begin + 1..end]);
            self.at = end + 2;
            let invalid = ProtocolError::InvalidContent(kind);
            return Ok(match kind {
                b'$' => match parse_length(kind, line)? {
                    Some(length) => Value::Bulk(self.payload(length)?),
                    None => Value::Nil,
                },
                b':' => Value::Int(parse_integer(line).ok_or(invalid)?),
                b'+' => Value::Simple(simple(line, || self.keep(begin + 1, end))),
                b'-' => Value::Error(ServerError::new(self.keep(begin + 1, end))),
                b'*' => match parse_length(kind, line)? {
                    Some(count) => Value::Array(self.values(count)?),
                    None => Value::Nil,
                },
                b'%' => Value::Map(self.pairs(self.count(kind, line)?)?),
                b'~' => Value::Set(self.values(self.count(kind, line)?)?),
                b'>' => Value::Push(self.values(self.count(kind, line)?)?),
                b'_' if line.is_empty() => Value::Nil,
                b'#' if line == b"t" => Value::Bool(true),
                b'#' if line == b"f" => Value::Bool(false),
                b',' => Value::Double(parse_double(line).ok_or(invalid)?),
                b'=' => {
                    let text = self.payload(self.count(kind, line)?)?;
                    match *text {
                        [a, b, c, b':', ..] => Value::Verbatim {
                            format: [a, b, c],
                            text: text.slice(4..),
                        },
                        _ => return Err(invalid),
                    }
                }
                b'(' | b'!' => {
                    let (value, length) = foreign::decode(kind, &self.frame.slice(begin..))?;
                    self.at = begin + length;
                    unpinned(value)
                }
                b'|' => {
                    self.pairs(self.count(kind, line)?)?;
                    continue;
                }
                _ => return Err(invalid),
            });
        }
    }

    /// Most elements are strings with a short header.
    #[inline]
    fn short_bulk(&mut self) -> Option<Bytes> {
        let frame: &'a [u8] = self.frame;
        if *frame.get(self.at)? != b'$' {
            return None;
        }
        let (length, begin) = parse_short_header(frame, self.at)?;
        let end = begin + length;
        if end + 2 > frame.len() {
            return None;
        }
        self.at = end + 2;
        Some(self.keep(begin, end))
    }

    fn count(&self, kind: u8, line: &[u8]) -> Result<u64, ProtocolError> {
        parse_length(kind, line)?.ok_or(ProtocolError::InvalidLength(kind))
    }

    /// The frame holds so many elements, each of 3 bytes at least: this is why the vector may be
    /// made in one piece.
    fn values(&mut self, count: u64) -> Result<Vec<Value>, ProtocolError> {
        let mut values = Vec::with_capacity(self.held(count, 3));
        for _ in 0..count {
            values.push(self.value()?);
        }
        Ok(values)
    }

    fn pairs(&mut self, count: u64) -> Result<Vec<(Value, Value)>, ProtocolError> {
        let mut pairs = Vec::with_capacity(self.held(count, 6));
        for _ in 0..count {
            let key = self.value()?;
            pairs.push((key, self.value()?));
        }
        Ok(pairs)
    }

    /// `count`, but no more than what is left of the frame can hold.
    fn held(&self, count: u64, bytes_each: usize) -> usize {
        let most = self.frame.len().saturating_sub(self.at) / bytes_each;
        usize::try_from(count).map_or(most, |count| count.min(most))
    }

    /// The payload that begins here, and passes its CRLF.
    fn payload(&mut self, length: u64) -> Result<Bytes, ProtocolError> {
        let begin = self.at;
        let end = usize::try_from(length)
            .ok()
            .and_then(|length| begin.checked_add(length))
            .filter(|end| end.saturating_add(2) <= self.frame.len())
            .ok_or(ProtocolError::MissingLineEnd)?;
        self.at = end + 2;
        Ok(self.keep(begin, end))
    }

    fn keep(&mut self, begin: usize, end: usize) -> Bytes {
        if end - begin <= COPY_MAX {
            self.strings.copy(&self.frame[begin..end])
        } else {
            self.frame.slice(begin..end)
        }
    }
}

/// What every transaction answers with needs no memory of its own.
fn simple(line: &[u8], keep: impl FnOnce() -> Bytes) -> Bytes {
    match line {
        b"OK" => Bytes::from_static(b"OK"),
        b"QUEUED" => Bytes::from_static(b"QUEUED"),
        _ => keep(),
    }
}

fn unpinned(value: Value) -> Value {
    let copied = |bytes: &[u8]| (bytes.len() <= COPY_MAX).then(|| Bytes::copy_from_slice(bytes));
    match value {
        Value::BigNumber(digits) => Value::BigNumber(copied(&digits).unwrap_or(digits)),
        Value::Error(error) => match copied(error.as_bytes()) {
            Some(line) => Value::Error(ServerError::new(line)),
            None => Value::Error(error),
        },
        other => other,
    }
}
