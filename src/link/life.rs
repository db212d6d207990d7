//! The life of one link as a pure state machine: [`Life`] takes an [`Input`] and an instant and
//! answers with [`Action`]s. It knows no actor, no socket and no clock.
//!
//! Three rules keep it sound, each found necessary by an exhaustive search of its states:
//! a new connection starts only after the old one has ended; attempts reset only after stable
//! uptime; a timer or a child of an older generation changes nothing.

mod signals;

use std::time::{Duration, Instant};

use rand::rngs::StdRng;

use crate::event::{EventKind, LinkState};
use crate::exit::{Cause, CauseKind, Class};
use crate::link::settings::LinkSettings;
use crate::policy::CrashLog;

pub use signals::Generation;
pub(crate) use signals::{Action, Epoch, Input, Timer};

#[derive(Debug, Clone, PartialEq)]
enum State {
    Stopped,
    Connecting,
    Up,
    Closing(Then),
    Backoff,
    Parked,
}

/// What follows once the old connection has ended.
#[derive(Debug, Clone, PartialEq)]
enum Then {
    Retry(Cause),
    Renew,
    Stop { start_again: bool },
}

/// One link's life; see the table in the documentation of `docs/architecture.md`.
#[derive(Debug)]
pub(crate) struct Life {
    settings: LinkSettings,
    rng: StdRng,
    state: State,
    generation: Generation,
    epoch: Epoch,
    /// The number of the attempt under way or to come; 0 once the link was stable.
    attempt: u32,
    /// Attempts since the link was last up, the one under way included.
    tries: u32,
    crashes: CrashLog,
    previous_delay: Duration,
    attempt_began: Option<Instant>,
    down_since: Option<Instant>,
    was_up: bool,
}

impl Life {
    pub(crate) fn new(settings: LinkSettings, rng: StdRng) -> Self {
        let crashes = CrashLog::new(settings.restart.intensity());
        Self {
            settings,
            rng,
            state: State::Stopped,
            generation: Generation(0),
            epoch: Epoch(0),
            attempt: 0,
            tries: 0,
            crashes,
            previous_delay: Duration::ZERO,
            attempt_began: None,
            down_since: None,
            was_up: false,
        }
    }

    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    pub(crate) fn state(&self) -> LinkState {
        match self.state {
            State::Stopped => LinkState::Stopped,
            State::Connecting => LinkState::Connecting,
            State::Up => LinkState::Up,
            State::Closing(_) => LinkState::Closing,
            State::Backoff => LinkState::Backoff,
            State::Parked => LinkState::Parked,
        }
    }

    /// Takes one input and appends what is to be done.
    pub(crate) fn handle(&mut self, input: Input, now: Instant, out: &mut Vec<Action>) {
        match input {
            Input::Start => self.start(now, out),
            Input::Stop => self.stop(None, out),
            Input::StopWithin(limit) => self.stop(Some(limit), out),
            Input::ReconnectNow => self.renew(false, now, out),
            Input::Reconfigured => self.renew(true, now, out),
            Input::ChildReady(generation) => {
                if generation == self.generation {
                    self.ready(now, out);
                }
            }
            Input::ChildUnhealthy(generation, cause) => {
                if generation == self.generation && self.state == State::Up {
                    out.push(Action::Emit(EventKind::Disconnected {
                        cause: cause.clone(),
                    }));
                    self.down_since = Some(now);
                    self.close(Then::Retry(cause), out);
                }
            }
            Input::ChildExit(generation, cause) => {
                if generation == self.generation {
                    self.exit(cause, now, out);
                }
            }
            Input::Timer(timer) => self.timer(timer, now, out),
        }
    }

    fn start(&mut self, now: Instant, out: &mut Vec<Action>) {
        match &mut self.state {
            State::Stopped | State::Parked => self.start_anew(now, out),
            State::Closing(Then::Stop { start_again }) => *start_again = true,
            State::Connecting | State::Up | State::Closing(_) | State::Backoff => {}
        }
    }

    /// `limit`: when to drop what still drains, in place of the settings' time.
    fn stop(&mut self, limit: Option<Duration>, out: &mut Vec<Action>) {
        let drains = match self.state {
            State::Up | State::Connecting => true,
            State::Closing(Then::Renew | Then::Stop { .. }) => true,
            // It is not trusted any more, and was not asked to finish anything.
            State::Closing(Then::Retry(_)) => false,
            State::Stopped | State::Backoff | State::Parked => false,
        };
        match self.state {
            State::Stopped => {}
            State::Backoff | State::Parked => self.stopped(out),
            State::Up => {
                out.push(Action::Emit(EventKind::Disconnected {
                    cause: CauseKind::Requested.into(),
                }));
                self.close(Then::Stop { start_again: false }, out);
            }
            State::Connecting => self.close(Then::Stop { start_again: false }, out),
            // Its closing is under way; only what follows changes.
            State::Closing(_) => self.state = State::Closing(Then::Stop { start_again: false }),
        }
        if let Some(limit) = limit
            && drains
        {
            out.push(Action::Arm(Timer::Kill(self.generation), limit));
        }
    }

    /// Reconnect on request, or because the configuration changed.
    fn renew(&mut self, reconfigured: bool, now: Instant, out: &mut Vec<Action>) {
        match &self.state {
            State::Up => {
                out.push(Action::Emit(EventKind::Disconnected {
                    cause: CauseKind::Requested.into(),
                }));
                self.down_since = Some(now);
                self.close(Then::Renew, out);
            }
            State::Connecting if reconfigured => {
                out.push(Action::Emit(EventKind::ConnectFailed {
                    cause: CauseKind::Requested.into(),
                    attempt: self.attempt,
                }));
                self.close(Then::Renew, out);
            }
            State::Closing(Then::Retry(_)) => self.state = State::Closing(Then::Renew),
            State::Backoff => self.connect(now, out),
            State::Parked => self.start_anew(now, out),
            // Connecting anew already, or meant to stay down.
            State::Connecting
            | State::Stopped
            | State::Closing(Then::Renew | Then::Stop { .. }) => {}
        }
    }

    fn ready(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.state != State::Connecting {
            return;
        }
        self.state = State::Up;
        let kind = if self.was_up {
            EventKind::Reconnected {
                attempts: self.tries,
                downtime: elapsed(self.down_since, now),
            }
        } else {
            EventKind::Connected
        };
        self.was_up = true;
        self.tries = 0;
        self.down_since = None;
        // It succeeded: the next wait counts from the end of this connection.
        self.attempt_began = None;
        out.push(Action::Emit(kind));
        out.push(Action::Arm(
            Timer::Stable(self.generation),
            self.settings.stable_after,
        ));
    }

    fn exit(&mut self, cause: Cause, now: Instant, out: &mut Vec<Action>) {
        match std::mem::replace(&mut self.state, State::Stopped) {
            State::Connecting => {
                out.push(Action::Emit(EventKind::ConnectFailed {
                    cause: cause.clone(),
                    attempt: self.attempt,
                }));
                self.fail(cause, now, out);
            }
            State::Up => {
                out.push(Action::Emit(EventKind::Disconnected {
                    cause: cause.clone(),
                }));
                self.down_since = Some(now);
                self.fail(cause, now, out);
            }
            State::Closing(Then::Retry(first)) => self.fail(first, now, out),
            State::Closing(Then::Renew) => self.connect(now, out),
            State::Closing(Then::Stop { start_again }) => {
                self.stopped(out);
                if start_again {
                    self.start_anew(now, out);
                }
            }
            other @ (State::Stopped | State::Backoff | State::Parked) => self.state = other,
        }
    }

    fn timer(&mut self, timer: Timer, now: Instant, out: &mut Vec<Action>) {
        match (timer, &self.state) {
            (Timer::Connect(generation), State::Connecting) if generation == self.generation => {
                let cause = Cause::from(CauseKind::ConnectTimeout);
                out.push(Action::Emit(EventKind::ConnectFailed {
                    cause: cause.clone(),
                    attempt: self.attempt,
                }));
                self.close(Then::Retry(cause), out);
            }
            (Timer::Stable(generation), State::Up) if generation == self.generation => {
                self.attempt = 0;
                self.previous_delay = Duration::ZERO;
            }
            (Timer::Kill(generation), State::Closing(_)) if generation == self.generation => {
                out.push(Action::Abort);
            }
            (Timer::Backoff(epoch), State::Backoff) if epoch == self.epoch => {
                self.connect(now, out);
            }
            (Timer::Probe(epoch), State::Parked) if epoch == self.epoch => {
                self.attempt = self.attempt.saturating_add(1);
                self.connect(now, out);
            }
            // Of another state, generation or epoch.
            (Timer::Connect(_) | Timer::Stable(_) | Timer::Kill(_), _)
            | (Timer::Backoff(_) | Timer::Probe(_), _) => {}
        }
    }

    fn start_anew(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.attempt = 1;
        self.crashes.clear();
        self.previous_delay = Duration::ZERO;
        self.down_since.get_or_insert(now);
        self.connect(now, out);
    }

    fn connect(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.state = State::Connecting;
        self.generation.0 += 1;
        self.epoch.0 += 1;
        // A stable link that is renewed makes its first attempt.
        self.attempt = self.attempt.max(1);
        self.tries = self.tries.saturating_add(1);
        self.attempt_began = Some(now);
        out.push(Action::Emit(EventKind::Connecting));
        out.push(Action::Spawn(self.generation));
        out.push(Action::Arm(
            Timer::Connect(self.generation),
            self.settings.connect_timeout,
        ));
    }

    fn close(&mut self, then: Then, out: &mut Vec<Action>) {
        let drain = match then {
            Then::Retry(_) => false,
            Then::Renew | Then::Stop { .. } => true,
        };
        self.state = State::Closing(then);
        let grace = if drain {
            self.settings.drain_timeout
        } else {
            Duration::ZERO
        };
        out.push(Action::Close { drain });
        out.push(Action::Arm(
            Timer::Kill(self.generation),
            grace.saturating_add(self.settings.kill_timeout),
        ));
    }

    fn stopped(&mut self, out: &mut Vec<Action>) {
        self.state = State::Stopped;
        self.epoch.0 += 1;
        self.attempt = 0;
        self.tries = 0;
        self.was_up = false;
        self.down_since = None;
        out.push(Action::Emit(EventKind::Stopped));
    }

    /// The link is down and its socket gone: try again later, or give up.
    fn fail(&mut self, cause: Cause, now: Instant, out: &mut Vec<Action>) {
        self.epoch.0 += 1;
        let give_up = match cause.class() {
            Class::Permanent => true,
            Class::Crash => self.crashes.record(now),
            Class::Transient | Class::Requested => false,
        } || self.settings.restart.exhausted(self.attempt);
        if give_up {
            self.state = State::Parked;
            out.push(Action::Emit(EventKind::GaveUp {
                cause,
                attempts: self.attempt,
            }));
            if let Some(every) = self.settings.park_probe {
                out.push(Action::Arm(Timer::Probe(self.epoch), every));
            }
            return;
        }
        self.attempt = self.attempt.saturating_add(1);
        let planned = self.settings.restart.delay(
            &cause,
            self.attempt,
            self.previous_delay,
            elapsed(self.down_since, now),
            &mut self.rng,
        );
        self.previous_delay = planned;
        // Between the starts of two attempts: a slow failure has waited long enough already.
        let delay = planned.saturating_sub(elapsed(self.attempt_began, now));
        self.state = State::Backoff;
        out.push(Action::Emit(EventKind::Reconnecting {
            attempt: self.attempt,
            delay,
            cause,
        }));
        out.push(Action::Arm(Timer::Backoff(self.epoch), delay));
    }
}

fn elapsed(since: Option<Instant>, now: Instant) -> Duration {
    since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
}

#[cfg(test)]
mod limited;
#[cfg(test)]
mod model;
#[cfg(test)]
mod stale;
#[cfg(test)]
mod table;
