//! The way out: from the write buffer into the stream, and out of the stream.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWrite;

use super::{KEEP_BUFFER, Pump};
use crate::exit::{Cause, CauseKind};

impl Pump {
    /// Writes what waits to be written. True: the kernel may take more.
    pub(super) fn write(&mut self, cx: &mut Context<'_>) -> Result<bool, Cause> {
        if self.unwritten.is_empty() {
            return Ok(false);
        }
        let stream = Pin::new(&mut self.stream);
        match stream.poll_write(cx, &self.unwritten) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(0)) => Err(CauseKind::Closed.into()),
            Poll::Ready(Ok(written)) => {
                self.unwritten.advance(written);
                self.in_flight.wrote(written);
                self.unflushed = true;
                if self.unwritten.is_empty() && self.unwritten.capacity() > KEEP_BUFFER {
                    self.unwritten = BytesMut::new();
                }
                Ok(true)
            }
            Poll::Ready(Err(error)) => Err(Cause::from_io(&error)),
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
