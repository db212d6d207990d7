//! Where short strings are copied to, side by side: [`SmallStrings`].

use std::fmt;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// Longer strings have memory of their own.
pub(super) const SMALL_MAX: usize = 128;

/// What one block takes. A string that somebody keeps keeps its block: a kilobyte is little, and
/// still an allocation for a dozen values in place of one for each.
const BLOCK: usize = 1024;

/// Copies short strings into blocks that they share. Of the 3,184 instructions of a `GET` an
/// allocation for its value alone took 340, with its end.
///
/// Where one short string is, others follow: what stands behind it in the buffer is copied with it,
/// as much as the block takes, and they become parts of that copy. A copy for each took 80
/// instructions more.
#[derive(Default)]
pub(super) struct SmallStrings {
    /// What is left of the block.
    room: BytesMut,
    /// What was copied last.
    copied: Bytes,
    /// Where it begins, counted from the front of the buffer: behind it, or in front of it, since the
    /// buffer moved on. A guess only: the bytes are compared.
    begins: isize,
}

impl SmallStrings {
    /// Copies this part of the buffer, of at most [`SMALL_MAX`] bytes, and tells where [`Self::kept`]
    /// finds it.
    #[inline]
    pub(super) fn keep(&mut self, buf: &[u8], part: Range<usize>) -> Range<usize> {
        let string = &buf[part.clone()];
        let begin = (part.start as isize).wrapping_sub(self.begins) as usize;
        let end = begin.wrapping_add(string.len());
        if self.copied.get(begin..end) == Some(string) {
            return begin..end;
        }
        self.copy_ahead(buf, part)
    }

    /// What was kept last, as a part of what it was copied with.
    #[inline]
    pub(super) fn kept(&self, at: Range<usize>) -> Bytes {
        self.copied.slice(at)
    }

    /// The buffer moved on by so many bytes.
    #[inline]
    pub(super) fn passed(&mut self, bytes: usize) {
        self.begins = self.begins.wrapping_sub(bytes as isize);
    }

    /// Keeps no block for the next one.
    pub(super) fn release(&mut self) {
        *self = Self::default();
    }

    fn copy_ahead(&mut self, buf: &[u8], part: Range<usize>) -> Range<usize> {
        if part.is_empty() {
            return 0..0;
        }
        if self.room.capacity() < part.len() {
            self.room = BytesMut::with_capacity(BLOCK);
        }
        let ahead = &buf[part.start..];
        let ahead = &ahead[..ahead.len().min(self.room.capacity())];
        self.room.extend_from_slice(ahead);
        self.copied = self.room.split().freeze();
        self.begins = part.start as isize;
        0..part.len()
    }
}

impl fmt::Debug for SmallStrings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SmallStrings({} bytes left)", self.room.capacity())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(strings: &mut SmallStrings, buf: &[u8], part: Range<usize>) -> Bytes {
        let at = strings.keep(buf, part);
        strings.kept(at)
    }

    /// Copies the first bytes of the buffer, and passes them.
    fn next(strings: &mut SmallStrings, buf: &mut &[u8], length: usize) -> Bytes {
        let copy = copy(strings, buf, 0..length);
        *buf = &buf[length..];
        strings.passed(length);
        copy
    }

    #[test]
    fn short_strings_stand_side_by_side() {
        let text: Vec<u8> = (0..BLOCK + SMALL_MAX).map(|n| (n / 7) as u8).collect();
        let (mut strings, mut buf) = (SmallStrings::default(), &text[..]);
        let kept: Vec<_> = (0..BLOCK / SMALL_MAX)
            .map(|_| next(&mut strings, &mut buf, SMALL_MAX))
            .collect();
        assert_eq!(kept.concat(), text[..BLOCK]);
        for pair in kept.windows(2) {
            assert_eq!(pair[0].as_ptr_range().end, pair[1].as_ptr());
        }
        let full = kept[kept.len() - 1].as_ptr_range().end;
        assert_ne!(
            copy(&mut strings, b"next", 0..4).as_ptr(),
            full,
            "a new block"
        );
        strings.release();
        assert_eq!((strings.room.capacity(), strings.copied.len()), (0, 0));
        assert_eq!(kept.concat(), text[..BLOCK], "what is kept stays");
    }

    #[test]
    fn strings_that_come_one_by_one_share_a_block_too() {
        let mut strings = SmallStrings::default();
        let mut kept: Vec<Bytes> = Vec::new();
        for n in 0..8_u8 {
            let text = [n; 20];
            let copy = next(&mut strings, &mut &text[..], 20);
            assert_eq!(copy, text[..]);
            if let Some(before) = kept.last() {
                assert_eq!(before.as_ptr_range().end, copy.as_ptr());
            }
            kept.push(copy);
        }
    }

    #[test]
    fn what_was_copied_of_another_buffer_is_never_taken_for_this_one() {
        let mut strings = SmallStrings::default();
        assert_eq!(copy(&mut strings, b"one and two", 0..3), "one");
        // The guess is wrong each time, and in each way.
        for (passed, buf, part) in [
            (0, &b"two and one"[..], 0..3),
            (4, b"two", 0..3),
            (100, b"two", 1..3),
            (0, b"much, much further behind", 19..25),
            (usize::MAX, b"x", 0..1),
        ] {
            strings.passed(passed);
            assert_eq!(copy(&mut strings, buf, part.clone()), buf[part]);
        }
    }

    #[test]
    fn an_empty_string_needs_no_block() {
        let mut strings = SmallStrings::default();
        assert!(copy(&mut strings, b"", 0..0).is_empty());
        assert_eq!(strings.room.capacity(), 0);
    }
}
