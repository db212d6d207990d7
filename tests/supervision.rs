//! The supervisor actor over scripted connections, in virtual time.

#[path = "supervision/circuit.rs"]
mod circuit;
#[path = "supervision/endings.rs"]
mod endings;
#[path = "supervision/governed.rs"]
mod governed;
#[path = "supervision/parked.rs"]
mod parked;
#[path = "supervision/scripted.rs"]
mod scripted;
#[path = "supervision/stopping.rs"]
mod stopping;
#[path = "supervision/tasks.rs"]
mod tasks;

use everlink::event::EventKind;
use everlink::exit::CauseKind;
use everlink::link::{Close, Distrust, Reconfigure, ReconnectNow, Start};

use scripted::{End, Plan, Rig, Scripted, in_virtual_time, ms, secs, steady};

#[test]
fn connects_fails_and_reconnects() {
    in_virtual_time(async {
        let drops = Plan::up().then(secs(3), End::Exit(CauseKind::Closed));
        let refused = Plan::fails(CauseKind::Unreachable);
        let mut rig = Rig::new([refused, drops, refused, Plan::up()]);
        rig.tells(&[
            "connecting",
            "connect_failed 1 unreachable",
            "reconnecting 2 1s unreachable",
            "connecting",
            "connected",
            "disconnected closed",
            "reconnecting 3 1s closed",
            "connecting",
            "connect_failed 3 unreachable",
            "reconnecting 4 1s unreachable",
            "connecting",
        ])
        .await;
        let event = rig.event().await;
        let EventKind::Reconnected { attempts, downtime } = event.kind else {
            panic!("{event}");
        };
        // Of this outage: the backoff counts on, because the link was not stable.
        assert_eq!((attempts, event.generation), (2, 4));
        // Timers of actix are a millisecond late at most.
        assert!(secs(2) <= downtime && downtime < ms(2_050), "{downtime:?}");
    });
}

#[test]
fn a_stable_link_counts_its_attempts_from_the_start_again() {
    in_virtual_time(async {
        let drops = |after| Plan::up().then(after, End::Exit(CauseKind::Reset));
        let mut rig = Rig::new([drops(secs(9)), drops(secs(11)), Plan::up()]);
        rig.tells(&["connecting", "connected", "disconnected reset"])
            .await;
        rig.tells(&["reconnecting 2 1s reset", "connecting"]).await;
        assert_eq!(rig.event().await.kind.name(), "reconnected");
        rig.tells(&["disconnected reset", "reconnecting 1 1s reset"])
            .await;
    });
}

#[test]
fn a_connection_that_never_comes_up_is_replaced_after_the_deadline() {
    in_virtual_time(async {
        let mut rig = Rig::new([Plan::hangs(), Plan::up()]);
        rig.tells(&[
            "connecting",
            "connect_failed 1 connect_timeout",
            // It waited for more than the backoff already.
            "reconnecting 2 0ns connect_timeout",
            "connecting",
            "connected",
        ])
        .await;
        assert_eq!(rig.journal.closes(), [Close::Now]);
    });
}

#[test]
fn an_unhealthy_or_distrusted_connection_is_closed_at_once_and_replaced_after_a_wait() {
    in_virtual_time(async {
        let stalls = Plan::up().then(secs(60), End::Unhealthy(CauseKind::Stalled));
        let mut rig = Rig::new([stalls, Plan::up()]);
        rig.tells(&["connecting", "connected", "disconnected stalled"])
            .await;
        rig.tells(&["reconnecting 1 1s stalled", "connecting"])
            .await;
        assert_eq!(rig.event().await.kind.name(), "reconnected");
        rig.link
            .send(Distrust(CauseKind::Unhealthy.into()))
            .await
            .expect("a supervisor");
        rig.tells(&["disconnected unhealthy", "reconnecting 2 1s unhealthy"])
            .await;
        assert_eq!(rig.journal.closes(), [Close::Now, Close::Now]);
    });
}

#[test]
fn reconnect_now_drains_the_connection_and_skips_a_wait() {
    in_virtual_time(async {
        let busy = Plan::up().obeys_after(Some(secs(2)));
        let fails = Plan::fails(CauseKind::Closed);
        let mut rig = Rig::new([busy, fails, Plan::up()]);
        rig.tells(&["connecting", "connected"]).await;
        rig.link.send(ReconnectNow).await.expect("a supervisor");
        rig.tells(&[
            "disconnected requested",
            "connecting",
            "connect_failed 1 closed",
            "reconnecting 2 1s closed",
        ])
        .await;
        assert_eq!(rig.journal.closes(), [Close::Drain]);
        let before = tokio::time::Instant::now();
        rig.link.send(ReconnectNow).await.expect("a supervisor");
        rig.tells(&["connecting"]).await;
        assert!(before.elapsed() < ms(10));
    });
}

#[test]
fn a_new_configuration_is_used_by_the_next_connection_and_named_from_then_on() {
    in_virtual_time(async {
        let old = Scripted::new([Plan::up()]).at("old.test");
        let mut rig = Rig::of(old, steady());
        rig.tells(&["connecting", "connected"]).await;
        let new = Scripted::new([Plan::up()]).at("new.test");
        rig.link.send(Reconfigure(new)).await.expect("a supervisor");
        let mut hosts = Vec::new();
        for _ in 0..3 {
            let event = rig.event().await;
            let endpoint = event.endpoint.expect("a link has one").to_string();
            hosts.push(format!("{} {endpoint}", event.kind.name()));
        }
        assert_eq!(
            hosts,
            [
                "disconnected old.test:1",
                "connecting new.test:1",
                "reconnected new.test:1"
            ]
        );
    });
}

#[test]
fn start_changes_nothing_while_it_runs() {
    in_virtual_time(async {
        let mut rig = Rig::new([Plan::up()]);
        rig.tells(&["connecting", "connected"]).await;
        rig.link.send(Start).await.expect("a supervisor");
        rig.stays_silent().await;
        assert_eq!(rig.dials(), 1);
    });
}

#[test]
fn a_node_that_accepts_and_closes_is_dialled_at_most_290_times_an_hour() {
    in_virtual_time(async {
        for seed in 0..10 {
            let mut settings = everlink::link::LinkSettings::default();
            settings.governor = scripted::free_dials();
            settings.seed = Some(seed);
            let closes = Plan::up().then(ms(1), End::Exit(CauseKind::Closed));
            let rig = Rig::of(Scripted::new([closes]), settings);
            tokio::time::sleep(secs(3_600)).await;
            let dials = rig.dials();
            assert!((200..=290).contains(&dials), "{dials} dials");
            rig.stop().await;
        }
    });
}
