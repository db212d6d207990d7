//! The circuit of a feed: opened by failed connects, closed by pings.

use everlink::event::EventKind;
use everlink::link::BreakerOption;
use everlink::policy::{BreakerState, Force, Trip};
use everlink::websocket::{Payload, SendError};

use crate::rig::{Rig, quick};
use crate::server::{Order, Server};

#[actix::test]
async fn three_failed_connects_open_it_and_a_connection_that_answers_pings_closes_it() {
    let server = Server::refusing();
    let mut rig = Rig::open(quick(&server.url())).await;
    let mut kinds = Vec::new();
    let opened = loop {
        let event = rig.event().await;
        if let EventKind::CircuitOpened { trip, .. } = event.kind {
            break trip;
        }
        kinds.push(event.kind.name().to_owned());
    };
    assert_eq!(opened, Trip::Consecutive { failures: 3 });
    let failed = kinds
        .iter()
        .filter(|kind| *kind == "connect_failed")
        .count();
    assert_eq!(failed, 3, "{kinds:?}");
    assert_eq!(rig.feed.circuit(), Some(BreakerState::Open));
    server.up();
    rig.told("circuit_half_open").await;
    rig.told("circuit_closed").await;
    assert_eq!(rig.feed.circuit(), Some(BreakerState::Closed));
    let sent = rig.feed.send(Payload::text("hello")).await;
    assert_eq!(sent, Ok(()));
}

#[actix::test]
async fn losses_far_apart_never_open_it() {
    let server = Server::start();
    let mut rig = Rig::ready(quick(&server.url())).await;
    for _ in 0..6 {
        server.order(Order::Drop);
        loop {
            let kind = rig.event().await.kind;
            assert_ne!(kind.name(), "circuit_opened");
            if kind.name() == "reconnected" {
                break;
            }
        }
    }
}

#[actix::test]
async fn forced_open_it_refuses_what_is_to_be_sent_and_messages_still_come() {
    let server = Server::start();
    let mut rig = Rig::ready(quick(&server.url())).await;
    assert!(rig.feed.force_circuit(Force::Open).await);
    let refused = rig.feed.send(Payload::text("no")).await.expect_err("open");
    assert_eq!(refused, SendError::CircuitOpen);
    assert!(refused.not_sent());
    server.say("still here");
    assert_eq!(rig.text().await, "still here");
    assert!(rig.feed.force_circuit(Force::Release).await);
    rig.told("circuit_closed").await;
    assert_eq!(rig.feed.send(Payload::text("yes")).await, Ok(()));
    server
        .until("the message", |it| it.received == ["yes"])
        .await;
}

#[actix::test]
async fn switched_off_there_is_none() {
    let server = Server::refusing();
    let mut settings = quick(&server.url());
    settings.link.breaker = BreakerOption::Off;
    let mut rig = Rig::open(settings).await;
    for _ in 0..5 {
        rig.told("connect_failed").await;
    }
    assert_eq!(rig.feed.circuit(), None);
    assert!(!rig.feed.force_circuit(Force::Open).await);
}
