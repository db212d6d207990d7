//! Given up: by a permanent cause, by crashes, by used up attempts; probed and revived.

use std::num::NonZeroU32;

use everlink::exit::CauseKind;
use everlink::link::{Reconfigure, ReconnectNow, Start};
use everlink::policy::Attempts;
use tokio::time::Instant;

use super::scripted::{End, Plan, Rig, Scripted, in_virtual_time, secs, steady};

const DENIED: [&str; 3] = ["connecting", "connect_failed 1 denied", "gave_up 1 denied"];

#[test]
fn a_permanent_cause_parks_and_is_probed_every_five_minutes() {
    in_virtual_time(async {
        let denied = Plan::fails(CauseKind::Denied);
        let mut rig = Rig::new([denied, denied, Plan::up()]);
        rig.tells(&DENIED).await;
        let parked = Instant::now();
        rig.tells(&["connecting", "connect_failed 2 denied", "gave_up 2 denied"])
            .await;
        rig.tells(&["connecting", "connected"]).await;
        let took = parked.elapsed();
        assert!(secs(600) <= took && took < secs(601), "{took:?}");
    });
}

#[test]
fn without_a_probe_it_stays_parked() {
    in_virtual_time(async {
        let mut settings = steady();
        settings.park_probe = None;
        let backend = Scripted::new([Plan::fails(CauseKind::Certificate)]);
        let mut rig = Rig::of(backend, settings);
        rig.tells(&["connecting", "connect_failed 1 certificate"])
            .await;
        rig.tells(&["gave_up 1 certificate"]).await;
        rig.stays_silent().await;
    });
}

#[test]
fn a_panic_loop_is_parked_by_the_restart_intensity() {
    in_virtual_time(async {
        let panics = Plan::hangs().then(secs(1), End::Panic("again"));
        let mut rig = Rig::new([panics]);
        let began = Instant::now();
        for attempt in 1..=5 {
            let failed = format!("connect_failed {attempt} panicked");
            rig.tells(&["connecting", &failed]).await;
            assert_eq!(rig.event().await.kind.name(), "reconnecting");
        }
        rig.tells(&[
            "connecting",
            "connect_failed 6 panicked",
            "gave_up 6 panicked",
        ])
        .await;
        assert!(began.elapsed() < secs(60));
        assert_eq!(rig.dials(), 6);
    });
}

#[test]
fn used_up_attempts_park() {
    in_virtual_time(async {
        let two = Attempts::Limited(NonZeroU32::new(2).expect("not zero"));
        let mut settings = steady();
        settings.restart = settings.restart.with_attempts(two);
        let mut rig = Rig::of(Scripted::new([Plan::fails(CauseKind::Closed)]), settings);
        rig.tells(&["connecting", "connect_failed 1 closed"]).await;
        rig.tells(&["reconnecting 2 1s closed", "connecting"]).await;
        rig.tells(&["connect_failed 2 closed", "gave_up 2 closed"])
            .await;
    });
}

#[test]
fn start_reconnect_now_and_a_new_configuration_revive_it() {
    in_virtual_time(async {
        for way in 0..3 {
            let denied = Plan::fails(CauseKind::Denied);
            let mut rig = Rig::new([denied, denied, Plan::up()]);
            rig.tells(&DENIED).await;
            match way {
                0 => rig.link.send(Start).await,
                1 => rig.link.send(ReconnectNow).await,
                _ => {
                    let backend = Scripted::new([Plan::up()]);
                    rig.link.send(Reconfigure(backend)).await
                }
            }
            .expect("a supervisor");
            if way < 2 {
                // Attempts count from the start again.
                rig.tells(&DENIED).await;
            } else {
                rig.tells(&["connecting", "connected"]).await;
            }
        }
    });
}
