//! Messages to the server: sent, not sent, or nobody knows.

use std::time::Duration;

use everlink::websocket::{Payload, SendError};
use futures_util::future::{FutureExt, join_all};

use crate::rig::{Rig, ms, quick};
use crate::server::{Order, Server};

#[actix::test]
async fn messages_arrive_once_each_and_in_their_order() {
    let server = Server::start();
    let rig = Rig::ready(quick(&server.url())).await;
    let texts: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let sending = texts.iter().map(|text| rig.feed.send(Payload::text(text)));
    assert!(join_all(sending).await.into_iter().all(|sent| sent.is_ok()));
    server.until("all", |it| it.received.len() >= 100).await;
    assert_eq!(server.look(|it| it.received.clone()), texts);
}

#[actix::test]
async fn while_the_feed_is_down_nothing_is_sent_or_kept_for_later() {
    let server = Server::refusing();
    let mut rig = Rig::open(quick(&server.url())).await;
    rig.told("connect_failed").await;
    let error = rig.feed.send(Payload::text("no")).await.expect_err("down");
    assert_eq!(error, SendError::Down);
    assert!(error.not_sent());
    server.up();
    rig.told("connected").await;
    rig.feed.send(Payload::text("yes")).await.expect("up");
    server.until("one", |it| !it.received.is_empty()).await;
    assert_eq!(server.look(|it| it.received.clone()), ["yes"]);
}

#[actix::test]
async fn until_the_subscriptions_are_restored_nothing_is_sent() {
    let server = Server::start();
    let mut settings = quick(&server.url());
    settings.link.connect_timeout = Duration::from_secs(30);
    settings.ack_timeout = Duration::from_secs(20);
    server.manner(|it| it.withholds = true);
    let mut rig = Rig::open(settings).await;
    rig.feed.subscribe("a");
    server
        .until("the request", |it| it.only() == Some(vec!["a"]))
        .await;
    let error = rig
        .feed
        .send(Payload::text("no"))
        .await
        .expect_err("not up");
    assert_eq!(error, SendError::Down);
    server.order(Order::Answer);
    rig.told("connected").await;
    rig.feed.send(Payload::text("yes")).await.expect("up");
}

#[actix::test]
async fn what_hangs_halfway_is_of_unknown_outcome_and_what_waits_behind_it_is_not_sent() {
    let server = Server::start();
    let mut settings = quick(&server.url());
    settings.limits.write_buffer = 64 << 20;
    settings.send_timeout = ms(300);
    let mut rig = Rig::ready(settings).await;
    server.order(Order::Hang);
    // More than the buffers of both sockets hold.
    let long = Payload::text("x".repeat(32 << 20));
    let (first, second) = tokio::join!(rig.feed.send(long), rig.feed.send(Payload::text("waits")),);
    assert_eq!(
        (first, second),
        (Err(SendError::Unknown), Err(SendError::Late))
    );
    assert!(!SendError::Unknown.not_sent());
    // One that is being written when the connection is lost.
    let lost = rig.feed.send(Payload::text("still waits"));
    let (lost, ()) = tokio::join!(lost, async { server.order(Order::Reset) });
    assert_eq!(lost, Err(SendError::Down), "it was not begun");
    rig.told("reconnected").await;
    assert_eq!(server.look(|it| it.received.len()), 0);
}

#[actix::test]
async fn what_may_wait_is_bounded() {
    let server = Server::start();
    let mut settings = quick(&server.url());
    settings.limits.write_buffer = 1_000;
    let rig = Rig::ready(settings).await;
    let error = rig.feed.send(Payload::text("x".repeat(1_001))).await;
    assert_eq!(error, Err(SendError::TooLong));
    let sending = (0..5).map(|_| rig.feed.send(Payload::text("x".repeat(400))));
    let sent = join_all(sending).await;
    let full = Err(SendError::Full);
    assert_eq!(
        sent,
        [Ok(()), Ok(()), full, full, full],
        "before any is written"
    );
}

#[actix::test]
async fn a_send_that_is_given_up_before_it_began_is_taken_back() {
    let server = Server::start();
    let rig = Rig::ready(quick(&server.url())).await;
    // Polled once, then dropped, before the writer had its turn.
    let given_up = rig.feed.send(Payload::text("no")).now_or_never();
    assert_eq!(given_up, None);
    rig.feed.send(Payload::text("yes")).await.expect("up");
    server.until("one", |it| !it.received.is_empty()).await;
    assert_eq!(server.look(|it| it.received.clone()), ["yes"]);
}
