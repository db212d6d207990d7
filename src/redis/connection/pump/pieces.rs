//! Replies in many pieces: none is lost between two readers, and few reads are enough.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::redis::command::cmd;
use crate::redis::connection::exchange::Exchange;
use crate::redis::connection::rig::{Rig, local, say, settle, soon};
use crate::redis::resp::Reply;
use crate::redis::value::Value;

/// A server that has said all it has to say, takes everything, and counts how often it is read.
struct Said {
    rest: io::Cursor<Vec<u8>>,
    reads: Rc<Cell<usize>>,
}

impl AsyncRead for Said {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.rest.position() == self.rest.get_ref().len() as u64 {
            return Poll::Pending;
        }
        self.reads.set(self.reads.get() + 1);
        Pin::new(&mut self.rest).poll_read(cx, buf)
    }
}

impl AsyncWrite for Said {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A push or an array of a mebibyte, in short strings.
fn mebibyte(kind: char) -> Vec<u8> {
    let strings = 1024 * 1024 / 64;
    format!(
        "{kind}{strings}\r\n{}",
        format!("$57\r\n{}\r\n", "x".repeat(57)).repeat(strings)
    )
    .into()
}

fn server(said: Vec<u8>) -> (Box<Said>, Rc<Cell<usize>>) {
    let reads = Rc::<Cell<usize>>::default();
    let said = Said {
        rest: io::Cursor::new(said),
        reads: Rc::clone(&reads),
    };
    (Box::new(said), reads)
}

#[tokio::test(start_paused = true)]
async fn a_large_reply_is_read_in_large_pieces() {
    local(async {
        let rig = Rig::new(|_| {});
        let (server, reads) = server(mebibyte('*'));
        // Asked for before anything is read.
        let answer = rig.send("k");
        let _running = rig.run(Exchange::new(server, rig.config.limits));
        let whole = soon(answer).await.expect("answered").expect("a value");
        assert!(matches!(whole, Value::Array(_)));
        // 16 of 64 KiB, and a few smaller ones before.
        assert!(reads.get() <= 20, "{} reads", reads.get());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_large_push_to_an_idle_connection_is_read_in_large_pieces_too() {
    local(async {
        let rig = Rig::new(|_| {});
        let (server, reads) = server(mebibyte('>'));
        let _running = rig.run(Exchange::new(server, rig.config.limits));
        settle().await;
        // 16 of 64 KiB, and a few smaller ones before.
        assert!((17..=22).contains(&reads.get()), "{} reads", reads.get());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_the_handshake_has_read_in_part_is_read_on() {
    local(async {
        let rig = Rig::new(|_| {});
        let (ours, mut peer) = tokio::io::duplex(1024);
        let mut exchange = Exchange::new(Box::new(ours), rig.config.limits);
        say(&mut peer, b"+PONG\r\n>2\r\n+one\r\n+tw").await;
        let pong = exchange.ask(vec![cmd("PING")]).await.expect("an answer");
        assert_eq!(pong, [Reply::Value(Value::Simple("PONG".into()))]);
        assert!(exchange.decoder.pending() > 0);
        let _running = rig.run(exchange);
        let answer = rig.send("k");
        settle().await;
        say(&mut peer, b"o\r\n:7\r\n").await;
        let answer = soon(answer).await.expect("answered");
        assert_eq!(answer.expect("a value"), Value::Int(7));
    })
    .await;
}
