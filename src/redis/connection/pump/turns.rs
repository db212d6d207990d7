//! What a turn looks at: nothing twice for nothing.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use crate::redis::connection::exchange::Exchange;
use crate::redis::connection::rig::{Rig, expect, incr_wire, local, say, settle};
use crate::redis::value::Value;

/// Counts how often it is asked for what came, in vain or not.
struct Counted {
    stream: DuplexStream,
    asked: Rc<Cell<usize>>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.asked.set(self.asked.get() + 1);
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_writes_all_it_finds_looks_once_at_its_stream_and_its_lane() {
    local(async {
        let rig = Rig::new(|_| {});
        let (stream, mut peer) = tokio::io::duplex(1024);
        let asked = Rc::<Cell<usize>>::default();
        let counted = Counted {
            stream,
            asked: Rc::clone(&asked),
        };
        let _running = rig.run(Exchange::new(Box::new(counted), rig.config.limits));
        settle().await;
        let before = (asked.get(), rig.lane.looks());
        let answers = ["a", "b", "c"].map(|key| rig.send(key));
        for key in ["a", "b", "c"] {
            expect(&mut peer, &incr_wire(key)).await;
        }
        settle().await;
        // Each that was brought was a look, too.
        assert_eq!(
            (asked.get(), rig.lane.looks()),
            (before.0 + 1, before.1 + 4)
        );
        say(&mut peer, b":1\r\n:1\r\n:1\r\n").await;
        settle().await;
        // Once more, to be woken by what comes next; what was given out may have brought calls.
        assert_eq!(
            (asked.get(), rig.lane.looks()),
            (before.0 + 3, before.1 + 5)
        );
        for answer in answers {
            let answer = answer.await.expect("answered");
            assert_eq!(answer.expect("a value"), Value::Int(1));
        }
    })
    .await;
}
