//! The way in: from the stream into the read buffer, and replies to whom they concern.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};

use super::{KEEP_BUFFER, Pump};
use crate::exit::{Cause, CauseKind};

/// The least free space to read into.
pub(super) const READ_CHUNK: usize = 16 * 1024;
/// The same while reads fill what they are given: a large reply in fewer calls of the kernel. It
/// still fits a core's cache.
const READ_CHUNK_MAX: usize = 64 * 1024;
/// What is read at once while no reply is awaited: the end of the stream, or a push.
const LISTEN: usize = 64;

impl Pump {
    /// Reads what is there, and answers whom it concerns, a wave of them. True: there may be more.
    pub(super) fn read(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, Cause> {
        // What was read before comes first.
        if !std::mem::take(&mut self.has_unanswered) && !self.fill(cx, now)? {
            return Ok(false);
        }
        for _ in 0..self.in_flight.wave(self.working.others_work()) {
            if let Some(reply) = self.decoder.next_single(&mut self.unread) {
                self.answer(reply)?;
                continue;
            }
            match self.decoder.next_any(&mut self.unread) {
                Ok(Some(reply)) => self.answer(reply)?,
                Ok(None) => {
                    if self.unread.is_empty() && self.unread.capacity() > KEEP_BUFFER {
                        self.unread = BytesMut::new();
                        self.blocks.forget_used();
                    }
                    return Ok(true);
                }
                Err(error) => return Err(Cause::new(CauseKind::Protocol, error.to_string())),
            }
        }
        self.has_unanswered = true;
        Ok(true)
    }

    /// Reads once. False: nothing was there.
    fn fill(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, Cause> {
        let quiet = self.in_flight.awaits_nothing() && self.decoder.pending() == 0;
        let read = if quiet && self.unread.capacity() < READ_CHUNK {
            self.listen(cx)
        } else {
            self.read_replies(cx)
        };
        match read {
            Poll::Pending => return Ok(false),
            Poll::Ready(Ok(0)) => return Err(CauseKind::Closed.into()),
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(error)) => return Err(Cause::from_io(&error)),
        }
        self.vigil.heard(now);
        if self.lane.is_suspect() {
            self.lane.set_suspect(false);
        }
        Ok(true)
    }

    fn read_replies(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // What a header announces is believed piece by piece.
        let most = self.config.buffers.read_bytes.max(READ_CHUNK);
        let wanted = self.decoder.missing().clamp(self.chunk, most);
        if self.unread.capacity() - self.unread.len() < wanted {
            self.blocks.make_room(&mut self.unread, wanted, most);
        }
        let stream = Pin::new(&mut self.stream);
        let mut space = (&mut self.unread).limit(wanted);
        let read = ready!(tokio_util::io::poll_read_buf(stream, cx, &mut space))?;
        if read == wanted {
            self.chunk = (self.chunk * 2).min(READ_CHUNK_MAX).min(most);
        }
        Poll::Ready(Ok(read))
    }

    /// Reads without a buffer of its own, so that an idle connection holds none.
    fn listen(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [0; LISTEN];
        let mut space = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut space))?;
        self.unread.extend_from_slice(space.filled());
        Poll::Ready(Ok(space.filled().len()))
    }

    /// Gives back what a busy time left; nothing was read for a while.
    pub(super) fn release_buffers(&mut self) {
        if self.unread.is_empty() {
            self.unread = BytesMut::new();
            self.chunk = READ_CHUNK;
            self.blocks.release();
        }
        if self.unwritten.is_empty() {
            self.unwritten = BytesMut::new();
        }
        self.decoder.release();
        self.in_flight.release();
    }
}
