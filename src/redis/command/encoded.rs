//! The arguments of a command as bytes, encoded while they are added: [`Encoded`], [`Args`].

use std::fmt;
use std::ops::Range;

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

/// A RESP array of bulk strings, the command's name first.
#[derive(Clone)]
pub(super) struct Encoded {
    /// [`HEADER`] bytes, then the arguments.
    buf: Vec<u8>,
    /// Where in the header the first line starts.
    start: usize,
    count: usize,
    /// Where the first arguments stand: each command is looked up by its name, and most have their
    /// only key behind it.
    first: [Range<usize>; 2],
}

impl Encoded {
    pub(super) fn new() -> Self {
        let mut buf = Vec::with_capacity(CAPACITY);
        buf.extend_from_slice(SHORT_HEADER);
        Self {
            buf,
            start: SHORT_START,
            count: 0,
            first: [HEADER..HEADER, HEADER..HEADER],
        }
    }

    /// As new, in the same buffer.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.buf.truncate(HEADER);
        if self.start != SHORT_START {
            self.buf.copy_from_slice(SHORT_HEADER);
            self.start = SHORT_START;
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

    /// What goes over the wire, once there is a header.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buf[self.start..]
    }

    pub(super) fn args(&self) -> Args<'_> {
        Args {
            rest: &self.buf[HEADER..],
        }
    }

    #[inline]
    pub(super) fn arg_at(&self, index: usize) -> Option<&[u8]> {
        match self.first.get(index) {
            Some(range) if index < self.count => self.buf.get(range.clone()),
            Some(_) => None,
            None => self.args().nth(index),
        }
    }

    /// Appends one argument; the header is not true until it is written again.
    pub(super) fn push(&mut self, arg: &[u8]) {
        const LONGEST: usize = "$18446744073709551615\r\n".len();
        self.buf.reserve(LONGEST + arg.len() + 2);
        if arg.len() < 10 {
            // Keys and values are often short, names nearly always: one store.
            let head = [b'$', b'0' + arg.len() as u8, b'\r', b'\n'];
            self.buf.extend_from_slice(&head);
        } else {
            let mut head = [0; LONGEST];
            let end = LONGEST - 2;
            head[end..].copy_from_slice(b"\r\n");
            let start = Decimal::write(arg.len() as u128, &mut head[..end]) - 1;
            head[start] = b'$';
            self.buf.extend_from_slice(&head[start..]);
        }
        let begin = self.buf.len();
        self.buf.extend_from_slice(arg);
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
        self.start = Decimal::write(self.count as u128, &mut header[..HEADER - 2]) - 1;
        header[self.start] = b'*';
    }
}

/// The arguments of a [`Command`](crate::redis::Command), the name first.
#[derive(Clone)]
pub struct Args<'a> {
    /// The encoded arguments that are left.
    rest: &'a [u8],
}

impl<'a> Iterator for Args<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        // What is read here was written by `Encoded::push`: `$<length>\r\n<bytes>\r\n`.
        let mut length = 0;
        let mut at = 1;
        loop {
            let byte = *self.rest.get(at)?;
            at += 1;
            if byte == b'\r' {
                break;
            }
            length = length * 10 + usize::from(byte - b'0');
        }
        let start = at + 1;
        let arg = self.rest.get(start..start + length)?;
        self.rest = self.rest.get(start + length + 2..)?;
        Some(arg)
    }
}

impl fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Args({} left)", self.clone().count())
    }
}
