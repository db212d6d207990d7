//! The memory that large replies are read into: [`Blocks`].

use std::collections::VecDeque;

use bytes::BytesMut;

/// Smaller blocks are the allocator's business.
const LARGE: usize = 128 * 1024;

/// Remembers the blocks that large replies were read into, and uses one again once nobody holds a
/// part of it.
///
/// An allocator gives so large a block back to the kernel when its reply is dropped, and the
/// kernel fills the next one with zeros, page by page: that took more time than the reply itself.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// Each with its size. The oldest are the first of which nobody holds anything any more.
    spent: VecDeque<(BytesMut, usize)>,
    /// Of all in it.
    bytes: usize,
    /// That of the buffer in use, if it is large.
    in_use: usize,
}

impl Blocks {
    /// Makes room for so many bytes behind what is in the buffer. Remembers blocks of at most
    /// `most` bytes together.
    pub(super) fn make_room(&mut self, buffer: &mut BytesMut, wanted: usize, most: usize) {
        let needed = buffer.len() + wanted;
        // A reply that came in part already grows where it is, mostly without a copy.
        let starts = buffer.len() < wanted;
        if !starts || (needed < LARGE && self.in_use == 0) {
            buffer.reserve(wanted);
            if self.in_use > 0 {
                self.in_use = self.in_use.max(buffer.capacity());
            }
            return;
        }
        let (mut fresh, size) = match needed {
            LARGE.. => self.reclaimed(needed),
            _ => (BytesMut::with_capacity(needed), 0),
        };
        fresh.extend_from_slice(buffer);
        let mut spent = std::mem::replace(buffer, fresh);
        spent.clear();
        let old = std::mem::replace(&mut self.in_use, size);
        if old > 0 {
            self.remember(spent, old, most);
        }
    }

    /// Forgets all.
    pub(super) fn release(&mut self) {
        *self = Self::default();
    }

    /// The buffer in use was given up.
    pub(super) fn forget_used(&mut self) {
        self.in_use = 0;
    }

    fn reclaimed(&mut self, needed: usize) -> (BytesMut, usize) {
        let free = |(block, _): &mut (BytesMut, usize)| block.try_reclaim(needed);
        if let Some(at) = self.spent.iter_mut().position(free)
            && let Some((block, size)) = self.spent.remove(at)
        {
            self.bytes -= size;
            return (block, size);
        }
        (BytesMut::with_capacity(needed), needed)
    }

    fn remember(&mut self, block: BytesMut, size: usize, most: usize) {
        if size > most {
            return;
        }
        self.spent.push_back((block, size));
        self.bytes += size;
        while self.bytes > most
            && let Some((_, size)) = self.spent.pop_front()
        {
            self.bytes -= size;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const MIB: usize = 1024 * 1024;
    const SMALL: usize = 16 * 1024;

    /// Reads a reply of so many bytes, the first of them with what comes before.
    fn read(blocks: &mut Blocks, buffer: &mut BytesMut, length: usize, most: usize) -> Bytes {
        blocks.make_room(buffer, SMALL, most);
        buffer.extend_from_slice(&[7; SMALL]);
        let missing = length - SMALL;
        blocks.make_room(buffer, missing, most);
        buffer.resize(length, 7);
        assert_eq!(*buffer, vec![7; length]);
        buffer.split().freeze()
    }

    #[test]
    fn a_block_is_used_again_once_its_reply_is_dropped() {
        let (mut blocks, mut buffer) = (Blocks::default(), BytesMut::new());
        let first = read(&mut blocks, &mut buffer, MIB, 4 * MIB);
        let place = first.as_ptr();
        let second = read(&mut blocks, &mut buffer, MIB, 4 * MIB);
        assert_ne!(second.as_ptr(), place, "somebody has the first");
        assert_eq!(first, vec![7; MIB]);
        drop(first);
        let third = read(&mut blocks, &mut buffer, MIB, 4 * MIB);
        assert_eq!(third.as_ptr(), place);
        drop((second, third));
        blocks.release();
        assert_eq!((blocks.spent.len(), blocks.bytes), (0, 0));
    }

    #[test]
    fn what_is_remembered_keeps_its_bound() {
        let (mut blocks, mut buffer) = (Blocks::default(), BytesMut::new());
        for _ in 0..20 {
            let reply = read(&mut blocks, &mut buffer, MIB, 4 * MIB);
            std::mem::forget(reply);
            assert!(blocks.bytes <= 4 * MIB, "{}", blocks.bytes);
            assert_eq!(blocks.bytes, blocks.spent.len() * MIB);
        }
        drop(read(&mut blocks, &mut buffer, 8 * MIB, 4 * MIB));
        blocks.make_room(&mut buffer, SMALL, 4 * MIB);
        assert_eq!(blocks.bytes, 4 * MIB, "one that is too large is not kept");
    }

    #[test]
    fn small_replies_take_none() {
        let (mut blocks, mut buffer) = (Blocks::default(), BytesMut::new());
        for _ in 0..20 {
            drop(read(&mut blocks, &mut buffer, 2 * SMALL, 4 * MIB));
        }
        assert_eq!((blocks.spent.len(), blocks.in_use), (0, 0));
    }

    #[test]
    fn a_reply_that_came_in_part_grows_where_it_is() {
        let (mut blocks, mut buffer) = (Blocks::default(), BytesMut::new());
        blocks.make_room(&mut buffer, 4 * MIB, 4 * MIB);
        buffer.resize(4 * MIB, 1);
        blocks.make_room(&mut buffer, 4 * MIB - 1, 4 * MIB);
        assert!(buffer.capacity() >= 8 * MIB - 1);
        assert!(blocks.in_use >= 8 * MIB - 1);
        assert_eq!(blocks.spent.len(), 0);
    }
}
