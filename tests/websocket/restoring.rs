//! Subscriptions outlive connections; what may be missing is told.

use std::collections::BTreeSet;
use std::time::SystemTime;

use everlink::event::EventKind;
use everlink::exit::CauseKind;
use everlink::websocket::{Action, News, Refusal, SubscriptionState};

use crate::rig::{Rig, gone, ms, quick};
use crate::server::{Order, Server};

#[actix::test]
async fn subscriptions_are_restored_before_the_reconnect_is_told() {
    let server = Server::start();
    let mut rig = Rig::ready(quick(&server.url())).await;
    for topic in ["a", "b", "c"] {
        assert!(rig.feed.subscribe(topic));
    }
    let all = Some(vec!["a", "b", "c"]);
    server.until("three topics", |it| it.only() == all).await;

    // What comes after the answers tells that the feed has them.
    server.say("whole");
    assert_eq!(rig.text().await, "whole");

    server.manner(|it| it.withholds = true);
    server.order(Order::Drop);
    rig.told("connecting").await;
    server
        .until("requests", |it| it.accepted == 2 && it.only() == all)
        .await;
    // The server has it all, and the feed does not know.
    assert_eq!(rig.told_now(), []);
    assert_eq!(rig.delivered(), []);
    let states = rig.feed.subscriptions();
    assert!(
        states
            .iter()
            .all(|(_, state)| *state == SubscriptionState::Wanted)
    );

    server.say("before the answers");
    server.order(Order::Answer);
    let event = rig.told("reconnected").await;
    assert_eq!(event.generation, 2);
    let states = rig.feed.subscriptions();
    assert!(
        states
            .iter()
            .all(|(_, state)| *state == SubscriptionState::Subscribed)
    );
    let gap = rig.gap().await;
    assert_eq!(gap.topics, ["a".into(), "b".into(), "c".into()]);
    assert_eq!(rig.text().await, "before the answers", "after the gap");
}

#[actix::test]
async fn a_refused_subscription_is_told_and_holds_up_none() {
    let server = Server::start();
    server.manner(|it| it.refuses.extend(["secret"]));
    let mut rig = Rig::open(quick(&server.url())).await;
    for topic in ["a", "secret", "z"] {
        rig.feed.subscribe(topic);
    }
    // Whoever hears the events of the link is told, too.
    let EventKind::Notice(notice) = rig.told("notice").await.kind else {
        panic!("another event");
    };
    assert_eq!(notice.name(), "refused");
    assert_eq!(notice.detail("topic"), Some("secret"));
    assert_eq!(notice.detail("action"), Some("subscribe"));
    assert_eq!(notice.detail("reason"), Some("as told"));
    let text = "the server refused to subscribe to secret: as told";
    assert_eq!(notice.to_string(), text);
    rig.told("connected").await;
    server
        .until("two topics", |it| it.only() == Some(vec!["a", "z"]))
        .await;
    let News::Refused(refused) = rig.news().await else {
        panic!("not told");
    };
    assert_eq!(
        (refused.topic, refused.action),
        ("secret".into(), Action::Subscribe)
    );
    assert_eq!(refused.refusal, Refusal::Denied("as told".into()));
    // It is asked for again on the next connection.
    server.manner(|it| it.refuses.clear());
    server.order(Order::Drop);
    rig.told("reconnected").await;
    let all = Some(vec!["a", "secret", "z"]);
    server.until("all", |it| it.only() == all).await;
}

#[actix::test]
async fn a_subscription_that_is_never_answered_is_told_after_its_deadline_and_holds_up_none() {
    let server = Server::start();
    server.manner(|it| it.ignores.extend(["lost"]));
    let mut settings = quick(&server.url());
    settings.ack_timeout = ms(150);
    let mut rig = Rig::open(settings).await;
    rig.feed.subscribe("lost");
    rig.feed.subscribe("z");
    rig.told("connected").await;
    let News::Refused(refused) = rig.news().await else {
        panic!("not told");
    };
    assert_eq!(
        (refused.topic, refused.refusal),
        ("lost".into(), Refusal::NoAnswer)
    );
}

#[actix::test]
async fn what_is_subscribed_to_and_ended_while_down_counts_on_the_next_connection() {
    let server = Server::start();
    let mut rig = Rig::open(quick(&server.url())).await;
    rig.feed.subscribe("a");
    rig.feed.subscribe("b");
    rig.told("connected").await;
    server.down(Order::Drop).await;
    rig.told("connect_failed").await;
    assert!(rig.feed.unsubscribe("a"));
    assert!(!rig.feed.unsubscribe("never"));
    rig.feed.subscribe("c");
    server.up();
    rig.told("reconnected").await;
    assert!(server.look(|it| it.only() == Some(vec!["b", "c"])));
    rig.feed.unsubscribe("b");
    server
        .until("one topic", |it| it.only() == Some(vec!["c"]))
        .await;
    // What one was subscribed to when the connection was lost is what may be missing.
    assert_eq!(rig.gap().await.topics, ["a".into(), "b".into()]);
}

#[actix::test]
async fn a_gap_says_from_when_to_when_and_stands_between_the_messages() {
    let server = Server::start();
    let mut rig = Rig::open(quick(&server.url())).await;
    rig.feed.subscribe("a");
    rig.told("connected").await;
    let before = SystemTime::now();
    server.say("first");
    assert_eq!(rig.text().await, "first");
    server.down(Order::Drop).await;
    rig.told("connect_failed").await;
    rig.told("connect_failed").await;
    server.up();
    rig.told("reconnected").await;
    server.say("second");
    let gap = rig.gap().await;
    assert_eq!(rig.text().await, "second");
    assert_eq!(gap.cause.kind(), CauseKind::Closed);
    assert!(before <= gap.from && gap.from <= gap.until && gap.until <= SystemTime::now());
    assert!(gap.duration >= ms(20), "two backoffs: {:?}", gap.duration);
    assert_eq!(rig.delivered(), [], "one gap for one outage");
    // The event says the same, once.
    let EventKind::Notice(notice) = rig.told("notice").await.kind else {
        panic!("another event");
    };
    assert_eq!((notice.name(), notice.text()), ("gap", &*gap.to_string()));
    for (name, value) in [("topics", "a"), ("cause", "closed")] {
        assert_eq!(notice.detail(name), Some(value));
    }
    for name in ["from", "until", "duration"] {
        assert!(notice.detail(name).is_some(), "{notice:?}");
    }
    assert_eq!(rig.told_now(), []);
}

/// Of this process: sockets, files, pipes.
fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

#[actix::test]
async fn after_each_of_100_restarts_all_is_as_before() {
    let server = Server::start();
    let mut rig = Rig::open(quick(&server.url())).await;
    let mut wanted: BTreeSet<String> = (0..5).map(|n| format!("t{n}")).collect();
    for topic in &wanted {
        rig.feed.subscribe(topic);
    }
    rig.told("connected").await;
    let files_before = open_files();
    for round in 0..100_usize {
        let end = match round % 3 {
            0 => Order::Drop,
            1 => Order::Reset,
            _ => Order::Close(1012),
        };
        server.order(end);
        // One change for each outage, at any moment of it.
        let (old, new) = (format!("t{round}"), format!("t{}", round + 5));
        wanted.remove(&old);
        rig.feed.unsubscribe(&old);
        rig.feed.subscribe(&new);
        wanted.insert(new);
        rig.told("reconnected").await;
        let expected: Vec<&str> = wanted.iter().map(String::as_str).collect();
        server
            .until("what is wanted", |it| it.only() == Some(expected.clone()))
            .await;
        server.say(format!("m{round}"));
        let gap = rig.gap().await;
        assert!(gap.topics.len() >= 4, "{gap:?}");
        assert_eq!(rig.text().await, format!("m{round}"));
        // A refused request would be told here as well.
        rig.told("notice").await;
        assert_eq!(rig.told_now(), []);
    }
    let notices = rig.names.iter().filter(|name| **name == "notice");
    assert_eq!(notices.count(), 100, "one for each outage");
    assert_eq!(rig.delivered(), [], "nothing twice");
    server.until("one socket", |it| it.sockets == 1).await;
    // Other tests of this process open some, too.
    let files = open_files();
    assert!(
        files < files_before + 50,
        "{files} files, {files_before} before"
    );
    let alive = rig.alive.clone();
    drop(rig);
    server.until("no socket", |it| it.sockets == 0).await;
    gone(&alive).await;
}
