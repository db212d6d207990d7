//! Requests too large for the write buffer are written from where they are, whatever happens meanwhile.
//! All time here is paused: a sleep moves the clock, and waits for nothing.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::PING;
use crate::endpoint::LinkName;
use crate::redis::command::cmd;
use crate::redis::config::Buffers;
use crate::redis::connection::exchange::Exchange;
use crate::redis::connection::rig::{
    Rig, expect, incr_wire, local, ms, request, say, settle, soon,
};
use crate::redis::error::{Outcome, Result};
use crate::redis::request::Answer;
use crate::redis::value::Value;

const SMALL: usize = 100;

fn rig() -> Rig {
    Rig::new(|config| config.buffers = Buffers::default().write_bytes(SMALL))
}

fn large() -> String {
    "k".repeat(1_000)
}

async fn answer(answer: oneshot::Receiver<Answer>) -> Result<Value> {
    soon(answer).await.expect("answered")
}

/// Reads half of what the large request is on the wire, and gives the rest.
async fn half(peer: &mut DuplexStream) -> Vec<u8> {
    let mut wire = incr_wire(&large());
    let rest = wire.split_off(wire.len() / 2);
    expect(peer, &wire).await;
    rest
}

#[tokio::test(start_paused = true)]
async fn nothing_of_it_is_copied_and_nothing_is_taken_before_it_is_out() {
    local(async {
        let rig = rig();
        let (mut peer, _running) = rig.connect(64);
        let (first, second) = (rig.send(large()), rig.send("b"));
        settle().await;
        let held = rig.lane.gauges().read(LinkName::from("redis/a"), None, 0);
        assert_eq!(held.write_buffer, 0, "{held:?}");
        assert!(held.in_flight > large().len(), "{held:?}");
        assert!(rig.lane.has_waiting());
        expect(&mut peer, &incr_wire(&large())).await;
        expect(&mut peer, &incr_wire("b")).await;
        say(&mut peer, b":1\r\n:2\r\n").await;
        assert_eq!(answer(first).await.expect("a value"), Value::Int(1));
        assert_eq!(answer(second).await.expect("a value"), Value::Int(2));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn nothing_of_it_is_copied_because_the_time_of_another_has_passed() {
    local(async {
        let rig = rig();
        let (mut peer, _running) = rig.connect(64);
        let late = rig.send_with("a", ms(50), |_| {});
        expect(&mut peer, &incr_wire("a")).await;
        let answered = rig.send(large());
        assert!(answer(late).await.is_err());
        settle().await;
        let held = rig.lane.gauges().read(LinkName::from("redis/a"), None, 0);
        assert_eq!(held.write_buffer, 0, "{held:?}");
        expect(&mut peer, &incr_wire(&large())).await;
        say(&mut peer, b":1\r\n:2\r\n").await;
        assert_eq!(answer(answered).await.expect("a value"), Value::Int(2));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_it_is_written_though_its_time_has_passed() {
    local(async {
        let rig = rig();
        let (mut peer, _running) = rig.connect(64);
        let late = rig.send_with(large(), ms(50), |_| {});
        let rest = half(&mut peer).await;
        let error = answer(late).await.expect_err("its time has passed");
        assert_eq!(error.outcome(), Outcome::Unknown);
        let next = rig.send("b");
        expect(&mut peer, &rest).await;
        expect(&mut peer, &incr_wire("b")).await;
        say(&mut peer, b":1\r\n:2\r\n").await;
        assert_eq!(answer(next).await.expect("a value"), Value::Int(2));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_health_check_is_written_behind_it() {
    local(async {
        let rig = rig();
        let (mut peer, _running) = rig.connect(64);
        expect(&mut peer, PING).await;
        let answered = rig.send(large());
        let rest = half(&mut peer).await;
        // The check has its time, and is asked again.
        tokio::time::sleep(rig.config.health.timeout).await;
        expect(&mut peer, &rest).await;
        expect(&mut peer, PING).await;
        say(&mut peer, b"+PONG\r\n:1\r\n+PONG\r\n").await;
        assert_eq!(answer(answered).await.expect("a value"), Value::Int(1));
        // Nothing else was written.
        let mut more = [0];
        let silent = Duration::from_secs(1);
        let read = timeout(silent, peer.read(&mut more)).await;
        assert!(read.is_err(), "{read:?}");
    })
    .await;
}

/// A peer that says nothing, and takes so many bytes at a time, from however many pieces.
struct Taking {
    at_once: usize,
    taken: Rc<RefCell<Vec<Vec<u8>>>>,
}

impl AsyncRead for Taking {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Taking {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = pieces.iter().flat_map(|piece| piece.iter().copied());
        let taken: Vec<u8> = bytes.take(self.at_once).collect();
        let written = taken.len();
        self.taken.borrow_mut().push(taken);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn values_that_were_not_copied_leave_with_what_stands_around_them() {
    for at_once in [1, 3, 1_000, usize::MAX] {
        local(async {
            let rig = rig();
            let values = ["v", "w"].map(|value| Bytes::from(value.repeat(5_000)));
            let set = cmd("MSET").arg(("a", &values[0], "b", &values[1]));
            let mut wire = incr_wire("first");
            wire.extend_from_slice(&set.wire());
            wire.extend(incr_wire("last"));
            let answers = [
                rig.send("first"),
                {
                    let (request, answer) = request(set, ms(600_000));
                    drop(rig.lane.submit(request));
                    answer
                },
                rig.send("last"),
            ];
            let taken = Rc::<RefCell<Vec<Vec<u8>>>>::default();
            let stream = Taking {
                at_once,
                taken: Rc::clone(&taken),
            };
            let _running = rig.run(Exchange::new(Box::new(stream), rig.config.limits));
            settle().await;
            let taken = taken.borrow();
            assert!(taken.concat() == wire, "{at_once} at once");
            if at_once == usize::MAX {
                assert_eq!(taken.len(), 3, "one call for each, in its turn");
            }
            drop(answers);
        })
        .await;
    }
}
