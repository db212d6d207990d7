//! Elements of any type, taken off a buffer one by one as they arrive: [`Elements`].

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::error::ProtocolError;
use super::foreign;
use super::levels::Aggregate;
use super::limits::ReplyLimits;
use super::line::{find_crlf, line_limit, parse_double, parse_integer, parse_length};
use super::plain::{COPY_MAX, Room, pass, take, take_line, take_plain};
use super::small::SmallStrings;
use crate::redis::{ServerError, Value, Verbatim};

/// What was taken off.
#[derive(Debug)]
pub(super) enum Element {
    Value(Value),
    /// So many elements follow, which belong to it.
    Begin(Aggregate, u64),
}

/// Takes elements off a buffer, and keeps its place in one that is not complete.
///
/// A line that comes in pieces is searched for its end from where the last search stopped, and read when
/// it is complete; payloads are never looked at. The limits for bytes are checked on the headers.
#[derive(Debug)]
pub(super) struct Elements {
    limits: ReplyLimits,
    strings: SmallStrings,
    /// Bytes of this reply that were taken.
    taken: usize,
    /// What its verbatim strings take beside.
    boxed: usize,
    /// How far the end of the next line has been searched for.
    searched: usize,
    /// Where the payload of the next element stands, once its header has come.
    payload: Option<Range<usize>>,
    missing: usize,
    #[cfg(test)]
    pub(super) examined: usize,
}

/// What the line of an element says.
enum Line {
    All(Element),
    /// A payload of so many bytes follows.
    Payload(usize),
}

impl Elements {
    pub(super) fn new(limits: ReplyLimits) -> Self {
        Self {
            limits,
            strings: SmallStrings::default(),
            taken: 0,
            boxed: 0,
            searched: 0,
            payload: None,
            missing: 1,
            #[cfg(test)]
            examined: 0,
        }
    }

    pub(super) fn limits(&self) -> &ReplyLimits {
        &self.limits
    }

    pub(super) fn set_limits(&mut self, limits: ReplyLimits) {
        self.limits = limits;
    }

    /// Bytes of this reply that were taken.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// What those of them that are verbatim strings take beside, in bytes.
    pub(super) fn boxed(&self) -> usize {
        self.boxed
    }

    /// How many bytes the next element lacks at least: exactly, for a string whose length is known.
    pub(super) fn missing(&self) -> usize {
        self.missing
    }

    /// The next element is the first of a reply.
    #[inline]
    pub(super) fn begin_reply(&mut self) {
        self.taken = 0;
        self.boxed = 0;
    }

    pub(super) fn release(&mut self) {
        self.strings.release();
    }

    /// A whole reply: an element that has come and is of a common type.
    #[inline]
    pub(super) fn single(&mut self, buf: &mut BytesMut) -> Option<Value> {
        if self.taken > 0 {
            return None;
        }
        self.plain(buf)
    }

    /// The next element of a reply, if it has come and is of a common type.
    #[inline]
    pub(super) fn next_plain(&mut self, buf: &mut BytesMut) -> Option<Value> {
        let came = buf.len();
        let value = self.plain(buf)?;
        self.taken += came - buf.len();
        Some(value)
    }

    #[inline]
    fn plain(&mut self, buf: &mut BytesMut) -> Option<Value> {
        // What was looked at is not looked at again from its beginning.
        if self.searched > 0 || self.payload.is_some() {
            return None;
        }
        take_plain(buf, self.room(), &mut self.strings)
    }

    /// The next element, if all of it has come, or the beginning of an aggregate. Until then `buf` may
    /// only be appended to.
    pub(super) fn next(&mut self, buf: &mut BytesMut) -> Result<Option<Element>, ProtocolError> {
        if let Some(value) = self.next_plain(buf) {
            return Ok(Some(Element::Value(value)));
        }
        let came = buf.len();
        let element = self.any(buf)?;
        if element.is_some() {
            self.taken += came - buf.len();
            self.searched = 0;
            self.payload = None;
            self.missing = 1;
        }
        Ok(element)
    }

    fn any(&mut self, buf: &mut BytesMut) -> Result<Option<Element>, ProtocolError> {
        let payload = match &self.payload {
            Some(payload) => payload.clone(),
            None => {
                let Some(end) = self.find_line_end(buf)? else {
                    // A reply that is not complete is longer than what came of it.
                    self.fits(buf.len() + 1)?;
                    return Ok(None);
                };
                self.fits(end + 2)?;
                match self.line(buf, end)? {
                    Line::All(element) => return Ok(Some(element)),
                    Line::Payload(length) => {
                        let begin = end + 2;
                        self.payload.insert(begin..begin + length).clone()
                    }
                }
            }
        };
        let total = payload.end + 2;
        let Some(line_end) = buf.get(payload.end..total) else {
            self.missing = total - buf.len();
            return Ok(None);
        };
        if line_end != b"\r\n" {
            return Err(ProtocolError::MissingLineEnd);
        }
        self.string(buf, payload, total)
            .map(Element::Value)
            .map(Some)
    }

    /// Where the line the buffer begins with ends, if it has.
    fn find_line_end(&mut self, buf: &[u8]) -> Result<Option<usize>, ProtocolError> {
        let Some(&kind) = buf.first() else {
            return Ok(None);
        };
        let limit = line_limit(kind)?;
        let longest = 1 + limit + 2;
        let window = &buf[..buf.len().min(longest)];
        let from = self.searched.max(1);
        let found = find_crlf(window, from);
        #[cfg(test)]
        {
            self.examined += found.map_or(window.len(), |end| end + 2) - from;
        }
        if found.is_some() {
            return Ok(found);
        }
        if window.len() == longest {
            return Err(ProtocolError::LineTooLong { kind, limit });
        }
        // A last CR may be the first half of the end.
        self.searched = match window.last() {
            Some(b'\r') => window.len() - 1,
            _ => window.len(),
        };
        Ok(None)
    }

    /// Reads the line that ends there; takes it off, unless a payload follows.
    fn line(&mut self, buf: &mut BytesMut, end: usize) -> Result<Line, ProtocolError> {
        let (kind, line) = (buf[0], &buf[1..end]);
        #[cfg(test)]
        {
            self.examined += end;
        }
        let invalid = ProtocolError::InvalidContent(kind);
        let element = match kind {
            b'$' | b'!' | b'=' => match parse_length(kind, line)? {
                Some(length) => {
                    return self
                        .payload_length(kind, length, end + 2)
                        .map(Line::Payload);
                }
                None => Element::Value(Value::Nil),
            },
            b'*' => match parse_length(kind, line)? {
                Some(count) => Element::Begin(Aggregate::Array, count),
                None => Element::Value(Value::Nil),
            },
            b'~' => Element::Begin(Aggregate::Set, count(kind, line)?),
            b'>' => Element::Begin(Aggregate::Push, count(kind, line)?),
            b'%' => Element::Begin(Aggregate::Map, count(kind, line)?.saturating_mul(2)),
            b'|' => Element::Begin(Aggregate::Attribute, count(kind, line)?.saturating_mul(2)),
            _ => {
                let value = match kind {
                    b':' => Value::Int(parse_integer(line).ok_or(invalid)?),
                    b',' => Value::Double(parse_double(line).ok_or(invalid)?),
                    b'_' if line.is_empty() => Value::Nil,
                    b'#' if line == b"t" => Value::Bool(true),
                    b'#' if line == b"f" => Value::Bool(false),
                    b'(' => return self.rare(buf, end + 2).map(Element::Value).map(Line::All),
                    b'+' => return Ok(self.text(buf, end, Value::Simple)),
                    b'-' => {
                        return Ok(self.text(buf, end, |line| Value::Error(ServerError::new(line))));
                    }
                    _ => return Err(invalid),
                };
                Element::Value(value)
            }
        };
        pass(buf, end + 2, &mut self.strings);
        Ok(Line::All(element))
    }

    fn text(&mut self, buf: &mut BytesMut, end: usize, value: impl Fn(Bytes) -> Value) -> Line {
        let text = take_line(buf, end, &mut self.strings);
        Line::All(Element::Value(value(text)))
    }

    /// A string all of which has come.
    fn string(
        &mut self,
        buf: &mut BytesMut,
        payload: Range<usize>,
        total: usize,
    ) -> Result<Value, ProtocolError> {
        let kind = buf[0];
        if kind == b'!' {
            return self.rare(buf, total);
        }
        let text = take(buf, payload, total, &mut self.strings);
        if kind == b'$' {
            return Ok(Value::Bulk(text));
        }
        match *text {
            [a, b, c, b':', ..] => {
                self.boxed += size_of::<Verbatim>();
                Ok(Value::Verbatim(Box::new(Verbatim {
                    format: [a, b, c],
                    text: text.slice(4..),
                })))
            }
            _ => Err(ProtocolError::InvalidContent(kind)),
        }
    }

    fn rare(&mut self, buf: &mut BytesMut, total: usize) -> Result<Value, ProtocolError> {
        let kind = buf[0];
        let value = foreign::decode(kind, &buf.split_to(total).freeze())?;
        Ok(match value {
            Value::BigNumber(digits) if digits.len() <= COPY_MAX => {
                Value::BigNumber(Bytes::copy_from_slice(&digits))
            }
            Value::Error(error) if error.as_bytes().len() <= COPY_MAX => {
                Value::Error(ServerError::new(Bytes::copy_from_slice(error.as_bytes())))
            }
            large => large,
        })
    }

    /// The length that a header of so many bytes announces, if it is within the limits.
    fn payload_length(
        &self,
        kind: u8,
        announced: u64,
        header: usize,
    ) -> Result<usize, ProtocolError> {
        let limit = self.limits.bulk_bytes;
        let whole = |length: &usize| header.checked_add(*length)?.checked_add(2);
        let length = usize::try_from(announced)
            .ok()
            .filter(|length| *length <= limit && whole(length).is_some())
            .ok_or(ProtocolError::BulkTooLong { announced, limit })?;
        // A verbatim string begins with its format and a colon.
        if kind == b'=' && length < 4 {
            return Err(ProtocolError::InvalidLength(kind));
        }
        self.fits(header + length + 2)?;
        Ok(length)
    }

    #[inline]
    fn room(&self) -> Room {
        Room {
            string: self.limits.bulk_bytes,
            reply: self.limits.reply_bytes - self.taken,
        }
    }

    fn fits(&self, bytes: usize) -> Result<(), ProtocolError> {
        if bytes > self.room().reply {
            let limit = self.limits.reply_bytes;
            return Err(ProtocolError::ReplyTooLong { limit });
        }
        Ok(())
    }
}

fn count(kind: u8, line: &[u8]) -> Result<u64, ProtocolError> {
    parse_length(kind, line)?.ok_or(ProtocolError::InvalidLength(kind))
}

#[cfg(test)]
mod tests;
