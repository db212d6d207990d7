//! What a turn looks at: nothing twice for nothing.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::task::spawn_local;

use crate::redis::connection::exchange::Exchange;
use crate::redis::connection::rig::{Rig, expect, incr_wire, local, say, settle};
use crate::redis::lane::Working;
use crate::redis::value::Value;

/// Counts how often it is asked for what came, in vain or not, and how often it is given something.
struct Counted {
    stream: DuplexStream,
    asked: Rc<Cell<usize>>,
    given: Rc<Cell<usize>>,
}

impl Counted {
    fn new() -> (Self, DuplexStream) {
        let (stream, peer) = tokio::io::duplex(65_536);
        let (asked, given) = Default::default();
        let counted = Self {
            stream,
            asked,
            given,
        };
        (counted, peer)
    }
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
        self.given.set(self.given.get() + 1);
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
        let (counted, mut peer) = Counted::new();
        let asked = Rc::clone(&counted.asked);
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

/// How often is written what 30 callers send who were answered together?
async fn writes_after_a_wave(others_work: bool) -> usize {
    let rig = Rc::new(Rig::new(|_| {}));
    let mut other = Working::for_lane(&rig.lane);
    other.set(others_work);
    let (counted, mut peer) = Counted::new();
    let given = Rc::clone(&counted.given);
    let _running = rig.run(Exchange::new(Box::new(counted), rig.config.limits));
    for _ in 0..30 {
        let rig = Rc::clone(&rig);
        spawn_local(async move { while let Ok(Ok(_)) = rig.send("a").await {} });
    }
    expect(&mut peer, &incr_wire("a").repeat(30)).await;
    settle().await;
    let before = given.get();
    say(&mut peer, &b":1\r\n".repeat(30)).await;
    expect(&mut peer, &incr_wire("a").repeat(30)).await;
    given.get() - before
}

#[tokio::test(start_paused = true)]
async fn callers_are_answered_in_thirds_unless_other_servers_work_meanwhile() {
    local(async {
        assert_eq!(writes_after_a_wave(false).await, 4, "of 10, 8, 8 and 4");
        assert_eq!(writes_after_a_wave(true).await, 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn others_are_told_whether_a_server_works() {
    local(async {
        let rig = Rig::new(|_| {});
        let other = Working::for_lane(&rig.lane);
        for goes in [false, true] {
            let (stream, mut peer) = tokio::io::duplex(65_536);
            let running = rig.run(Exchange::new(Box::new(stream), rig.config.limits));
            settle().await;
            let answers: Vec<_> = (0..4).map(|_| rig.send("a")).collect();
            assert!(!other.others_work());
            expect(&mut peer, &incr_wire("a").repeat(4)).await;
            settle().await;
            assert!(other.others_work(), "four are enough");
            if goes {
                running.end.abort();
            } else {
                say(&mut peer, b":1\r\n").await;
            }
            settle().await;
            assert!(
                !other.others_work(),
                "three are not, nor is a connection that ended"
            );
            drop(answers);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_has_fallen_silent_does_not_count_as_working() {
    local(async {
        let rig = Rig::new(|_| {});
        let other = Working::for_lane(&rig.lane);
        let (stream, mut peer) = tokio::io::duplex(65_536);
        let _running = rig.run(Exchange::new(Box::new(stream), rig.config.limits));
        let answers: Vec<_> = (0..20).map(|_| rig.send("a")).collect();
        expect(&mut peer, &incr_wire("a").repeat(20)).await;
        settle().await;
        assert!(other.others_work());
        tokio::time::sleep(Duration::from_millis(501)).await;
        settle().await;
        assert!(!other.others_work(), "it may be paused");
        say(&mut peer, b":1\r\n").await;
        settle().await;
        assert!(other.others_work(), "it speaks again");
        drop(answers);
    })
    .await;
}
