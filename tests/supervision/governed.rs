//! Dials that wait for the governor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use everlink::event::Event;
use everlink::exit::CauseKind;
use everlink::link::{Distrust, LinkSettings, SharedGovernor, Start, Stop, Supervisor};
use everlink::policy::Governor;
use everlink::registry::{Ready, Registry};
use tokio::time::Instant;

use super::scripted::{Plan, Rig, Scripted, in_virtual_time, ms, secs, steady, subscribe};

/// One dial a second.
fn one_a_second() -> LinkSettings {
    let mut settings = steady();
    settings.governor = SharedGovernor::new(Governor::new(1, 1).expect("valid"));
    settings
}

#[test]
fn stop_ends_a_link_whose_dial_still_waits_for_the_governor() {
    in_virtual_time(async {
        let settings = one_a_second();
        let mut first = Rig::of(Scripted::new([Plan::up()]), settings.clone());
        first.tells(&["connecting", "connected"]).await;
        let mut second = Rig::of(Scripted::new([Plan::up()]), settings);
        second.tells(&["connecting"]).await;
        assert!(second.stop().await < ms(10));
        second.tells(&["stopped"]).await;
        second.stays_silent().await;
        assert_eq!(second.dials(), 0);
        second.link.send(Start).await.expect("a supervisor");
        second.tells(&["connecting", "connected"]).await;
    });
}

#[test]
fn the_connect_deadline_counts_from_the_dial_and_not_from_the_governors_queue() {
    in_virtual_time(async {
        let (settings, registry) = (one_a_second(), Registry::start_new());
        let mut events = subscribe(&registry);
        let links: Vec<_> = (0..12)
            .map(|n| {
                let slow = Plan::up().ready_after(secs(4));
                let backend = Scripted::new([slow]);
                let name = format!("link {n}");
                Supervisor::start_link(name, backend, settings.clone(), &registry)
            })
            .collect();
        for link in &links {
            link.send(Start).await.expect("a supervisor");
        }
        let ready = Ready {
            links: Vec::new(),
            timeout: secs(100),
        };
        let began = Instant::now();
        let up = registry.send(ready).await.expect("a registry");
        up.expect("all of them");
        assert!(began.elapsed() < secs(17), "{:?}", began.elapsed());
        while let Ok(event) = events.try_recv() {
            let name = event.kind.name();
            assert!(
                matches!(name, "present" | "connecting" | "connected"),
                "{event}"
            );
        }
        for link in links {
            link.send(Stop).await.expect("a supervisor");
        }
    });
}

#[test]
fn a_dial_that_hangs_after_it_waited_for_the_governor_still_ends_by_its_deadline() {
    in_virtual_time(async {
        let settings = one_a_second();
        let mut first = Rig::of(Scripted::new([Plan::up()]), settings.clone());
        first.tells(&["connecting", "connected"]).await;
        let mut second = Rig::of(Scripted::new([Plan::hangs(), Plan::up()]), settings);
        second.tells(&["connecting"]).await;
        let queued = Instant::now();
        let failed: Event = second.event().await;
        assert_eq!(failed.kind.name(), "connect_failed");
        let took = queued.elapsed();
        assert!(secs(6) <= took && took < ms(6_100), "{took:?}");
    });
}

#[test]
fn of_a_thousand_links_that_lose_their_server_those_that_are_waited_for_are_dialled_first() {
    const LINKS: usize = 1000;
    const LATE: usize = 777;
    in_virtual_time(async {
        let mut settings = steady();
        settings.governor = SharedGovernor::new(Governor::default());
        let registry = Registry::start_new();
        let mut events = subscribe(&registry);
        let wanted: Vec<_> = (0..LINKS)
            .map(|_| Arc::new(AtomicBool::new(true)))
            .collect();
        let links: Vec<_> = (0..LINKS)
            .map(|n| {
                let backend = Scripted::new([Plan::up()]).wanted(&wanted[n]);
                Supervisor::start_link(n.to_string(), backend, settings.clone(), &registry)
            })
            .collect();
        for link in &links {
            link.send(Start).await.expect("a supervisor");
        }
        let ready = Ready {
            links: Vec::new(),
            timeout: secs(100),
        };
        let up = registry.send(ready).await.expect("a registry");
        up.expect("all of them");
        tokio::time::sleep(secs(60)).await;
        while events.try_recv().is_ok() {}

        // Every fourth has requests that wait.
        for (n, wanted) in wanted.iter().enumerate() {
            wanted.store(n % 4 == 3, Ordering::Relaxed);
        }
        let began = Instant::now();
        for link in &links {
            let lost = Distrust(CauseKind::Closed.into());
            link.send(lost).await.expect("a supervisor");
        }
        let mut order = Vec::new();
        while order.len() < LINKS {
            let event = events.recv().await.expect("a registry");
            if event.kind.name() == "reconnected" {
                let number: usize = event.link.as_str().parse().expect("a number");
                order.push((number, began.elapsed()));
            }
            // Somebody begins to wait for one of those that are far behind.
            if order.len() == LINKS / 2 {
                wanted[LATE].store(true, Ordering::Relaxed);
            }
        }
        let last = order.iter().rposition(|(number, _)| number % 4 == 3);
        let last = last.expect("they came up");
        assert!(last < LINKS / 4 + 25 + 5, "{last}: {order:?}");
        let late = order.iter().position(|(number, _)| *number == LATE);
        assert!(late.expect("it came up") < LINKS / 2 + 75, "{late:?}");
        let (_, took) = order[LINKS - 1];
        assert!(secs(10) < took && took < secs(12), "{took:?}");
        for link in links {
            link.send(Stop).await.expect("a supervisor");
        }
    });
}
