//! How requests and replies flow, and how a silent peer is found. All time here is paused: a sleep moves
//! the clock, and waits for nothing.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use crate::exit::CauseKind;
use crate::redis::command::cmd;
use crate::redis::config::{Buffers, Health, InFlight};
use crate::redis::connection::pump::{PING, Pump};
use crate::redis::connection::rig::{Rig, expect, incr_wire, local, ms, say, settle, soon};
use crate::redis::error::{ErrorKind, Outcome};
use crate::redis::handoff::News;
use crate::redis::value::Value;

#[tokio::test(start_paused = true)]
async fn replies_split_at_any_byte_reach_their_requests() {
    local(async {
        let stream = b":1\r\n$3\r\nt\r\n\r\n*2\r\n:2\r\n$-1\r\n>1\r\n+push\r\n+OK\r\n";
        for cut in 1..stream.len() {
            let rig = Rig::new(|_| {});
            let (mut peer, _running) = rig.connect(1024);
            let answers: Vec<_> = ["a", "b", "c", "d"].map(|key| rig.send(key)).into();
            for key in ["a", "b", "c", "d"] {
                expect(&mut peer, &incr_wire(key)).await;
            }
            say(&mut peer, &stream[..cut]).await;
            settle().await;
            say(&mut peer, &stream[cut..]).await;
            let mut got = Vec::new();
            for answer in answers {
                got.push(soon(answer).await.expect("answered").expect("a value"));
            }
            let two = Value::Array(vec![Value::Int(2), Value::Nil]);
            let text = Value::Bulk(bytes::Bytes::from_static(b"t\r\n"));
            let ok = Value::Simple("OK".into());
            assert_eq!(got, [Value::Int(1), text, two, ok], "cut at {cut}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_request_larger_than_the_buffer_is_written_whole_and_in_its_turn() {
    local(async {
        let rig = Rig::new(|config| config.buffers = Buffers::default().write_bytes(100));
        let (mut peer, _running) = rig.connect(10_000);
        let large = "k".repeat(1_000);
        let keys = ["a", &large, "b", &large, &large, "c"];
        let _answers: Vec<_> = keys.iter().map(|key| rig.send(key)).collect();
        for key in keys {
            expect(&mut peer, &incr_wire(key)).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_one_byte_at_a_time_gets_whole_requests_in_order() {
    local(async {
        let rig = Rig::new(|_| {});
        let (mut peer, _running) = rig.connect(1);
        let answers: Vec<_> = (0..20).map(|n| rig.send(format!("key{n}"))).collect();
        for (n, answer) in answers.into_iter().enumerate() {
            expect(&mut peer, &incr_wire(&format!("key{n}"))).await;
            say(&mut peer, format!(":{n}\r\n").as_bytes()).await;
            let got = soon(answer).await.expect("answered").expect("a value");
            assert_eq!(got, Value::Int(n as i64));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_before_its_replies_are_read_blocks_nobody() {
    local(async {
        let rig = Rig::new(|_| {});
        let (peer, _running) = rig.connect(64);
        let (mut reads, mut writes) = tokio::io::split(peer);
        let big = "x".repeat(100_000);
        let one = rig.send(&big);
        let other = rig.send(&big);
        let request = incr_wire(&big);
        let mut read = vec![0; request.len()];
        reads.read_exact(&mut read).await.expect("the first");
        // Its reply is larger than the buffer, and nothing is read until it is out.
        let reply = format!("${}\r\n{big}\r\n", big.len());
        soon(writes.write_all(reply.as_bytes())).await.expect("out");
        assert!(soon(one).await.expect("answered").is_ok());
        reads.read_exact(&mut read).await.expect("the second");
        soon(writes.write_all(b":2\r\n")).await.expect("out");
        let got = soon(other).await.expect("answered").expect("a value");
        assert_eq!(got, Value::Int(2));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_overdue_request_keeps_its_place_in_the_queue() {
    local(async {
        let rig = Rig::new(|_| {});
        let (mut peer, _running) = rig.connect(1024);
        let began = Instant::now();
        let overdue = rig.send_with("overdue", ms(50), |_| {});
        let dropped = rig.send("dropped");
        let kept = rig.send("kept");
        for key in ["overdue", "dropped", "kept"] {
            expect(&mut peer, &incr_wire(key)).await;
        }
        drop(dropped);
        let error = soon(overdue).await.expect("answered").expect_err("late");
        assert!(matches!(error.kind(), ErrorKind::Deadline(_)), "{error}");
        assert_eq!(error.outcome(), Outcome::Unknown);
        assert!(began.elapsed() < ms(55), "{:?}", began.elapsed());
        say(&mut peer, b":1\r\n:2\r\n:3\r\n").await;
        let got = soon(kept).await.expect("answered").expect("a value");
        assert_eq!(got, Value::Int(3));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_short_deadline_behind_a_full_connection_is_kept() {
    local(async {
        let rig = Rig::new(|config| config.in_flight = InFlight::default().requests(1));
        let (mut peer, _running) = rig.connect(1024);
        let _first = rig.send("first");
        expect(&mut peer, &incr_wire("first")).await;
        let _waits = rig.send("waits");
        settle().await;
        let began = Instant::now();
        let short = rig.send_with("short", ms(20), |_| {});
        let error = soon(short).await.expect("answered").expect_err("late");
        assert_eq!(error.outcome(), Outcome::NotSent);
        assert!(began.elapsed() < ms(25), "{:?}", began.elapsed());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn room_that_a_deadline_makes_is_used_at_once() {
    local(async {
        let rig = Rig::new(|config| config.in_flight = InFlight::default().bytes(1));
        let (mut peer, _running) = rig.connect(1024);
        let first = rig.send_with("first", ms(20), |_| {});
        let _second = rig.send("second");
        expect(&mut peer, &incr_wire("first")).await;
        let began = Instant::now();
        soon(first).await.expect("answered").expect_err("late");
        soon(expect(&mut peer, &incr_wire("second"))).await;
        assert!(began.elapsed() < ms(30), "{:?}", began.elapsed());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_stays_within_its_bounds() {
    local(async {
        let rig = Rig::new(|config| config.in_flight = InFlight::default().requests(3));
        let (mut peer, _running) = rig.connect(4096);
        let mut answers: Vec<_> = (0..9).map(|_| rig.send("k")).collect();
        let wire = incr_wire("k");
        for _ in 0..3 {
            let mut seen = vec![0; 4096];
            settle().await;
            let read = peer.read(&mut seen).await.expect("readable");
            assert_eq!(read, 3 * wire.len());
            say(&mut peer, b":1\r\n:1\r\n:1\r\n").await;
            for answer in answers.drain(..3) {
                soon(answer).await.expect("answered").expect("a value");
            }
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stalled_peer_is_given_up_one_command_deadline_after_its_last_sign() {
    local(async {
        let rig = Rig::new(|_| {});
        let (mut peer, running) = rig.connect(1024);
        tokio::time::sleep(ms(1000)).await;
        let began = Instant::now();
        let answer = rig.send("k");
        expect(&mut peer, &incr_wire("k")).await;
        tokio::time::sleep(ms(499)).await;
        assert!(!rig.lane.is_suspect());
        tokio::time::sleep(ms(2)).await;
        assert!(rig.lane.is_suspect(), "quiet for 500 ms");
        assert_eq!(*rig.news.borrow(), [News::Quiet]);
        let cause = soon(running.end).await.expect("no panic");
        assert_eq!(cause.kind(), CauseKind::Stalled);
        assert!(began.elapsed() >= ms(5000), "{:?}", began.elapsed());
        assert!(began.elapsed() <= ms(7500), "{:?}", began.elapsed());
        assert!(!rig.lane.is_suspect(), "the next connection starts fresh");
        let error = answer.await.expect("answered").expect_err("late");
        assert_eq!(error.outcome(), Outcome::Unknown);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_suspect_peer_gets_no_more_requests_until_it_is_heard_again() {
    local(async {
        let rig = Rig::new(|_| {});
        let (mut peer, _running) = rig.connect(1024);
        let first = rig.send("first");
        expect(&mut peer, &incr_wire("first")).await;
        tokio::time::sleep(ms(501)).await;
        assert!(rig.lane.is_suspect());
        let second = rig.send("second");
        let short = rig.send_with("short", ms(100), |_| {});
        // Nothing is written to a peer that may be paused: what waits can still go elsewhere.
        let error = short.await.expect("answered").expect_err("late");
        assert_eq!(error.outcome(), Outcome::NotSent);
        peer.write_all(b":1\r\n").await.expect("open");
        assert!(soon(first).await.expect("answered").is_ok());
        expect(&mut peer, &incr_wire("second")).await;
        peer.write_all(b":2\r\n").await.expect("open");
        assert!(soon(second).await.expect("answered").is_ok());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_command_with_a_time_of_its_own_is_no_stall() {
    local(async {
        let rig = Rig::new(|config| config.health = Health::default());
        let (mut peer, running) = rig.connect(1024);
        let slow = rig.send_with("slow", Duration::from_secs(60), |_| {});
        expect(&mut peer, &incr_wire("slow")).await;
        tokio::time::sleep(Duration::from_secs(59)).await;
        assert!(!running.end.is_finished());
        say(&mut peer, b":1\r\n").await;
        assert!(soon(slow).await.expect("answered").is_ok());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn asking_goes_before_its_request_and_its_reply_to_nobody() {
    local(async {
        let rig = Rig::new(|_| {});
        let (mut peer, _running) = rig.connect(1024);
        let asked = rig.send_with("a", ms(5000), |request| request.asking = true);
        let plain = rig.send("b");
        expect(&mut peer, &cmd("ASKING").wire()).await;
        expect(&mut peer, &incr_wire("a")).await;
        expect(&mut peer, &incr_wire("b")).await;
        say(&mut peer, b"+OK\r\n:1\r\n:2\r\n").await;
        assert_eq!(
            soon(asked).await.expect("answered").expect("a"),
            Value::Int(1)
        );
        assert_eq!(
            soon(plain).await.expect("answered").expect("b"),
            Value::Int(2)
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_gives_back_what_a_busy_time_left() {
    local(async {
        let rig = Rig::new(|config| config.health = Health::default().idle(ms(100)));
        let (ours, mut peer) = tokio::io::duplex(1 << 20);
        let mut pump = std::pin::pin!(rig.pump(ours));
        let held = |pump: &Pump| pump.unread.capacity() + pump.unwritten.capacity();
        let idle = futures_util::poll!(pump.as_mut()).is_pending();
        assert!(idle && held(&pump) == 0, "nothing was ever asked");
        let answers: Vec<_> = (0..100).map(|_| rig.send("key")).collect();
        let busy = async {
            expect(&mut peer, &incr_wire("key").repeat(100)).await;
            say(&mut peer, &b":1\r\n".repeat(100)).await;
            for answer in answers {
                soon(answer).await.expect("answered").expect("a value");
            }
        };
        tokio::select! {
            end = pump.as_mut() => panic!("{end:?}"),
            () = busy => {}
        }
        assert!(held(&pump) > 16 * 1024, "{}", held(&pump));
        for _ in 0..3 {
            tokio::select! {
                end = pump.as_mut() => panic!("{end:?}"),
                () = expect(&mut peer, PING) => {}
            }
            say(&mut peer, b"+PONG\r\n").await;
            assert!(futures_util::poll!(pump.as_mut()).is_pending());
            assert!(held(&pump) < 1024, "{}", held(&pump));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn without_health_checks_it_does_so_after_five_seconds_and_does_nothing_more() {
    local(async {
        let rig = Rig::new(|config| config.health = Health::default().enabled(false));
        let (ours, mut peer) = tokio::io::duplex(1 << 20);
        let mut pump = std::pin::pin!(rig.pump(ours));
        let held = |pump: &Pump| pump.unread.capacity() + pump.unwritten.capacity();
        for _ in 0..2 {
            // A lone caller, who asks now and then: the buffers stay.
            for _ in 0..10 {
                let answer = rig.send("key");
                let call = async {
                    expect(&mut peer, &incr_wire("key")).await;
                    say(&mut peer, b":1\r\n").await;
                    soon(answer).await.expect("answered").expect("a value");
                    tokio::time::sleep(ms(4900)).await;
                };
                tokio::select! {
                    end = pump.as_mut() => panic!("{end:?}"),
                    () = call => {}
                }
                assert!(held(&pump) > 8 * 1024, "{}", held(&pump));
            }
            let mut polls = 0;
            let counted = std::future::poll_fn(|cx| {
                polls += 1;
                pump.as_mut().poll(cx)
            });
            let idle = timeout(Duration::from_secs(3600), counted).await;
            assert!(idle.is_err(), "it lives");
            assert_eq!(held(&pump), 0);
            assert!(polls < 6, "{polls} in an hour");
        }
    })
    .await;
}
