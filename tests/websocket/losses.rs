//! In how many ways a connection is lost, what each is called, and that all of them heal.

use everlink::exit::CauseKind;
use everlink::websocket::{FeedHealth, FeedSettings};

use crate::rig::{Rig, ms, quick};
use crate::server::{Order, Server};
use crate::support::fault_proxy::{Ending, FaultProxy, Way};

/// The server does this; the connection is lost for that reason, and comes back.
async fn heals(server: &Server, rig: &mut Rig, order: Order) -> (CauseKind, String) {
    let before = server.look(|it| it.accepted);
    server.order(order);
    let lost = rig.lost().await;
    rig.told("reconnected").await;
    assert_eq!(server.look(|it| it.accepted), before + 1);
    server.say("well again");
    rig.gap().await;
    assert_eq!(rig.text().await, "well again");
    lost
}

/// Pings often. The answer may take as long as a busy machine needs for it.
fn watchful(url: &str) -> FeedSettings {
    let mut settings = quick(url);
    settings.health = FeedHealth {
        ping_interval: Some(ms(100)),
        ping_timeout: ms(2_000),
        stale_after: None,
    };
    settings
}

#[actix::test]
async fn ends_with_and_without_a_close_frame_are_told_apart() {
    let server = Server::start();
    let mut rig = Rig::ready(quick(&server.url())).await;
    for (order, kind, detail) in [
        (Order::Drop, CauseKind::Closed, "without a close frame"),
        (Order::Reset, CauseKind::Reset, "reset"),
        (
            Order::Close(1001),
            CauseKind::Closed,
            "close code 1001: as told",
        ),
        (Order::Close(1008), CauseKind::Unavailable, "1008"),
        (Order::Close(1011), CauseKind::Unavailable, "1011"),
        (Order::Close(1002), CauseKind::Protocol, "1002"),
        (Order::Close(4321), CauseKind::Closed, "4321"),
    ] {
        let lost = heals(&server, &mut rig, order).await;
        assert_eq!(lost.0, kind, "{}", lost.1);
        assert!(lost.1.contains(detail), "{}", lost.1);
    }
}

#[actix::test]
async fn a_server_that_hangs_is_found_by_a_ping() {
    let server = Server::start();
    let mut rig = Rig::ready(watchful(&server.url())).await;
    let (kind, detail) = heals(&server, &mut rig, Order::Hang).await;
    assert_eq!(
        (kind, detail.as_str()),
        (CauseKind::Unhealthy, "a ping was not answered in time")
    );
}

#[actix::test]
async fn a_server_that_answers_pings_is_left_alone_however_little_it_says() {
    let server = Server::start();
    let mut rig = Rig::ready(watchful(&server.url())).await;
    rig.feed.subscribe("a");
    // Ten pings; nothing tells of a pong, so time has to pass here.
    tokio::time::sleep(ms(1_000)).await;
    assert_eq!(rig.told_now(), []);
    assert_eq!(server.look(|it| it.accepted), 1);
}

#[actix::test]
async fn a_path_that_swallows_everything_is_found_by_a_ping() {
    let server = Server::start();
    let proxy = FaultProxy::start(server.port()).expect("a proxy");
    let mut rig = Rig::ready(watchful(&format!("ws://127.0.0.1:{}", proxy.port()))).await;
    proxy.stall(Way::ToClient);
    assert_eq!(rig.lost().await.0, CauseKind::Unhealthy);
    proxy.heal();
    rig.told("reconnected").await;
}

#[actix::test]
async fn a_reset_in_the_middle_of_a_message_is_a_reset_and_nothing_of_the_message_arrives() {
    let server = Server::start();
    let proxy = FaultProxy::start(server.port()).expect("a proxy");
    let mut rig = Rig::ready(quick(&format!("ws://127.0.0.1:{}", proxy.port()))).await;
    proxy.cut_after(Way::ToClient, 500, Ending::Reset);
    server.say("x".repeat(1_000));
    assert_eq!(rig.lost().await.0, CauseKind::Reset);
    rig.told("reconnected").await;
    server.say("whole");
    rig.gap().await;
    assert_eq!(rig.text().await, "whole");
}

#[actix::test]
async fn a_feed_that_falls_silent_is_stalled_though_its_pongs_come() {
    let server = Server::start();
    let mut settings = watchful(&server.url());
    settings.health.stale_after = Some(ms(400));
    let mut rig = Rig::open(settings).await;
    rig.told("connected").await;
    // Without a subscription nothing is expected.
    tokio::time::sleep(ms(800)).await;
    assert_eq!(rig.told_now(), []);
    rig.feed.subscribe("a");
    let (kind, detail) = rig.lost().await;
    assert_eq!(
        (kind, detail.as_str()),
        (CauseKind::Stalled, "no message came")
    );
    rig.told("reconnected").await;
}

#[actix::test]
async fn what_is_longer_than_allowed_ends_the_connection_and_is_never_delivered() {
    for (frame, message) in [(1_000, 10_000), (10_000, 1_000)] {
        let server = Server::start();
        let mut settings = quick(&server.url());
        (settings.limits.frame, settings.limits.message) = (frame, message);
        let mut rig = Rig::ready(settings).await;
        server.say("x".repeat(1_000));
        assert_eq!(rig.text().await.len(), 1_000);
        server.say("x".repeat(1_001));
        let (kind, detail) = rig.lost().await;
        assert_eq!(kind, CauseKind::Protocol, "{detail}");
        assert!(
            detail.contains("1001 bytes") && detail.contains("1000 are allowed"),
            "{detail}"
        );
        rig.told("reconnected").await;
        rig.gap().await;
    }
}

#[actix::test]
async fn a_panic_in_the_users_protocol_ends_the_connection_and_nothing_else() {
    let server = Server::start();
    let mut rig = Rig::ready(quick(&server.url())).await;
    server.say("panic");
    assert_eq!(rig.lost().await.0, CauseKind::Panicked);
    rig.told("reconnected").await;
    rig.gap().await;
    server.say("goes on");
    assert_eq!(rig.text().await, "goes on");
}
