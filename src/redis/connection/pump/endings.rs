//! What becomes of requests when a connection ends, in each way it can.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::sync::oneshot;

use crate::exit::CauseKind;
use crate::redis::command::cmd;
use crate::redis::connection::rig::{Rig, expect, incr_wire, local, say, settle, soon};
use crate::redis::error::{Error, ErrorKind, Outcome};
use crate::redis::handoff::Reason;
use crate::redis::request::Answer;
use crate::redis::value::Value;

const COMMAND: Duration = Duration::from_secs(5);

async fn error(answer: oneshot::Receiver<Answer>) -> Error {
    soon(answer).await.expect("answered").expect_err("an error")
}

async fn value(answer: oneshot::Receiver<Answer>) -> Value {
    soon(answer).await.expect("answered").expect("a value")
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_nobody_asked_for_ends_the_connection() {
    local(async {
        let rig = Rig::new(|_| {});
        let (mut peer, running) = rig.connect(1024);
        say(&mut peer, b"+OK\r\n").await;
        let cause = soon(running.end).await.expect("no panic");
        assert_eq!(cause.kind(), CauseKind::Protocol);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_comes_before_its_request_was_written_is_not_its_reply() {
    local(async {
        let rig = Rig::new(|_| {});
        let (mut peer, running) = rig.connect(8);
        let answer = rig.send("k");
        settle().await;
        say(&mut peer, b":99\r\n").await;
        let cause = soon(running.end).await.expect("no panic");
        assert_eq!(cause.kind(), CauseKind::Protocol);
        // It was not sent, so the next connection sends it.
        let (mut peer, _running) = rig.connect(1024);
        expect(&mut peer, &incr_wire("k")).await;
        say(&mut peer, b":1\r\n").await;
        assert_eq!(value(answer).await, Value::Int(1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_refused_while_it_is_written_is_not_written_again() {
    local(async {
        let rig = Rig::new(|_| {});
        let (mut peer, running) = rig.connect(32);
        let answer = rig.send("x".repeat(1000));
        settle().await;
        say(&mut peer, b"-ERR Protocol error: invalid bulk length\r\n").await;
        let error = error(answer).await;
        assert!(matches!(error.kind(), ErrorKind::Server(_)), "{error}");
        assert_eq!(error.outcome(), Outcome::Refused);
        let cause = soon(running.end).await.expect("no panic");
        assert_eq!(cause.kind(), CauseKind::Protocol);
        assert!(rig.lane.empty().is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_end_in_the_middle_of_a_reply_leaves_its_outcome_unknown() {
    local(async {
        let rig = Rig::new(|_| {});
        let (mut peer, running) = rig.connect(1024);
        let answers = [rig.send("a"), rig.send("b"), rig.send("c")];
        for key in ["a", "b", "c"] {
            expect(&mut peer, &incr_wire(key)).await;
        }
        say(&mut peer, b":1\r\n$10\r\nhalf").await;
        drop(peer);
        let cause = soon(running.end).await.expect("no panic");
        assert_eq!(cause.kind(), CauseKind::Closed);
        let [a, b, c] = answers;
        assert_eq!(value(a).await, Value::Int(1));
        for answer in [b, c] {
            let error = error(answer).await;
            assert!(matches!(error.kind(), ErrorKind::Lost(_)), "{error}");
            assert_eq!(error.outcome(), Outcome::Unknown);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_was_written_in_part_is_sent_again_and_what_was_written_is_not() {
    local(async {
        for cut in 0..incr_wire("second").len() {
            let rig = Rig::new(|_| {});
            let whole = incr_wire("first").len();
            let (peer, running) = rig.connect(whole + cut);
            let first = rig.send("first");
            let second = rig.send("second");
            let third = rig.send("third");
            settle().await;
            drop(peer);
            soon(running.end).await.expect("no panic");
            assert_eq!(error(first).await.outcome(), Outcome::Unknown, "cut {cut}");
            let (mut peer, _running) = rig.connect(1024);
            expect(&mut peer, &incr_wire("second")).await;
            expect(&mut peer, &incr_wire("third")).await;
            say(&mut peer, b":2\r\n:3\r\n").await;
            assert_eq!(value(second).await, Value::Int(2));
            assert_eq!(value(third).await, Value::Int(3));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_to_a_connection_that_is_known_to_have_ended() {
    local(async {
        let rig = Rig::new(|_| {});
        let (mut peer, running) = rig.connect(1024);
        settle().await;
        // Both are seen in the same turn.
        tokio::io::AsyncWriteExt::shutdown(&mut peer)
            .await
            .expect("closed");
        let answer = rig.send("k");
        let cause = soon(running.end).await.expect("no panic");
        assert_eq!(cause.kind(), CauseKind::Closed);
        let mut seen = Vec::new();
        peer.read_to_end(&mut seen).await.expect("readable");
        assert_eq!(seen.escape_ascii().to_string(), "");
        let (mut peer, _running) = rig.connect(1024);
        expect(&mut peer, &incr_wire("k")).await;
        say(&mut peer, b":1\r\n").await;
        assert_eq!(value(answer).await, Value::Int(1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_executed_once_is_never_called_not_sent_later() {
    local(async {
        let rig = Rig::new(|_| {});
        let (mut peer, running) = rig.connect(1024);
        let answer = rig.send_with("k", COMMAND, |request| request.repeatable = true);
        expect(&mut peer, &incr_wire("k")).await;
        drop(peer);
        soon(running.end).await.expect("no panic");
        settle().await;
        let bounced = rig.bounced.borrow_mut().pop().expect("it may be repeated");
        // The second connection takes only a part of it.
        drop(rig.lane.submit(bounced.request));
        let (peer, running) = rig.connect(8);
        settle().await;
        drop(peer);
        soon(running.end).await.expect("no panic");
        rig.lane.down(None);
        rig.lane
            .expire(tokio::time::Instant::now().into_std() + 2 * COMMAND);
        assert_eq!(error(answer).await.outcome(), Outcome::Unknown);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_executed_once_is_not_refused_by_a_later_refusal() {
    local(async {
        let rig = Rig::new(|_| {});
        let (mut peer, _running) = rig.connect(1024);
        let answer = rig.send_with("k", COMMAND, |request| request.perhaps_sent = true);
        let plain = rig.send("k");
        expect(&mut peer, &incr_wire("k")).await;
        say(&mut peer, b"-OOM no memory\r\n-OOM no memory\r\n").await;
        let error_of_repeated = error(answer).await;
        assert!(matches!(error_of_repeated.kind(), ErrorKind::Server(_)));
        assert_eq!(error_of_repeated.outcome(), Outcome::Unknown);
        assert_eq!(error(plain).await.outcome(), Outcome::Refused);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_a_node_redirects_counts_as_not_sent_from_then_on() {
    local(async {
        let rig = Rig::new(|_| {});
        let (mut peer, _running) = rig.connect(1024);
        let answer = rig.send("k");
        expect(&mut peer, &incr_wire("k")).await;
        say(&mut peer, b"-MOVED 1 localhost:2\r\n").await;
        settle().await;
        let bounced = rig.bounced.borrow_mut().pop().expect("handed back");
        assert!(matches!(bounced.reason, Reason::Reply(_)));
        // Its router ends before it brings it anywhere.
        drop(bounced);
        assert_eq!(error(answer).await.outcome(), Outcome::NotSent);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_asking_request_that_is_put_back_asks_again() {
    local(async {
        let rig = Rig::new(|_| {});
        let (peer, running) = rig.connect(4);
        let answer = rig.send_with("k", COMMAND, |request| request.asking = true);
        settle().await;
        drop(peer);
        soon(running.end).await.expect("no panic");
        let (mut peer, _running) = rig.connect(1024);
        expect(&mut peer, &cmd("ASKING").wire()).await;
        expect(&mut peer, &incr_wire("k")).await;
        say(&mut peer, b"+OK\r\n-ASK 1 localhost:2\r\n").await;
        settle().await;
        let bounced = rig.bounced.borrow_mut().pop().expect("handed back");
        assert!(
            !bounced.request.asking,
            "the next node asks only if told to"
        );
        drop((bounced, answer));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn unsent_requests_of_a_node_that_left_go_back_to_the_router() {
    local(async {
        let rig = Rig::new(|_| {});
        let (peer, running) = rig.connect(4);
        let answer = rig.send("k");
        settle().await;
        assert!(rig.lane.close().is_empty());
        drop(peer);
        soon(running.end).await.expect("no panic");
        settle().await;
        let bounced = rig.bounced.borrow_mut().pop().expect("handed back");
        bounced.answer();
        assert_eq!(error(answer).await.outcome(), Outcome::NotSent);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn draining_finishes_what_is_in_flight_and_takes_nothing_more() {
    local(async {
        let rig = Rig::new(|_| {});
        let (mut peer, running) = rig.connect(1024);
        let before = rig.send("before");
        expect(&mut peer, &incr_wire("before")).await;
        rig.lane.down(None);
        running.ending.drain();
        let after = rig.send("after");
        settle().await;
        assert!(!running.end.is_finished());
        say(&mut peer, b":1\r\n").await;
        assert_eq!(value(before).await, Value::Int(1));
        let cause = soon(running.end).await.expect("no panic");
        assert_eq!(cause.kind(), CauseKind::Requested);
        let mut seen = Vec::new();
        peer.read_to_end(&mut seen).await.expect("readable");
        assert_eq!(seen.escape_ascii().to_string(), "");
        let (mut peer, _running) = rig.connect(1024);
        expect(&mut peer, &incr_wire("after")).await;
        drop(after);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_last_drain_sends_what_was_accepted() {
    local(async {
        let rig = Rig::new(|config| config.in_flight.requests = 1);
        let (mut peer, running) = rig.connect(1024);
        let answers = [rig.send("a"), rig.send("b"), rig.send("c")];
        assert_eq!(rig.lane.finish(), 0);
        running.ending.drain();
        for key in ["a", "b", "c"] {
            expect(&mut peer, &incr_wire(key)).await;
            say(&mut peer, b":1\r\n").await;
        }
        for answer in answers {
            assert_eq!(value(answer).await, Value::Int(1));
        }
        let cause = soon(running.end).await.expect("no panic");
        assert_eq!(cause.kind(), CauseKind::Requested);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn closing_at_once_settles_what_is_in_flight() {
    local(async {
        let rig = Rig::new(|_| {});
        let (mut peer, running) = rig.connect(1024);
        let answer = rig.send("k");
        expect(&mut peer, &incr_wire("k")).await;
        running.ending.now();
        let cause = soon(running.end).await.expect("no panic");
        assert_eq!(cause.kind(), CauseKind::Requested);
        assert_eq!(error(answer).await.outcome(), Outcome::Unknown);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_abort_settles_everything_with_or_without_a_router() {
    local(async {
        for repeatable in [false, true] {
            let rig = Rig::new(|_| {}).without_router();
            let (mut peer, running) = rig.connect(incr_wire("a").len() + 3);
            let a = rig.send_with("a", COMMAND, |request| request.repeatable = repeatable);
            let b = rig.send("b");
            settle().await;
            running.end.abort();
            assert!(soon(running.end).await.expect_err("aborted").is_cancelled());
            let lost = error(a).await;
            assert!(matches!(lost.kind(), ErrorKind::Lost(_)), "{lost}");
            assert_eq!(lost.outcome(), Outcome::Unknown);
            let mut seen = Vec::new();
            peer.read_to_end(&mut seen).await.expect("readable");
            assert_eq!(seen.len(), incr_wire("a").len() + 3);
            assert_eq!(rig.lane.finish(), 0, "it was up, and b waits in it");
            rig.lane.close();
            assert_eq!(error(b).await.outcome(), Outcome::NotSent);
        }
    })
    .await;
}
