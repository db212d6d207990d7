//! What keeps a feed from coming up, and what follows.

use everlink::event::LinkState;
use everlink::exit::CauseKind;
use everlink::secret::Secret;

use crate::rig::{Rig, SOON, ms, quick};
use crate::server::{Handshake, Order, Server};

#[actix::test]
async fn a_server_that_is_not_there_is_tried_until_it_is() {
    let server = Server::refusing();
    let mut rig = Rig::open(quick(&server.url())).await;
    for _ in 0..3 {
        assert_eq!(rig.failed().await.0, CauseKind::Refused);
    }
    assert!(rig.feed.ready(ms(1)).await.is_err());
    server.up();
    rig.feed.ready(SOON).await.expect("it is there");
    let status = rig.feed.status().await.expect("known");
    assert_eq!((status.state, status.connects), (LinkState::Up, 1));
    assert_eq!(
        status.last_error.expect("of before").kind(),
        CauseKind::Refused
    );
}

#[actix::test]
async fn wrong_credentials_park_the_feed_until_somebody_acts() {
    for status in [401, 403] {
        let server = Server::start();
        server.manner(|it| it.handshake = Handshake::Status(status));
        let mut rig = Rig::open(quick(&server.url())).await;
        let (kind, detail) = rig.failed().await;
        assert_eq!(kind, CauseKind::Denied);
        assert!(detail.contains(&status.to_string()), "{detail}");
        rig.told("gave_up").await;
        // Nobody waits for what does not come by itself.
        let waited = rig.feed.ready(SOON * 1_000).await;
        assert!(waited.expect_err("parked").to_string().contains("denied"));
        server.manner(|it| it.handshake = Handshake::Done);
        rig.feed.reconnect().await;
        rig.told("connected").await;
        assert_eq!(server.look(|it| it.accepted), 2);
    }
}

#[actix::test]
async fn other_answers_to_the_handshake_are_tried_again() {
    let server = Server::start();
    for (handshake, kind) in [
        (Handshake::Status(503), CauseKind::Unavailable),
        (Handshake::Status(429), CauseKind::Unavailable),
        (Handshake::Status(404), CauseKind::Unavailable),
        (Handshake::Garbage, CauseKind::Protocol),
    ] {
        server.manner(|it| it.handshake = handshake);
        let mut rig = Rig::open(quick(&server.url())).await;
        for _ in 0..2 {
            let failed = rig.failed().await;
            assert_eq!(failed.0, kind, "{handshake:?}: {}", failed.1);
        }
        server.manner(|it| it.handshake = Handshake::Done);
        rig.told("connected").await;
    }
}

#[actix::test]
async fn a_redirect_parks_the_feed_since_credentials_go_nowhere_else() {
    let server = Server::start();
    server.manner(|it| it.handshake = Handshake::Status(302));
    let mut rig = Rig::open(quick(&server.url())).await;
    assert_eq!(rig.failed().await.0, CauseKind::Misconfigured);
    rig.told("gave_up").await;
}

#[actix::test]
async fn a_handshake_that_is_never_answered_ends_at_the_connect_deadline() {
    let server = Server::start();
    server.manner(|it| it.handshake = Handshake::Mute);
    let mut settings = quick(&server.url());
    settings.ack_timeout = ms(100);
    settings.link.connect_timeout = ms(200);
    let mut rig = Rig::open(settings).await;
    assert_eq!(rig.failed().await.0, CauseKind::ConnectTimeout);
    server.manner(|it| it.handshake = Handshake::Done);
    rig.told("connected").await;
    server.until("one socket", |it| it.sockets == 1).await;
}

#[actix::test]
async fn headers_and_credentials_arrive_and_are_shown_nowhere() {
    let server = Server::start();
    let url = format!(
        "ws://kim:hidden@127.0.0.1:{}/v1?token=hidden",
        server.port()
    );
    let mut settings = quick(&url);
    settings
        .headers
        .insert("X-Api-Key".to_owned(), Secret::from("hidden"));
    let mut rig = Rig::open(settings.clone()).await;
    let event = rig.told("connected").await;
    server.look(|it| {
        assert_eq!(it.target, "/v1?token=hidden");
        assert_eq!(it.headers["x-api-key"], "hidden");
        // `kim:hidden` (RFC 7617).
        assert_eq!(it.headers["authorization"], "Basic a2ltOmhpZGRlbg==");
        assert_eq!(it.headers["host"], format!("127.0.0.1:{}", server.port()));
    });
    let status = rig.feed.status().await.expect("known");
    let event = serde_json::to_string(&event).expect("can be written");
    let status = serde_json::to_string(&status).expect("can be written");
    for shown in [event, status, format!("{settings:?} {:?}", rig.feed)] {
        assert!(
            !shown.contains("hidden") && !shown.contains("a2lt"),
            "{shown}"
        );
    }
}

#[actix::test]
async fn a_feed_moves_to_another_port_by_reconfiguration_and_keeps_its_subscriptions() {
    let (old, new) = (Server::start(), Server::start());
    let mut rig = Rig::open(quick(&old.url())).await;
    rig.feed.subscribe("a");
    rig.told("connected").await;
    old.down(Order::Reset).await;
    rig.told("connect_failed").await;
    let url = new.url();
    rig.feed.reconfigure(quick(&url)).await.expect("valid");
    let event = rig.told("reconnected").await;
    assert_eq!(event.endpoint.expect("one").to_string(), url);
    assert!(new.look(|it| it.only() == Some(vec!["a"])));
    assert_eq!(rig.gap().await.topics, ["a".into()]);
}

#[actix::test]
async fn reconnect_replaces_the_connection_and_says_that_it_was_asked_for() {
    let server = Server::start();
    let mut rig = Rig::open(quick(&server.url())).await;
    rig.feed.subscribe("a");
    rig.told("connected").await;
    rig.feed.reconnect().await;
    assert_eq!(rig.lost().await.0, CauseKind::Requested);
    rig.told("reconnected").await;
    server.until("one socket", |it| it.sockets == 1).await;
    assert!(server.look(|it| it.only() == Some(vec!["a"])));
    assert_eq!(server.look(|it| it.closed_with.clone()), [1000]);
}
