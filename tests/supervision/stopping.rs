//! Stop: with drain, within its deadline, in every state.

use everlink::exit::CauseKind;
use everlink::link::{Close, ReconnectNow, Start, Stop};

use super::scripted::{End, Plan, Rig, in_virtual_time, ms, secs};

#[test]
fn stop_drains_and_answers_once_the_socket_is_closed() {
    in_virtual_time(async {
        let mut rig = Rig::new([Plan::up().obeys_after(Some(secs(3)))]);
        rig.tells(&["connecting", "connected"]).await;
        let took = rig.stop().await;
        assert!(secs(3) <= took && took < ms(3_100), "{took:?}");
        rig.tells(&["disconnected requested", "stopped"]).await;
        assert_eq!(rig.journal.closes(), [Close::Drain]);
        rig.stays_silent().await;
    });
}

#[test]
fn stop_ends_after_drain_and_kill_timeout_whatever_the_connection_does() {
    in_virtual_time(async {
        let mut rig = Rig::new([Plan::up().obeys_after(None)]);
        rig.tells(&["connecting", "connected"]).await;
        let took = rig.stop().await;
        assert!(secs(6) <= took && took < ms(6_100), "{took:?}");
        rig.tells(&["disconnected requested", "stopped"]).await;
    });
}

#[test]
fn stop_while_connecting_tells_no_failure() {
    in_virtual_time(async {
        let mut rig = Rig::new([Plan::hangs()]);
        rig.tells(&["connecting"]).await;
        assert!(rig.stop().await < ms(100));
        rig.tells(&["stopped"]).await;
        rig.stays_silent().await;
    });
}

#[test]
fn stop_while_waiting_parked_or_stopped_is_answered_at_once() {
    in_virtual_time(async {
        for kind in [CauseKind::Closed, CauseKind::Denied] {
            let mut rig = Rig::new([Plan::fails(kind)]);
            while !matches!(rig.event().await.kind.name(), "reconnecting" | "gave_up") {}
            assert!(rig.stop().await < ms(1));
            rig.tells(&["stopped"]).await;
            assert!(rig.stop().await < ms(1));
            rig.stays_silent().await;
            assert_eq!(rig.dials(), 1);
        }
    });
}

#[test]
fn stop_while_the_connection_closes_for_another_reason() {
    in_virtual_time(async {
        let stalls = Plan::up()
            .then(secs(1), End::Unhealthy(CauseKind::Stalled))
            .obeys_after(None);
        let mut rig = Rig::new([stalls]);
        rig.tells(&["connecting", "connected", "disconnected stalled"])
            .await;
        assert!(rig.stop().await < ms(1_100));
        rig.tells(&["stopped"]).await;

        let mut rig = Rig::new([Plan::up().obeys_after(None)]);
        rig.tells(&["connecting", "connected"]).await;
        rig.link.send(ReconnectNow).await.expect("a supervisor");
        assert!(rig.stop().await < ms(6_100));
        rig.tells(&["disconnected requested", "stopped"]).await;
    });
}

#[test]
fn every_stop_is_answered_also_when_start_follows_at_once() {
    in_virtual_time(async {
        let mut rig = Rig::new([Plan::up().obeys_after(Some(secs(1)))]);
        rig.tells(&["connecting", "connected"]).await;
        let (first, second) = (rig.link.send(Stop), rig.link.send(Stop));
        rig.link.try_send(Start).expect("an empty mailbox");
        let answered = async { (first.await, second.await) };
        let both = tokio::time::timeout(secs(10), answered).await;
        let (first, second) = both.expect("answered when it was stopped");
        first.and(second).expect("a supervisor");
        rig.tells(&[
            "disconnected requested",
            "stopped",
            "connecting",
            "connected",
        ])
        .await;
    });
}

#[test]
fn a_link_that_was_stopped_can_be_started_again() {
    in_virtual_time(async {
        let mut rig = Rig::new([Plan::up()]);
        for _ in 0..3 {
            rig.tells(&["connecting", "connected"]).await;
            rig.stop().await;
            rig.tells(&["disconnected requested", "stopped"]).await;
            rig.link.send(Start).await.expect("a supervisor");
        }
        assert_eq!(rig.dials(), 4);
    });
}
