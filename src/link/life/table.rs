//! Every row of the table of a link's life, as text: what was done before, the input, and all that
//! the link wants done.

use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{Action, Epoch, Generation, Input, Life, Timer};
use crate::event::{EventKind, LinkState};
use crate::exit::CauseKind;
use crate::link::settings::LinkSettings;
use crate::policy::{Attempts, Backoff, Intensity, RestartPolicy};

/// A life under a clock that only the test moves; waits 1 s before each attempt.
pub(super) struct Link {
    pub(super) life: Life,
    now: Instant,
    pub(super) told: String,
}

impl Link {
    pub(super) fn new() -> Self {
        Self::under(RestartPolicy::default())
    }

    fn under(restart: RestartPolicy) -> Self {
        let second = Backoff::fixed(Duration::from_secs(1)).expect("not zero");
        let settings = LinkSettings {
            restart: restart.with_backoff(second),
            ..LinkSettings::default()
        };
        Self {
            life: Life::new(settings, StdRng::seed_from_u64(1)),
            #[expect(
                clippy::disallowed_methods,
                reason = "the only clock read: instants have no other origin"
            )]
            now: Instant::now(),
            told: String::new(),
        }
    }

    /// Gives it an input; what it wants done is in `told` afterwards.
    pub(super) fn with(mut self, input: Input) -> Self {
        let mut actions = Vec::new();
        self.life.handle(input, self.now, &mut actions);
        let told: Vec<_> = actions.iter().map(text).collect();
        self.told = told.join(", ");
        self
    }

    fn after(mut self, seconds: u64) -> Self {
        self.now += Duration::from_secs(seconds);
        self
    }

    fn start(self) -> Self {
        self.with(Input::Start)
    }

    pub(super) fn stop(self) -> Self {
        self.with(Input::Stop)
    }

    pub(super) fn ready(self) -> Self {
        let generation = self.life.generation;
        self.with(Input::ChildReady(generation))
    }

    pub(super) fn exit(self, kind: CauseKind) -> Self {
        let generation = self.life.generation;
        self.with(Input::ChildExit(generation, kind.into()))
    }

    pub(super) fn unhealthy(self) -> Self {
        let generation = self.life.generation;
        let stalled = CauseKind::Stalled.into();
        self.with(Input::ChildUnhealthy(generation, stalled))
    }

    pub(super) fn timer(self, timer: impl FnOnce(Generation, Epoch) -> Timer) -> Self {
        let timer = timer(self.life.generation, self.life.epoch);
        self.with(Input::Timer(timer))
    }

    pub(super) fn up(self) -> Self {
        self.start().ready()
    }

    fn stable(self) -> Self {
        self.up().after(10).timer(|g, _| Timer::Stable(g))
    }

    pub(super) fn backing_off(self) -> Self {
        self.start().exit(CauseKind::Closed)
    }

    pub(super) fn parked(self) -> Self {
        self.start().exit(CauseKind::Denied)
    }

    #[track_caller]
    pub(super) fn is(self, state: LinkState, told: &str) -> Self {
        assert_eq!((self.life.state(), self.told.as_str()), (state, told));
        self
    }
}

fn text(action: &Action) -> String {
    match action {
        Action::Spawn(generation) => format!("spawn {}", generation.0),
        Action::Close { drain: true } => "drain".into(),
        Action::Close { drain: false } => "close".into(),
        Action::Abort => "abort".into(),
        Action::Arm(Timer::Connect(_), after) => format!("connect deadline {after:?}"),
        Action::Arm(Timer::Stable(_), after) => format!("stable after {after:?}"),
        Action::Arm(Timer::Kill(_), after) => format!("kill after {after:?}"),
        Action::Arm(Timer::Backoff(_), after) => format!("wait {after:?}"),
        Action::Arm(Timer::Probe(_), after) => format!("probe after {after:?}"),
        Action::Emit(kind) => match kind {
            EventKind::Reconnected { attempts, downtime } => {
                format!("Reconnected({attempts}, {downtime:?})")
            }
            EventKind::ConnectFailed { cause, attempt } => {
                format!("ConnectFailed({cause}, {attempt})")
            }
            EventKind::Disconnected { cause } => format!("Disconnected({cause})"),
            EventKind::Reconnecting {
                attempt,
                delay,
                cause,
            } => format!("Reconnecting({attempt}, {delay:?}, {cause})"),
            EventKind::GaveUp { cause, attempts } => format!("GaveUp({cause}, {attempts})"),
            other => format!("{other:?}"),
        },
    }
}

use LinkState::{Backoff as Waiting, Closing, Connecting, Parked, Stopped, Up};

#[test]
fn stopped_and_start() {
    Link::new()
        .start()
        .is(Connecting, "Connecting, spawn 1, connect deadline 5s");
}

#[test]
fn connecting_and_ready_is_connected_the_first_time_and_reconnected_later() {
    let link = Link::new().up().is(Up, "Connected, stable after 10s");
    link.after(20)
        .exit(CauseKind::Reset)
        .after(1)
        .timer(|_, e| Timer::Backoff(e))
        .after(2)
        .ready()
        .is(Up, "Reconnected(1, 3s), stable after 10s");
}

#[test]
fn connecting_and_exit() {
    Link::new().start().exit(CauseKind::Closed).is(
        Waiting,
        "ConnectFailed(closed, 1), Reconnecting(2, 1s, closed), wait 1s",
    );
}

#[test]
fn connecting_and_its_deadline() {
    Link::new()
        .start()
        .after(5)
        .timer(|g, _| Timer::Connect(g))
        .is(
            Closing,
            "ConnectFailed(connect_timeout, 1), close, kill after 1s",
        )
        // Measured between the starts of two attempts: this one has waited long enough.
        .exit(CauseKind::Requested)
        .is(Waiting, "Reconnecting(2, 0ns, connect_timeout), wait 0ns");
}

#[test]
fn up_and_stable_begins_the_attempts_anew_and_only_then() {
    Link::new().stable().is(Up, "").exit(CauseKind::Reset).is(
        Waiting,
        "Disconnected(reset), Reconnecting(1, 1s, reset), wait 1s",
    );
    Link::new().up().after(9).exit(CauseKind::Reset).is(
        Waiting,
        "Disconnected(reset), Reconnecting(2, 1s, reset), wait 1s",
    );
}

#[test]
fn up_and_unhealthy_waits_from_the_end_of_the_connection() {
    Link::new()
        .up()
        .after(7)
        .unhealthy()
        .is(Closing, "Disconnected(stalled), close, kill after 1s")
        .after(1)
        .exit(CauseKind::Aborted)
        .is(Waiting, "Reconnecting(2, 1s, stalled), wait 1s");
}

#[test]
fn up_and_reconnect_now_or_a_new_configuration() {
    for input in [Input::ReconnectNow, Input::Reconfigured] {
        Link::new()
            .stable()
            .with(input)
            .is(Closing, "Disconnected(requested), drain, kill after 6s")
            .exit(CauseKind::Requested)
            .is(Connecting, "Connecting, spawn 2, connect deadline 5s");
    }
}

#[test]
fn an_attempt_is_numbered_from_one_also_after_a_renewal() {
    let renewed = Link::new().stable().with(Input::ReconnectNow);
    renewed
        .exit(CauseKind::Requested)
        .exit(CauseKind::Closed)
        .is(
            Waiting,
            "ConnectFailed(closed, 1), Reconnecting(2, 1s, closed), wait 1s",
        );
}

#[test]
fn connecting_and_a_new_configuration_dials_anew_and_reconnect_now_changes_nothing() {
    Link::new()
        .start()
        .with(Input::ReconnectNow)
        .is(Connecting, "")
        .with(Input::Reconfigured)
        .is(Closing, "ConnectFailed(requested, 1), drain, kill after 6s")
        .exit(CauseKind::Requested)
        .is(Connecting, "Connecting, spawn 2, connect deadline 5s");
}

#[test]
fn up_or_connecting_and_stop() {
    Link::new()
        .up()
        .stop()
        .is(Closing, "Disconnected(requested), drain, kill after 6s")
        .exit(CauseKind::Requested)
        .is(Stopped, "Stopped");
    Link::new()
        .start()
        .stop()
        .is(Closing, "drain, kill after 6s")
        .exit(CauseKind::Panicked)
        .is(Stopped, "Stopped");
}

#[test]
fn closing_to_retry_or_renew_and_stop() {
    for closing in [
        Link::new().up().unhealthy(),
        Link::new().up().with(Input::ReconnectNow),
    ] {
        let stopping = closing.stop().is(Closing, "");
        stopping.exit(CauseKind::Closed).is(Stopped, "Stopped");
    }
}

#[test]
fn closing_to_retry_and_reconnect_now_skips_the_wait() {
    Link::new()
        .up()
        .unhealthy()
        .with(Input::ReconnectNow)
        .is(Closing, "")
        .exit(CauseKind::Closed)
        .is(Connecting, "Connecting, spawn 2, connect deadline 5s");
}

#[test]
fn closing_to_stop_remembers_the_last_wish() {
    let started = Link::new().up().stop().start().is(Closing, "");
    started.exit(CauseKind::Closed).is(
        Connecting,
        "Stopped, Connecting, spawn 2, connect deadline 5s",
    );
    let stopped = Link::new().up().stop().start().stop();
    stopped.exit(CauseKind::Closed).is(Stopped, "Stopped");
}

#[test]
fn a_link_that_was_stopped_connects_for_the_first_time_again() {
    let again = Link::new().up().stop().exit(CauseKind::Closed);
    again.up().is(Up, "Connected, stable after 10s");
}

#[test]
fn closing_ignores_ready_and_its_kill_timer_aborts() {
    for closing in [
        Link::new().up().unhealthy(),
        Link::new().start().with(Input::Reconfigured),
        Link::new().start().stop(),
    ] {
        closing
            .ready()
            .is(Closing, "")
            .timer(|g, _| Timer::Kill(g))
            .is(Closing, "abort");
    }
}

#[test]
fn backoff_ends_by_its_timer_by_reconnect_now_or_by_a_new_configuration() {
    let connecting = "Connecting, spawn 2, connect deadline 5s";
    let timer = Link::new().backing_off().timer(|_, e| Timer::Backoff(e));
    timer.is(Connecting, connecting);
    for input in [Input::ReconnectNow, Input::Reconfigured] {
        let link = Link::new().backing_off().with(input);
        link.is(Connecting, connecting);
    }
    Link::new().backing_off().start().is(Waiting, "");
}

#[test]
fn backoff_or_parked_and_stop() {
    for link in [Link::new().backing_off(), Link::new().parked()] {
        link.stop().is(Stopped, "Stopped").stop().is(Stopped, "");
    }
}

#[test]
fn a_permanent_cause_parks() {
    Link::new().parked().is(
        Parked,
        "ConnectFailed(denied, 1), GaveUp(denied, 1), probe after 300s",
    );
}

#[test]
fn parked_is_revived_with_attempts_anew() {
    for input in [Input::Start, Input::ReconnectNow, Input::Reconfigured] {
        Link::new()
            .backing_off()
            .timer(|_, e| Timer::Backoff(e))
            .exit(CauseKind::Denied)
            .with(input)
            .is(Connecting, "Connecting, spawn 3, connect deadline 5s")
            .exit(CauseKind::Closed)
            .is(
                Waiting,
                "ConnectFailed(closed, 1), Reconnecting(2, 1s, closed), wait 1s",
            );
    }
}

#[test]
fn a_probe_counts_as_one_attempt_more() {
    Link::new()
        .parked()
        .after(300)
        .timer(|_, e| Timer::Probe(e))
        .is(Connecting, "Connecting, spawn 2, connect deadline 5s")
        .exit(CauseKind::Denied)
        .is(
            Parked,
            "ConnectFailed(denied, 2), GaveUp(denied, 2), probe after 300s",
        );
}

#[test]
fn used_up_attempts_park() {
    let two = Attempts::Limited(std::num::NonZeroU32::new(2).expect("not zero"));
    Link::under(RestartPolicy::default().with_attempts(two))
        .backing_off()
        .timer(|_, e| Timer::Backoff(e))
        .exit(CauseKind::Closed)
        .is(
            Parked,
            "ConnectFailed(closed, 2), GaveUp(closed, 2), probe after 300s",
        );
}

#[test]
fn crashes_beyond_the_intensity_park_and_a_revived_link_has_all_of_it_again() {
    let once = Intensity::new(1, Duration::from_secs(60)).expect("valid");
    let mut link = Link::under(RestartPolicy::default().with_intensity(once)).start();
    for _ in 0..2 {
        link = link
            .exit(CauseKind::Panicked)
            .timer(|_, e| Timer::Backoff(e))
            .exit(CauseKind::Panicked)
            .is(
                Parked,
                "ConnectFailed(panicked, 2), GaveUp(panicked, 2), probe after 300s",
            )
            .start();
    }
}
