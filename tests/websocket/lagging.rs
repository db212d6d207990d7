//! A subscriber that is too slow.

use everlink::exit::CauseKind;
use everlink::websocket::{Lag, News};

use crate::rig::{Rig, SOON, message, quick};
use crate::server::Server;
use crate::support::waiting::Wait;

/// With room for three, and a subscriber that hangs while the first message is with it.
async fn hung(server: &Server, lag: Lag) -> Rig {
    let mut settings = quick(&server.url());
    settings.queue.messages = 3;
    settings.queue.when_lagging = lag;
    let mut rig = Rig::ready(settings).await;
    hold(server, &mut rig).await;
    rig
}

async fn hold(server: &Server, rig: &mut Rig) {
    rig.gate.send_replace(false);
    server.say("with the subscriber");
    rig.taken(1).await;
}

/// The server has said all this, and the feed has read it.
async fn said(server: &Server, rig: &mut Rig, texts: &[&str]) -> Vec<News> {
    for text in texts {
        server.say(*text);
    }
    // Its own subscription is answered after what was said before.
    rig.feed.subscribe("marker");
    let mut wait = Wait::up_to(SOON, "the answer");
    use everlink::websocket::SubscriptionState::Subscribed;
    while rig.feed.subscriptions()[0].1 != Subscribed {
        wait.again("none").await.expect("answered");
    }
    rig.gate.send_replace(true);
    assert_eq!(rig.text().await, "with the subscriber");
    let mut wait = Wait::up_to(SOON, "all to be delivered");
    while rig.feed.waiting().0 > 0 {
        wait.again(rig.feed.waiting().0).await.expect("it is");
    }
    let mut told = Vec::new();
    server.say("end");
    loop {
        match rig.news().await {
            News::Message(payload) if payload.as_text() == Some("end") => return told,
            news => told.push(news),
        }
    }
}

fn dropped(count: u64) -> News {
    News::Dropped { count }
}

#[actix::test]
async fn the_oldest_are_dropped_and_counted() {
    let server = Server::start();
    let mut rig = hung(&server, Lag::DropOldest).await;
    let told = said(&server, &mut rig, &["1", "2", "3", "4", "5"]).await;
    assert_eq!(told, [dropped(2), message("3"), message("4"), message("5")]);
}

#[actix::test]
async fn the_newest_are_dropped_and_counted_where_they_are_missing() {
    let server = Server::start();
    let mut rig = hung(&server, Lag::DropNewest).await;
    let told = said(&server, &mut rig, &["1", "2", "3", "4", "5"]).await;
    assert_eq!(told, [message("1"), message("2"), message("3"), dropped(2)]);
}

#[actix::test]
async fn the_latest_of_each_key_is_kept() {
    let server = Server::start();
    let mut rig = hung(&server, Lag::KeepLatest).await;
    let told = said(&server, &mut rig, &["a=1", "b=1", "a=2", "a=3", "a=4"]).await;
    let expected = [
        dropped(1),
        message("b=1"),
        dropped(1),
        message("a=3"),
        message("a=4"),
    ];
    assert_eq!(told, expected);
}

#[actix::test]
async fn a_bound_in_bytes_holds_as_well() {
    let server = Server::start();
    let mut settings = quick(&server.url());
    settings.queue.bytes = 10_000;
    let mut rig = Rig::ready(settings).await;
    hold(&server, &mut rig).await;
    let long = "x".repeat(4_000);
    let told = said(&server, &mut rig, &[&long, &long, &long]).await;
    assert_eq!(told, [dropped(1), message(&long), message(&long)]);
}

#[actix::test]
async fn to_disconnect_is_no_failure_of_the_server_and_what_waited_is_delivered() {
    let server = Server::start();
    let mut rig = hung(&server, Lag::Disconnect).await;
    for text in ["1", "2", "3", "4"] {
        server.say(text);
    }
    assert_eq!(rig.lost().await.0, CauseKind::Lagging);
    rig.told("reconnected").await;
    rig.gate.send_replace(true);
    assert_eq!(rig.text().await, "with the subscriber");
    assert_eq!(rig.text().await, "1");
    assert_eq!(rig.text().await, "2");
    // One that was too many, and one that made room for the gap.
    assert_eq!(rig.news().await, dropped(2));
    rig.gap().await;
}

#[actix::test]
async fn a_subscriber_that_keeps_up_loses_nothing() {
    let server = Server::start();
    let mut rig = Rig::ready(quick(&server.url())).await;
    for number in 0..5_000 {
        server.say(number.to_string());
    }
    for number in 0..5_000 {
        assert_eq!(rig.text().await, number.to_string());
    }
}
