//! The circuit breaker of a link of any kind: what its supervisor tells it, and tells of it.

use everlink::event::EventKind;
use everlink::exit::CauseKind;
use everlink::link::{Circuit, ForceCircuit, Reconfigure, ReconnectNow};
use everlink::policy::{BreakerSettings, BreakerState, Force, Trip};
use everlink::registry::Snapshot;

use super::scripted::{End, Plan, Rig, Scripted, in_virtual_time, secs, steady};

/// Trips at the second failure in a row; open for a minute, then for two.
fn touchy() -> BreakerSettings {
    BreakerSettings::default()
        .with_consecutive(2)
        .and_then(|it| it.with_open(secs(60), secs(120)))
        .expect("valid")
}

fn rig(settings: BreakerSettings, plans: impl IntoIterator<Item = Plan>) -> (Rig, Circuit) {
    let circuit = Circuit::new(settings);
    let backend = Scripted::new(plans).behind(circuit.clone());
    (Rig::of(backend, steady()), circuit)
}

fn fail(circuit: &Circuit, times: usize) {
    for _ in 0..times {
        circuit.ask().expect("closed").failed();
    }
}

async fn known(rig: &Rig) -> Option<BreakerState> {
    let links = rig.registry.send(Snapshot).await.expect("a registry");
    links[0].breaker
}

#[test]
fn calls_that_fail_open_it_and_its_time_turns_it_half_open() {
    in_virtual_time(async {
        let (mut rig, circuit) = rig(touchy(), [Plan::up()]);
        rig.tells(&["connecting", "connected"]).await;
        assert_eq!(known(&rig).await, Some(BreakerState::Closed));
        let began = tokio::time::Instant::now();
        fail(&circuit, 2);
        let opened = rig.event().await.kind;
        let expected = EventKind::CircuitOpened {
            trip: Trip::Consecutive { failures: 2 },
            retry_after: Some(secs(60)),
        };
        assert_eq!(opened, expected);
        assert!(circuit.ask().is_err());
        rig.tells(&["circuit_half_open"]).await;
        assert_eq!(began.elapsed().as_secs(), 60);
        assert_eq!(known(&rig).await, Some(BreakerState::HalfOpen));
        circuit.ask().expect("a probe").failed();
        rig.tells(&["circuit_opened", "circuit_half_open"]).await;
        assert_eq!(began.elapsed().as_secs(), 180);
        let probes = [(); 3].map(|()| circuit.ask().expect("a probe"));
        assert!(circuit.ask().is_err());
        for probe in probes {
            probe.succeeded();
        }
        rig.tells(&["circuit_closed"]).await;
        rig.stays_silent().await;
    });
}

#[test]
fn a_lost_connection_is_a_failure_and_a_new_one_turns_it_half_open_at_once() {
    in_virtual_time(async {
        let drops = Plan::up().then(secs(3), End::Exit(CauseKind::Closed));
        let refused = Plan::fails(CauseKind::Unreachable);
        let (mut rig, circuit) = rig(touchy(), [drops, refused, drops, Plan::up()]);
        rig.tells(&[
            "connecting",
            "connected",
            "disconnected closed",
            "reconnecting 2 1s closed",
            "connecting",
            "connect_failed 2 unreachable",
            "reconnecting 3 1s unreachable",
            "connecting",
            "reconnected 2 2s",
            "disconnected closed",
            "circuit_opened",
            // It goes on connecting.
            "reconnecting 4 1s closed",
            "connecting",
            "reconnected 1 1s",
            "circuit_half_open",
        ])
        .await;
        for _ in 0..3 {
            circuit.ask().expect("a probe").succeeded();
        }
        rig.tells(&["circuit_closed"]).await;
        rig.stays_silent().await;
    });
}

#[test]
fn failed_connects_are_failures_where_that_is_asked_for() {
    in_virtual_time(async {
        let settings = touchy().with_failed_connects(true);
        let refused = Plan::fails(CauseKind::Unreachable);
        let (mut rig, _) = rig(settings, [refused, refused, Plan::up()]);
        rig.tells(&[
            "connecting",
            "connect_failed 1 unreachable",
            "reconnecting 2 1s unreachable",
            "connecting",
            "connect_failed 2 unreachable",
            "circuit_opened",
            "reconnecting 3 1s unreachable",
            "connecting",
            "connected",
            "circuit_half_open",
        ])
        .await;
        rig.stays_silent().await;
    });
}

#[test]
fn being_closed_on_request_is_no_failure() {
    in_virtual_time(async {
        let (mut rig, circuit) = rig(touchy(), [Plan::up()]);
        rig.tells(&["connecting", "connected"]).await;
        for _ in 0..5 {
            rig.link.send(ReconnectNow).await.expect("a supervisor");
            rig.tells(&["disconnected requested", "connecting", "reconnected 1 0ns"])
                .await;
        }
        assert_eq!(circuit.state(), BreakerState::Closed);
        rig.stop().await;
        rig.tells(&["disconnected requested", "stopped"]).await;
    });
}

#[test]
fn what_an_operator_forces_is_told_and_a_link_without_a_breaker_says_so() {
    in_virtual_time(async {
        let (mut rig, circuit) = rig(touchy(), [Plan::up()]);
        rig.tells(&["connecting", "connected"]).await;
        for (force, told) in [
            (Force::Open, "circuit_opened"),
            (Force::Release, "circuit_half_open"),
            (Force::Closed, "circuit_closed"),
        ] {
            let forced = rig.link.send(ForceCircuit(force)).await;
            assert!(forced.expect("a supervisor"), "{force:?}");
            rig.tells(&[told]).await;
        }
        fail(&circuit, 100);
        assert_eq!(known(&rig).await, Some(BreakerState::ForcedClosed));

        // Another backend, another breaker.
        let other = Scripted::new([Plan::up()]).behind(Circuit::new(touchy()));
        let replaced = rig.link.send(Reconfigure(other)).await;
        replaced.expect("a supervisor");
        rig.tells(&[
            "circuit_closed",
            "disconnected requested",
            "connecting",
            "reconnected 1 0ns",
        ])
        .await;
        assert_eq!(known(&rig).await, Some(BreakerState::Closed));

        let plain = Rig::new([Plan::up()]);
        let forced = plain.link.send(ForceCircuit(Force::Open)).await;
        assert!(!forced.expect("a supervisor"));
        assert_eq!(known(&plain).await, None);
    });
}
