//! The way out: from the write buffer into the stream, and out of the stream.

use std::io::{self, IoSlice};
use std::iter;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWrite;

use super::{KEEP_BUFFER, Pump};
use crate::exit::{Cause, CauseKind};

/// Of a large request so many pieces are written at once: its value and what stands around it, of
/// some values.
const PIECES: usize = 16;

impl Pump {
    /// Writes what waits to be written. True: the kernel may take more.
    pub(super) fn write(&mut self, cx: &mut Context<'_>) -> Result<bool, Cause> {
        let written = match (self.unwritten.is_empty(), self.large) {
            (_, true) => self.write_large(cx),
            (false, false) => Pin::new(&mut self.stream).poll_write(cx, &self.unwritten),
            (true, false) => return Ok(false),
        };
        match written {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(0)) => Err(CauseKind::Closed.into()),
            Poll::Ready(Ok(written)) => {
                self.wrote(written);
                Ok(true)
            }
            Poll::Ready(Err(error)) => Err(Cause::from_io(&error)),
        }
    }

    /// What waits in the write buffer, and the large request behind it.
    #[cold]
    fn write_large(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut pieces = [IoSlice::new(&[]); PIECES];
        let rest = self.in_flight.rest_of_newest();
        let all = iter::once(&self.unwritten[..]).chain(rest);
        let (mut count, all) = (0, all.filter(|piece| !piece.is_empty()));
        for (slot, piece) in pieces.iter_mut().zip(all) {
            *slot = IoSlice::new(piece);
            count += 1;
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, &pieces[..count])
    }

    fn wrote(&mut self, written: usize) {
        self.in_flight.wrote(written);
        self.unflushed = true;
        self.unwritten.advance(written.min(self.unwritten.len()));
        if self.unwritten.is_empty() && self.unwritten.capacity() > KEEP_BUFFER {
            self.unwritten = BytesMut::new();
        }
        if self.large {
            self.large = self.in_flight.rest_of_newest().next().is_some();
        }
    }

    /// What is left of a large request goes into the write buffer: it may leave, or something else may
    /// have to be written behind it.
    pub(super) fn keep_large(&mut self) {
        if std::mem::take(&mut self.large) {
            for piece in self.in_flight.rest_of_newest() {
                self.unwritten.extend_from_slice(piece);
            }
        }
    }

    /// Hands to the kernel what the stream keeps. Without room there, it wakes this when there is.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) -> Result<(), Cause> {
        if self.unflushed
            && let Poll::Ready(flushed) = Pin::new(&mut self.stream).poll_flush(cx)
        {
            flushed.map_err(|error| Cause::from_io(&error))?;
            self.unflushed = false;
        }
        Ok(())
    }

    /// Ends the stream in both of its layers: by TLS's own farewell a server knows that nobody cut
    /// the connection off. A peer that takes nothing is not waited for beyond the drain.
    pub(super) fn farewell(&mut self, cx: &mut Context<'_>) -> Poll<Cause> {
        let ended = Pin::new(&mut self.stream).poll_shutdown(cx);
        ended.map(|_| CauseKind::Requested.into())
    }
}
