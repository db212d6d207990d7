//! Dials that wait for the governor.

use everlink::event::Event;
use everlink::link::{LinkSettings, SharedGovernor, Start, Stop, Supervisor};
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
