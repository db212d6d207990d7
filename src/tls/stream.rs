//! The secured stream: [`TlsStream`], and when its bytes count as sent.

use std::fmt;
use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client;

use super::identity::Identity;
use super::verdict::cause_of_io;

/// A stream secured by TLS.
///
/// Bytes that [`poll_write`](AsyncWrite::poll_write) reports as written are with TLS, and *perhaps*
/// with the kernel: they must count as perhaps sent. Bytes that it does not report, also when it
/// fails, were not touched. What TLS still holds leaves by [`poll_flush`](AsyncWrite::poll_flush):
/// a writer must flush, also while it waits for a reply.
///
/// Errors carry a [`Cause`](crate::exit::Cause), which [`Cause::from_io`](crate::exit::Cause::from_io)
/// gives back: with TLS 1.3 a server refuses a client's certificate only after the handshake. An end
/// without TLS's own farewell is an error of the kind `UnexpectedEof`.
pub struct TlsStream<S> {
    stream: client::TlsStream<S>,
    identity: Arc<Identity>,
}

impl<S> TlsStream<S> {
    pub(super) fn new(stream: client::TlsStream<S>, identity: Arc<Identity>) -> Self {
        Self { stream, identity }
    }

    fn told(&self, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), cause_of_io(error, &self.identity))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    /// Not by the `poll_write` of tokio-rustls: when that fails it may have handed over whole
    /// records of these bytes, and does not say so.
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.as_mut().poll_flush(cx))?;
        // Its buffer is empty now, and bounded: it takes something, at most 64 KiB.
        let taken = self.stream.get_mut().1.writer().write_vectored(pieces)?;
        // What remains, the next flush hands over; a socket that failed here fails there again.
        let _ = self.as_mut().poll_flush(cx);
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        flushed.map_err(|error| self.told(&error))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        shut.map_err(|error| self.told(&error))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        read.map_err(|error| self.told(&error))
    }
}

impl<S> fmt::Debug for TlsStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
