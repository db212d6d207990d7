//! Health checks: who is found to be gone, and who is alive.

use tokio::time::Instant;

use super::PING;
use crate::exit::CauseKind;
use crate::redis::connection::rig::{Rig, expect, incr_wire, local, ms, say, soon};
use crate::redis::value::Value;

#[tokio::test(start_paused = true)]
async fn an_idle_peer_that_is_gone_is_found_by_three_pings() {
    local(async {
        let rig = Rig::new(|_| {});
        let began = Instant::now();
        let (mut peer, running) = rig.connect(1024);
        for at in [5000, 7000, 9000] {
            expect(&mut peer, PING).await;
            let late = began.elapsed().as_millis().abs_diff(at);
            assert!(late < 5, "{:?}", began.elapsed());
        }
        let cause = soon(running.end).await.expect("no panic");
        assert_eq!(cause.kind(), CauseKind::Unhealthy);
        assert!(began.elapsed() >= ms(11_000), "{:?}", began.elapsed());
        assert!(began.elapsed() < ms(11_010), "{:?}", began.elapsed());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_falls_silent_in_the_middle_of_its_answer_to_a_ping_is_found_too() {
    for said in [&b"+PO"[..], b">1\r\n+news\r\n", b">2\r\n+news\r\n"] {
        local(async {
            let rig = Rig::new(|_| {});
            let (mut peer, running) = rig.connect(1024);
            expect(&mut peer, PING).await;
            say(&mut peer, said).await;
            let cause = soon(running.end).await.expect("no panic");
            assert_eq!(cause.kind(), CauseKind::Unhealthy);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_news_in_place_of_every_answer_to_a_ping_is_found_too() {
    local(async {
        let rig = Rig::new(|_| {});
        let began = Instant::now();
        let (mut peer, running) = rig.connect(1024);
        for _ in 0..3 {
            expect(&mut peer, PING).await;
            say(&mut peer, b">1\r\n+news\r\n").await;
        }
        let cause = soon(running.end).await.expect("no panic");
        assert_eq!(cause.kind(), CauseKind::Unhealthy);
        // When the fourth was due.
        assert!(began.elapsed() < ms(20_020), "{:?}", began.elapsed());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_peer_that_answers_pings_with_an_error_is_alive() {
    local(async {
        let rig = Rig::new(|_| {});
        let (mut peer, running) = rig.connect(1024);
        for _ in 0..20 {
            expect(&mut peer, PING).await;
            say(&mut peer, b"-LOADING dataset\r\n").await;
        }
        assert!(!running.end.is_finished());
        let answer = rig.send("k");
        expect(&mut peer, &incr_wire("k")).await;
        say(&mut peer, b":7\r\n").await;
        let got = soon(answer).await.expect("answered").expect("a value");
        assert_eq!(got, Value::Int(7));
    })
    .await;
}
