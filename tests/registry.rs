//! Status, broadcast, callbacks, readiness and the log, in virtual time.

#[path = "registry/broadcast.rs"]
mod broadcast;
#[path = "registry/logging.rs"]
mod logging;
#[path = "supervision/scripted.rs"]
mod scripted;
#[path = "registry/written.rs"]
mod written;

use std::time::SystemTime;

use everlink::event::LinkState;
use everlink::exit::CauseKind;
use everlink::link::{Link, Start, Supervisor, Terminate};
use everlink::policy::Force;
use everlink::registry::{Callbacks, LinkStatus, NotReady, Ready, Registry, Snapshot};
use tokio::time::Instant;

use scripted::{End, Plan, Rig, Scripted, in_virtual_time, ms, secs, steady};

async fn status(rig: &Rig) -> LinkStatus {
    let mut links = rig.registry.send(Snapshot).await.expect("a registry");
    assert_eq!(links.len(), 1);
    links.remove(0)
}

#[test]
fn a_snapshot_tells_how_a_link_stands() {
    in_virtual_time(async {
        let drops = Plan::up().then(secs(3), End::Exit(CauseKind::Reset));
        let fails = Plan::hangs().then(ms(100), End::Exit(CauseKind::Closed));
        let mut rig = Rig::new([fails, drops, Plan::up()]);
        let born = SystemTime::now();

        rig.tells(&["connecting"]).await;
        assert_eq!(
            (status(&rig).await.state, status(&rig).await.attempt),
            (LinkState::Connecting, 1)
        );
        rig.tells(&["connect_failed 1 closed"]).await;
        assert_eq!(rig.event().await.kind.name(), "reconnecting");
        let waiting = status(&rig).await;
        assert_eq!((waiting.state, waiting.attempt), (LinkState::Backoff, 2));
        assert_eq!(
            waiting.last_error.map(|cause| cause.kind()),
            Some(CauseKind::Closed)
        );

        rig.tells(&["connecting", "connected"]).await;
        let up = status(&rig).await;
        assert_eq!(up.link.as_str(), "link");
        assert_eq!(
            up.endpoint.map(|it| it.to_string()).as_deref(),
            Some("node.test:1")
        );
        assert_eq!((up.state, up.attempt, up.generation), (LinkState::Up, 0, 2));
        assert_eq!((up.connects, up.disconnects, up.sequence), (1, 0, 5));
        assert!(born <= up.since && up.since <= SystemTime::now());
        assert_eq!(up.last_used, None);

        rig.tells(&[
            "disconnected reset",
            "reconnecting 3 1s reset",
            "connecting",
        ])
        .await;
        assert_eq!(rig.event().await.kind.name(), "reconnected");
        rig.stop().await;
        let stopped = status(&rig).await;
        assert_eq!((stopped.state, stopped.attempt), (LinkState::Stopped, 0));
        assert_eq!((stopped.connects, stopped.disconnects), (2, 2));
        let error = stopped.last_error.map(|cause| cause.kind());
        assert_eq!(
            error,
            Some(CauseKind::Reset),
            "a requested end is no failure"
        );
    });
}

#[test]
fn the_use_of_a_connection_is_seen() {
    in_virtual_time(async {
        let mut rig = Rig::new([Plan::up().then(secs(1), End::Used)]);
        rig.tells(&["connecting", "connected"]).await;
        let before = SystemTime::now();
        tokio::time::sleep(secs(2)).await;
        let used = status(&rig).await.last_used.expect("used");
        let off = used
            .duration_since(before)
            .unwrap_or_else(|early| early.duration());
        assert!(off < secs(60), "{off:?}");
    });
}

#[test]
fn a_link_is_known_as_soon_as_it_is_made_and_forgotten_when_it_ends() {
    in_virtual_time(async {
        let registry = Registry::start_new();
        let links = async || registry.send(Snapshot).await.expect("a registry").len();
        let make =
            || Supervisor::start_link("link", Scripted::new([Plan::up()]), steady(), &registry);
        let first = make();
        assert_eq!(links().await, 1);
        first.send(Start).await.expect("a supervisor");
        // The next of the same name is there before the first is gone.
        first.try_send(Terminate).expect("an empty mailbox");
        let second = make();
        tokio::time::sleep(secs(1)).await;
        assert!(!first.connected());
        assert_eq!(links().await, 1);
        second.send(Start).await.expect("a supervisor");
        let ready = Ready {
            links: vec!["link".into()],
            timeout: secs(1),
        };
        registry.send(ready).await.expect("a registry").expect("up");
        second.send(Terminate).await.expect("a supervisor");
        tokio::time::sleep(secs(1)).await;
        assert_eq!(links().await, 0);
    });
}

#[test]
fn ready_waits_until_all_are_up_and_no_longer_than_it_is_told() {
    in_virtual_time(async {
        let slow = |after| Scripted::new([Plan::up().ready_after(after)]);
        let registry = Registry::start_new();
        let link = |name, after| Supervisor::start_link(name, slow(after), steady(), &registry);
        let (quick, late) = (link("quick", secs(1)), link("late", secs(3)));
        quick.send(Start).await.expect("a supervisor");
        late.send(Start).await.expect("a supervisor");
        let ready = async |links: &[&str], timeout| {
            let links = links.iter().map(|&name| name.into()).collect();
            let began = Instant::now();
            let answer = registry.send(Ready { links, timeout }).await;
            (answer.expect("a registry"), began.elapsed())
        };
        let (up, took) = ready(&["quick"], secs(10)).await;
        assert_eq!(up, Ok(()));
        assert!(took < ms(1_100), "{took:?}");
        let (up, took) = ready(&[], secs(1)).await;
        let up = up.expect_err("one is late").to_string();
        assert_eq!(up, "late is not up after 1s");
        assert!(secs(1) <= took && took < ms(1_100), "{took:?}");
        let (up, took) = ready(&[], secs(10)).await;
        assert_eq!(up, Ok(()));
        assert!(took < ms(1_100), "{took:?}");
        let (up, took) = ready(&["quick", "late"], secs(0)).await;
        assert_eq!((up, took < ms(10)), (Ok(()), true), "already up");
        let (up, _) = ready(&["unknown"], secs(1)).await;
        let up = up.expect_err("there is none").to_string();
        assert_eq!(up, "unknown is not up after 1s");
    });
}

#[test]
fn ready_says_why_a_link_is_late() {
    in_virtual_time(async {
        let registry = Registry::start_new();
        let refused = Scripted::new([Plan::fails(CauseKind::Refused)]);
        let link = Link::new("refused", refused, steady(), &registry);
        link.start().await;
        let late = link.ready(secs(2)).await.expect_err("nobody is there");
        let text = "refused is not up after 2s: refused: as planned";
        assert_eq!(late.to_string(), text);
        let NotReady::Late { waited, cause, .. } = late else {
            panic!("{late}");
        };
        assert_eq!(waited, secs(2));
        assert_eq!(cause.map(|cause| cause.kind()), Some(CauseKind::Refused));
    });
}

#[test]
fn ready_ends_early_for_a_link_that_is_parked_and_says_why() {
    in_virtual_time(async {
        let registry = Registry::start_new();
        let denied = Plan::hangs().then(secs(1), End::Exit(CauseKind::Denied));
        let denied = Scripted::new([denied, Plan::up()]);
        let link = Link::new("denied", denied, steady(), &registry);
        link.start().await;
        let began = Instant::now();
        let parked = link.ready(secs(60)).await;
        let Err(NotReady::Parked { link: name, cause }) = &parked else {
            panic!("{parked:?}");
        };
        assert_eq!((name, cause.kind()), (link.name(), CauseKind::Denied));
        assert!(began.elapsed() < ms(1_100));
        assert_eq!(link.ready(secs(60)).await, parked, "it is still so");
        let status = link.status().await.expect("registered");
        assert_eq!(status.state, LinkState::Parked);

        link.reconnect().await;
        assert_eq!(link.ready(secs(60)).await, Ok(()));
        assert!(!link.force_circuit(Force::Open).await, "it has none");
        link.stop().await;
        let status = link.status().await.expect("registered");
        assert_eq!(status.state, LinkState::Stopped);
        drop(link);
        tokio::time::sleep(secs(1)).await;
        let links = registry.send(Snapshot).await.expect("a registry");
        assert!(links.is_empty(), "{links:?}");
    });
}

#[test]
fn each_callback_is_called_for_its_events_and_a_panic_in_one_harms_nobody() {
    in_virtual_time(async {
        let (tell, told) = std::sync::mpsc::channel();
        let note = |what: &'static str| {
            let tell = tell.clone();
            move |_: &everlink::event::Event| tell.send(what.to_owned()).expect("the test listens")
        };
        let failures = tell.clone();
        let callbacks = Callbacks::new()
            .on_connect(|_| panic!("a callback of a user"))
            .on_connect(note("connect"))
            .on_disconnect(note("disconnect"))
            .on_reconnect(note("reconnect"))
            .on_reconnect_failed(|_, _| panic!("another one"))
            .on_reconnect_failed(move |cause, attempt| {
                let what = format!("failed {attempt} {}", cause.kind());
                failures.send(what).expect("the test listens");
            })
            .on_give_up(note("give up"))
            .on_circuit_change(note("circuit"))
            .on_topology_change(note("topology"));
        let drops = Plan::up().then(secs(1), End::Exit(CauseKind::Closed));
        let fails = |kind| Plan::fails(kind);
        let plans = [
            drops,
            fails(CauseKind::Refused),
            drops,
            fails(CauseKind::Denied),
        ];
        let backend = Scripted::new(plans).behind_a_touchy_circuit();
        let rig = Rig::of(backend, steady());
        callbacks.attach(&rig.registry);
        tokio::time::sleep(secs(60)).await;
        assert_eq!(
            told.try_iter().collect::<Vec<_>>(),
            [
                "connect",
                "disconnect",
                "circuit",
                "failed 2 refused",
                "reconnect",
                "circuit",
                "disconnect",
                "circuit",
                "failed 4 denied",
                "give up"
            ]
        );
    });
}

#[test]
fn a_link_ends_with_the_last_handle_to_it_and_no_sooner() {
    in_virtual_time(async {
        let registry = Registry::start_new();
        let backend = Scripted::new([Plan::up()]);
        let journal = backend.journal();
        let link = Link::new("link", backend, steady(), &registry);
        link.start().await;
        link.ready(secs(1)).await.expect("up");
        let other = link.clone();
        drop(link);
        tokio::time::sleep(secs(1)).await;
        assert_eq!(other.status().await.map(|it| it.state), Some(LinkState::Up));
        drop(other);
        tokio::time::sleep(secs(1)).await;
        let links = registry.send(Snapshot).await.expect("a registry");
        assert!(links.is_empty(), "{links:?}");
        assert_eq!(journal.alive(), 0);
    });
}
