//! A command as bytes: [`Wire`], its [`Args`], and the buffers they use again.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

use crate::redis::spares::Spares;

/// Room in front of the arguments for `*<count>\r\n`, whose length is known only at the end:
/// the line is written so that it ends where the arguments start.
pub(super) const HEADER: usize = 16;

/// What a new buffer takes: a short command with its key and a small value fit.
pub(super) const CAPACITY: usize = 120;

/// Larger buffers are not kept for the next command.
const KEEP_CAPACITY: usize = 1024;

thread_local! {
    static BUFFERS: Spares<Vec<u8>> = const { Spares::new() };
}

/// An encoded command, ready for the socket. `Debug` shows only its length.
#[derive(Clone, Default)]
pub struct Wire {
    pub(super) buf: Vec<u8>,
    pub(super) start: usize,
}

impl Wire {
    /// The command's name, for errors.
    pub(crate) fn name(&self) -> Cow<'_, str> {
        let mut args = Args {
            rest: self.buf.get(HEADER..).unwrap_or_default(),
        };
        String::from_utf8_lossy(args.next().unwrap_or_default())
    }

    /// The bytes to write.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.buf[self.start..]
    }

    /// The bytes to write, shared without a copy.
    pub fn into_bytes(self) -> Bytes {
        Bytes::from(self.buf).split_off(self.start)
    }

    /// It is not needed any more: its buffer is for the next command of this thread.
    #[inline]
    pub(crate) fn recycle(mut self) {
        if (CAPACITY..=KEEP_CAPACITY).contains(&self.buf.capacity()) {
            self.buf.clear();
            // An error means that the thread ends.
            let _ = BUFFERS.try_with(|buffers| buffers.keep(self.buf));
        }
    }
}

/// An empty buffer that an earlier command left, or a new one.
#[inline]
pub(super) fn spare_buffer() -> Vec<u8> {
    let spare = BUFFERS.try_with(Spares::take).ok().flatten();
    spare.unwrap_or_else(|| Vec::with_capacity(CAPACITY))
}

impl AsRef<[u8]> for Wire {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wire({} bytes)", self.as_bytes().len())
    }
}

/// The arguments of a [`Command`](crate::redis::Command), the name first.
#[derive(Clone)]
pub struct Args<'a> {
    /// The encoded arguments that are left.
    pub(super) rest: &'a [u8],
}

impl<'a> Iterator for Args<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        // What is read here was written by `ArgWriter`: `$<length>\r\n<bytes>\r\n`.
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
