//! The ends of a feed: asked for, and by dropping it.

use std::time::Duration;

use everlink::event::LinkState;
use tokio::time::Instant;

use crate::rig::{Rig, SOON, gone, ms, quick};
use crate::server::{Order, Server};
use crate::support::waiting::Wait;

#[actix::test]
async fn a_stop_says_farewell_and_delivers_what_waits() {
    let server = Server::start();
    let mut rig = Rig::ready(quick(&server.url())).await;
    rig.gate.send_replace(false);
    for number in 0..10 {
        server.say(number.to_string());
    }
    let mut wait = Wait::up_to(SOON, "nine to wait");
    while rig.feed.waiting().0 < 9 {
        wait.again(rig.feed.waiting().0).await.expect("they wait");
    }
    let feed = rig.feed.clone();
    let stopping = actix::spawn(async move { feed.stop().await });
    rig.told("stopped").await;
    assert!(
        !stopping.is_finished(),
        "the subscriber still has messages to come"
    );
    rig.gate.send_replace(true);
    stopping.await.expect("it ends");
    let delivered = rig.delivered();
    assert_eq!(delivered.len(), 10, "{delivered:?}");
    server.until("no socket", |it| it.sockets == 0).await;
    assert_eq!(server.look(|it| it.closed_with.clone()), [1000]);
}

#[actix::test]
async fn a_stopped_feed_starts_again_with_its_subscriptions_and_tells_the_gap() {
    let server = Server::start();
    let mut rig = Rig::open(quick(&server.url())).await;
    rig.feed.subscribe("a");
    rig.told("connected").await;
    rig.feed.stop().await;
    let status = rig.feed.status().await.expect("known");
    assert_eq!(status.state, LinkState::Stopped);
    rig.feed.start().await;
    rig.told("stopped").await;
    rig.told("connected").await;
    assert!(server.look(|it| it.only() == Some(vec!["a"])));
    assert_eq!(rig.gap().await.topics, ["a".into()]);
}

#[actix::test]
async fn a_stop_is_bounded_where_neither_server_nor_subscriber_answers() {
    let server = Server::start();
    let mut settings = quick(&server.url());
    settings.link.drain_timeout = ms(300);
    settings.link.kill_timeout = ms(300);
    let rig = Rig::ready(settings).await;
    rig.gate.send_replace(false);
    server.say("never handled");
    let mut wait = Wait::up_to(SOON, "the message");
    while rig.feed.status().await.expect("known").last_used.is_none() {
        wait.again("not read").await.expect("read");
    }
    server.order(Order::Hang);
    let began = Instant::now();
    rig.feed.stop().await;
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
    server.down(Order::Reset).await;
}

#[actix::test]
async fn the_socket_of_a_feed_is_closed_when_its_last_handle_is_dropped() {
    let server = Server::start();
    let rig = Rig::ready(quick(&server.url())).await;
    let alive = rig.alive.clone();
    let another = rig.feed.clone();
    drop(rig);
    assert_eq!(another.status().await.expect("known").state, LinkState::Up);
    drop(another);
    server.until("no socket", |it| it.sockets == 0).await;
    gone(&alive).await;
}
