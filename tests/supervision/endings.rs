//! How a connection can end, and how its supervisor sees it.

use actix::{Actor, Arbiter};
use everlink::event::EventKind;
use everlink::exit::{Cause, CauseKind};
use everlink::link::{Start, Supervisor, Terminate};
use everlink::policy::{Backoff, RestartPolicy};
use everlink::registry::Snapshot;

use super::scripted::{
    End, Misbehaviour, Plan, Rig, Scripted, in_virtual_time, secs, steady, subscribe, text,
};

async fn cause_of_the_end(end: End) -> Cause {
    let mut rig = Rig::new([Plan::up().then(secs(1), end), Plan::up()]);
    rig.tells(&["connecting", "connected"]).await;
    let event = rig.event().await;
    let EventKind::Disconnected { cause } = event.kind else {
        panic!("{event}");
    };
    assert_eq!(rig.event().await.kind.name(), "reconnecting");
    rig.tells(&["connecting"]).await;
    assert_eq!(rig.event().await.kind.name(), "reconnected");
    cause
}

#[test]
fn a_connection_says_why_it_ends() {
    in_virtual_time(async {
        let cause = cause_of_the_end(End::Exit(CauseKind::Protocol)).await;
        assert_eq!(cause, Cause::new(CauseKind::Protocol, "as planned"));
    });
}

#[test]
fn a_panic_is_seen_with_its_message_and_healed() {
    in_virtual_time(async {
        let cause = cause_of_the_end(End::Panic("lost my way")).await;
        assert_eq!(cause, Cause::new(CauseKind::Panicked, "lost my way"));
    });
}

#[test]
fn an_end_without_a_word_is_seen() {
    in_virtual_time(async {
        let cause = cause_of_the_end(End::Wordless).await;
        assert_eq!(cause.kind(), CauseKind::Unexplained);
    });
}

#[test]
fn a_connection_that_does_not_close_is_aborted_by_the_kill_timer() {
    in_virtual_time(async {
        let stuck = Plan::up()
            .then(secs(1), End::Unhealthy(CauseKind::Stalled))
            .obeys_after(None);
        let mut rig = Rig::new([stuck, Plan::up()]);
        rig.tells(&["connecting", "connected", "disconnected stalled"])
            .await;
        let closed = tokio::time::Instant::now();
        rig.tells(&["reconnecting 2 1s stalled"]).await;
        let took = closed.elapsed();
        assert!(secs(1) <= took && took < secs(2), "{took:?}");
        assert_eq!(rig.journal.alive(), 0);
        rig.tells(&["connecting"]).await;
    });
}

#[test]
fn a_panic_in_one_link_touches_no_other() {
    in_virtual_time(async {
        let mut healthy = Rig::new([Plan::up()]);
        healthy.tells(&["connecting", "connected"]).await;
        let panics = Plan::up().then(secs(1), End::Panic("over and over"));
        let panicking = Rig::new([panics]);
        tokio::time::sleep(secs(600)).await;
        assert!(panicking.dials() > 5);
        healthy.stays_silent().await;
        assert_eq!(healthy.journal.alive(), 1);
    });
}

#[test]
fn a_backend_that_cannot_make_a_connection_counts_as_a_crash_of_it() {
    in_virtual_time(async {
        let backend = Scripted::new([Plan::up()]).panicking(Misbehaviour::InConnection);
        let mut rig = Rig::of(backend, steady());
        for attempt in 1..=5 {
            let failed = format!("connect_failed {attempt} panicked");
            let again = format!("reconnecting {} 1s panicked", attempt + 1);
            rig.tells(&["connecting", &failed, &again]).await;
        }
        rig.tells(&[
            "connecting",
            "connect_failed 6 panicked",
            "gave_up 6 panicked",
        ])
        .await;
        rig.stop().await;
    });
}

#[test]
fn a_backend_that_panics_while_it_observes_harms_nobody() {
    in_virtual_time(async {
        let backend = Scripted::new([Plan::up()]).panicking(Misbehaviour::InObserve);
        let mut rig = Rig::of(backend, steady());
        rig.tells(&["connecting", "connected"]).await;
        rig.stop().await;
        rig.tells(&["disconnected requested", "stopped"]).await;
    });
}

#[test]
fn a_terminated_supervisor_drops_its_socket_and_tells_the_end() {
    in_virtual_time(async {
        let mut rig = Rig::new([Plan::up()]);
        rig.tells(&["connecting", "connected"]).await;
        rig.link.send(Terminate).await.expect("a supervisor");
        rig.tells(&["disconnected requested", "stopped"]).await;
        assert_eq!(rig.journal.alive(), 0);
        assert!(!rig.link.connected());
        let links = rig.registry.send(Snapshot).await.expect("a registry");
        assert!(links.is_empty(), "{links:?}");
    });
}

#[test]
fn the_end_of_its_arbiter_drops_the_socket_and_tells_the_end() {
    // Another arbiter has a clock of its own, which cannot be paused.
    actix::System::new().block_on(async {
        let registry = everlink::registry::Registry::default().start();
        let mut events = subscribe(&registry);
        let arbiter = Arbiter::new();
        let theirs = registry.clone();
        arbiter.spawn(async move {
            let backend = Scripted::new([Plan::up()]);
            let link = Supervisor::start_link("link", backend, steady(), &theirs);
            link.send(Start).await.expect("a supervisor");
            // Keeps the address: without one, the supervisor would end by itself.
            std::future::pending::<()>().await;
        });
        let mut told = Vec::new();
        while told.len() < 4 {
            let event = tokio::time::timeout(secs(20), events.recv()).await;
            let event = event.expect("in time").expect("a registry");
            told.push(text(&event.kind));
            if told.len() == 2 {
                arbiter.stop();
            }
        }
        assert_eq!(
            told,
            [
                "connecting",
                "connected",
                "disconnected requested",
                "stopped"
            ]
        );
        // The last word of the other thread may come a moment later.
        let deadline = tokio::time::Instant::now() + secs(20);
        while !registry
            .send(Snapshot)
            .await
            .expect("a registry")
            .is_empty()
        {
            assert!(tokio::time::Instant::now() < deadline, "never forgotten");
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_delay_of_its_own_that_panics_is_the_longest_and_the_link_goes_on() {
    in_virtual_time(async {
        let mut settings = steady();
        let panics = Backoff::custom(|_| panic!("a delay of its own"));
        let panics = panics.capped(secs(7)).expect("positive");
        settings.restart = RestartPolicy::default().with_backoff(panics);
        let drops = Plan::up().then(secs(1), End::Exit(CauseKind::Closed));
        let mut rig = Rig::of(Scripted::new([drops, Plan::up()]), settings);
        rig.tells(&["connecting", "connected", "disconnected closed"])
            .await;
        // Counted from the end of a connection that was up.
        rig.tells(&["reconnecting 2 7s closed", "connecting", "reconnected 1 7s"])
            .await;
    });
}
