//! The arguments of a command as bytes, encoded while they are added: [`Encoded`], [`Args`].

use std::borrow::Cow;
use std::fmt;
use std::iter;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::redis::command::arg::Decimal;

/// Room in front of the arguments for `*<count>\r\n`, whose length is known only at the end:
/// the line is written so that it ends where the arguments start.
const HEADER: usize = 16;

/// It, for fewer than ten arguments, as nearly always: one digit is left to write.
const SHORT_HEADER: &[u8; HEADER] = b"            *0\r\n";

/// Where that line starts.
const SHORT_START: usize = HEADER - 4;

/// What a new buffer takes: a short command with its key and a small value fit.
pub(super) const CAPACITY: usize = 120;

/// [`Bytes`] from this length on are not copied. Below it a copy costs less than what it takes to keep
/// them.
const HOLD: usize = 4096;

/// Nothing of `buf`.
const NOWHERE: Range<usize> = usize::MAX..usize::MAX;

/// A RESP array of bulk strings, the command's name first.
#[derive(Clone)]
pub(super) struct Encoded {
    /// [`HEADER`] bytes, then the arguments; of those that are held, all but themselves.
    buf: Vec<u8>,
    /// Those, in their order. One word: nearly no command has any, and a larger one would leave the
    /// sizes that an allocator serves fastest.
    held: Option<Arc<Vec<Held>>>,
    count: usize,
    /// Where the first arguments stand: each command is looked up by its name, and most have their
    /// only key behind it.
    first: [Range<usize>; 2],
}

/// An argument that was not copied.
#[derive(Clone)]
struct Held {
    /// Where in `buf` it belongs.
    at: usize,
    /// The bytes of those before it.
    before: usize,
    bytes: Bytes,
}

impl Encoded {
    pub(super) fn new() -> Self {
        let mut buf = Vec::with_capacity(CAPACITY);
        buf.extend_from_slice(SHORT_HEADER);
        Self {
            buf,
            held: None,
            count: 0,
            first: [HEADER..HEADER, HEADER..HEADER],
        }
    }

    /// As new, in the same buffer.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.buf.truncate(HEADER);
        if self.held.is_some() {
            self.held = None;
        }
        if self.count >= 10 {
            self.buf.copy_from_slice(SHORT_HEADER);
        }
        self.count = 0;
        self.first = [HEADER..HEADER, HEADER..HEADER];
    }

    pub(super) fn capacity(&self) -> usize {
        self.buf.capacity()
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Where in the header the first line starts.
    #[inline]
    fn start(&self) -> usize {
        match self.count {
            ..10 => SHORT_START,
            many => SHORT_START - many.ilog10() as usize,
        }
    }

    #[inline]
    fn held(&self) -> &[Held] {
        self.held.as_deref().map_or(&[], Vec::as_slice)
    }

    #[inline]
    fn held_bytes(&self) -> usize {
        let last = self.held().last();
        last.map_or(0, |last| last.before + last.bytes.len())
    }

    /// How many bytes go over the wire, once there is a header.
    #[inline]
    pub(super) fn wire_len(&self) -> usize {
        self.buf.len() - self.start() + self.held_bytes()
    }

    /// Those bytes, and the list of what is held of them.
    #[inline]
    pub(super) fn weight(&self) -> usize {
        self.wire_len() + size_of_val(self.held())
    }

    /// Those bytes.
    #[inline]
    pub(super) fn wire(&self) -> Cow<'_, [u8]> {
        if self.held.is_none() {
            return Cow::Borrowed(&self.buf[self.start()..]);
        }
        Cow::Owned(self.pieces(0).collect::<Vec<_>>().concat())
    }

    /// The same from this one on, where they lie: in one piece, unless something is held.
    pub(super) fn pieces(&self, from: usize) -> impl Iterator<Item = &[u8]> {
        let first = self.start();
        let end_on_wire = move |held: &Held| held.at - first + held.before + held.bytes.len();
        let passed = self
            .held()
            .partition_point(|held| end_on_wire(held) <= from);
        let (passed, held) = self.held().split_at(passed);
        let (start, mut skipped) = match passed.last() {
            Some(last) => (last.at, from - end_on_wire(last)),
            None => (first, from),
        };
        let places = || held.iter().map(|held| held.at);
        let (starts, ends) = (
            iter::once(start).chain(places()),
            places().chain([self.buf.len()]),
        );
        let copied = starts.zip(ends).map(|(start, end)| &self.buf[start..end]);
        let held = held.iter().map(|held| &held.bytes[..]).chain([&[][..]]);
        let pieces = copied.zip(held).flat_map(|(copied, held)| [copied, held]);
        let rest = pieces.map(move |piece| {
            let (before, rest) = piece.split_at(skipped.min(piece.len()));
            skipped -= before.len();
            rest
        });
        rest.filter(|rest| !rest.is_empty())
    }

    #[inline]
    pub(super) fn write_to(&self, out: &mut BytesMut) {
        if self.held.is_none() {
            out.extend_from_slice(&self.buf[self.start()..]);
        } else {
            self.write_pieces_to(out);
        }
    }

    #[cold]
    fn write_pieces_to(&self, out: &mut BytesMut) {
        self.pieces(0)
            .for_each(|piece| out.extend_from_slice(piece));
    }

    pub(super) fn args(&self) -> Args<'_> {
        Args {
            buf: &self.buf,
            at: HEADER,
            held: self.held(),
        }
    }

    #[inline]
    pub(super) fn arg_at(&self, index: usize) -> Option<&[u8]> {
        let near = self.first.get(index).filter(|_| index < self.count);
        match near.and_then(|range| self.buf.get(range.clone())) {
            Some(arg) => Some(arg),
            None => self.far_arg_at(index),
        }
    }

    /// One that is held, or stands behind the first.
    #[inline(never)]
    fn far_arg_at(&self, index: usize) -> Option<&[u8]> {
        self.args().nth(index)
    }

    /// Appends one argument; the header is not true until it is written again.
    pub(super) fn push(&mut self, arg: &[u8]) {
        self.append(arg.len(), arg);
    }

    /// As [`Encoded::push`]; a long one is not copied.
    pub(super) fn push_bytes(&mut self, arg: &Bytes) {
        if arg.len() < HOLD {
            return self.push(arg);
        }
        let index = self.count;
        self.append(arg.len(), &[]);
        if let Some(range) = self.first.get_mut(index) {
            *range = NOWHERE;
        }
        let held = Held {
            at: self.buf.len() - b"\r\n".len(),
            before: self.held_bytes(),
            bytes: arg.clone(),
        };
        Arc::make_mut(self.held.get_or_insert_default()).push(held);
    }

    /// Appends an argument of this length, and of its bytes those that are copied.
    #[inline]
    fn append(&mut self, length: usize, copied: &[u8]) {
        const LONGEST: usize = "$18446744073709551615\r\n".len();
        self.buf.reserve(LONGEST + copied.len() + 2);
        if length < 10 {
            // Keys and values are often short, names nearly always: one store.
            let head = [b'$', b'0' + length as u8, b'\r', b'\n'];
            self.buf.extend_from_slice(&head);
        } else {
            let mut head = [0; LONGEST];
            let end = LONGEST - 2;
            head[end..].copy_from_slice(b"\r\n");
            let start = Decimal::write(length as u128, &mut head[..end]) - 1;
            head[start] = b'$';
            self.buf.extend_from_slice(&head[start..]);
        }
        let begin = self.buf.len();
        self.buf.extend_from_slice(copied);
        if let Some(range) = self.first.get_mut(self.count) {
            *range = begin..self.buf.len();
        }
        self.buf.extend_from_slice(b"\r\n");
        self.count += 1;
    }

    /// Tells how many arguments there are, in front of them.
    #[inline]
    pub(super) fn write_header(&mut self) {
        if self.count < 10 {
            self.buf[SHORT_START + 1] = b'0' + self.count as u8;
            return;
        }
        let header = &mut self.buf[..HEADER];
        let start = Decimal::write(self.count as u128, &mut header[..HEADER - 2]) - 1;
        header[start] = b'*';
    }
}

/// The arguments of a [`Command`](crate::redis::Command), the name first.
#[derive(Clone)]
pub struct Args<'a> {
    buf: &'a [u8],
    /// Where in it the arguments that are left start.
    at: usize,
    /// Those of them that are not in it.
    held: &'a [Held],
}

impl<'a> Iterator for Args<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        // What is read here was written by `Encoded::push`: `$<length>\r\n<bytes>\r\n`.
        let mut length = 0;
        let mut at = self.at + 1;
        loop {
            let byte = *self.buf.get(at)?;
            at += 1;
            if byte == b'\r' {
                break;
            }
            length = length * 10 + usize::from(byte - b'0');
        }
        let start = at + 1;
        if let Some((next, held)) = self.held.split_first()
            && next.at == start
        {
            self.held = held;
            self.at = start + 2;
            return Some(&next.bytes);
        }
        let arg = self.buf.get(start..start + length)?;
        self.at = start + length + 2;
        Some(arg)
    }
}

impl fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Args({} left)", self.clone().count())
    }
}

#[cfg(test)]
mod tests;
