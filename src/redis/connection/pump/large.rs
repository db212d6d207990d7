//! Requests too large for the write buffer are written from where they are, whatever happens meanwhile.
//! All time here is paused: a sleep moves the clock, and waits for nothing.

use std::time::Duration;

use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::PING;
use crate::endpoint::LinkName;
use crate::redis::config::Buffers;
use crate::redis::connection::rig::{Rig, expect, incr_wire, local, ms, say, settle, soon};
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
