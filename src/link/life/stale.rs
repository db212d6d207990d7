//! What comes too late: timers and children of an earlier generation or epoch.

use super::table::Link;
use super::{Epoch, Generation, Input, Timer};
use crate::exit::{Cause, CauseKind};

/// The input wants nothing done and leaves the link as it is.
#[track_caller]
fn changes_nothing(link: Link, input: Input) -> Link {
    let before = format!("{:?}", link.life);
    let what = format!("{input:?} in {before}");
    let link = link.with(input);
    assert_eq!(link.told, "", "{what}");
    assert_eq!(format!("{:?}", link.life), before, "{what}");
    link
}

#[test]
fn a_child_or_timer_of_an_earlier_generation_or_epoch_changes_nothing() {
    let stale = Generation(1);
    let inputs = || {
        [
            Input::ChildReady(stale),
            Input::ChildExit(stale, CauseKind::Denied.into()),
            Input::ChildUnhealthy(stale, Cause::from(CauseKind::Stalled)),
            Input::Timer(Timer::Connect(stale)),
            Input::Timer(Timer::Stable(stale)),
            Input::Timer(Timer::Kill(stale)),
            Input::Timer(Timer::Backoff(Epoch(1))),
            Input::Timer(Timer::Probe(Epoch(1))),
        ]
    };
    let second = || Link::new().backing_off().timer(|_, e| Timer::Backoff(e));
    for mut link in [
        second(),
        second().ready(),
        second().ready().unhealthy(),
        second().exit(CauseKind::Closed),
        second().exit(CauseKind::Denied),
        second().ready().stop().exit(CauseKind::Closed),
    ] {
        for input in inputs() {
            link = changes_nothing(link, input);
        }
    }
}

/// Nobody disarms it: it fires up to five minutes later, whatever the link is doing by then.
#[test]
fn the_probe_of_a_parked_link_that_was_revived_meanwhile_changes_nothing() {
    let probe = |link: &Link| Input::Timer(Timer::Probe(link.life.epoch));
    for revival in [
        || Input::Start,
        || Input::ReconnectNow,
        || Input::Reconfigured,
    ] {
        let later: [fn(Link) -> Link; 7] = [
            |connecting| connecting,
            Link::ready,
            |connecting| connecting.ready().unhealthy(),
            |connecting| connecting.exit(CauseKind::Closed),
            // Parked again, with a probe of its own.
            |connecting| connecting.exit(CauseKind::Denied),
            Link::stop,
            |connecting| connecting.stop().exit(CauseKind::Closed),
        ];
        for go_on in later {
            let parked = Link::new().parked();
            let probe = probe(&parked);
            changes_nothing(go_on(parked.with(revival())), probe);
        }
    }
    let parked = Link::new().parked();
    let probe = probe(&parked);
    changes_nothing(parked.stop(), probe);
}
