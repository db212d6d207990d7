//! Streams that keep what they took until they are flushed, as TLS does.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use crate::redis::connection::exchange::Exchange;
use crate::redis::connection::rig::{Rig, expect, incr_wire, local, say, settle};
use crate::redis::error::Outcome;
use crate::redis::value::Value;

/// Takes everything at once, and hands it on only when it is flushed.
struct Keeping {
    stream: DuplexStream,
    kept: BytesMut,
}

impl Keeping {
    /// Its peer takes so many bytes unread.
    fn new(buffer: usize) -> (Box<Self>, DuplexStream) {
        let (stream, peer) = tokio::io::duplex(buffer);
        let kept = BytesMut::new();
        (Box::new(Self { stream, kept }), peer)
    }
}

impl AsyncRead for Keeping {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Keeping {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.kept.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, kept } = &mut *self;
        while !kept.is_empty() {
            let written = ready!(Pin::new(&mut *stream).poll_write(cx, kept))?;
            kept.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn no_byte_stays_in_the_stream_however_slowly_the_peer_reads() {
    local(async {
        // No flush is done at the first attempt.
        let rig = Rig::new(|_| {});
        let (stream, mut peer) = Keeping::new(5);
        let _running = rig.run(Exchange::new(stream, rig.config.limits));
        for round in 0..3 {
            let keys: Vec<_> = (0..20).map(|n| format!("k{round}-{n}")).collect();
            let answers: Vec<_> = keys.iter().map(|key| rig.send(key)).collect();
            for key in &keys {
                expect(&mut peer, &incr_wire(key)).await;
            }
            for answer in answers {
                say(&mut peer, b":1\r\n").await;
                let answer = answer.await.expect("answered");
                assert_eq!(answer.expect("a value"), Value::Int(1));
            }
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_the_stream_took_counts_as_perhaps_sent() {
    local(async {
        let rig = Rig::new(|_| {});
        let (stream, peer) = Keeping::new(5);
        let running = rig.run(Exchange::new(stream, rig.config.limits));
        let answer = rig.send("k");
        settle().await;
        drop(peer);
        running.end.await.expect("no panic");
        let lost = answer.await.expect("answered").expect_err("lost");
        assert_eq!(lost.outcome(), Outcome::Unknown);
    })
    .await;
}
