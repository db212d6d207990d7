//! A stop within a time of its own, beside the rows of the table.

use std::time::Duration;

use super::Input;
use super::table::Link;
use crate::event::LinkState::{Closing, Stopped};

#[test]
fn who_stops_it_within_a_time_of_their_own_has_that_one() {
    let soon = |millis| Input::StopWithin(Duration::from_millis(millis));
    Link::new()
        .up()
        .with(soon(60_000))
        .is(
            Closing,
            "Disconnected(requested), drain, kill after 6s, kill after 60s",
        )
        .with(soon(200))
        .is(Closing, "kill after 200ms")
        .stop()
        .is(Closing, "");
    let renewed = Link::new().up().with(Input::ReconnectNow);
    renewed.with(soon(200)).is(Closing, "kill after 200ms");
    let distrusted = Link::new().up().unhealthy();
    distrusted.with(soon(60_000)).is(Closing, "");
    Link::new().with(soon(200)).is(Stopped, "");
    for nothing_to_drain in [Link::new().backing_off(), Link::new().parked()] {
        nothing_to_drain.with(soon(200)).is(Stopped, "Stopped");
    }
}
