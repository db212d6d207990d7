//! What must hold in each of a model's worlds: [`Rules`].

use std::time::{Duration, Instant};

use super::super::{Generation, Input, Life, Timer};
use crate::event::{EventKind, LinkState};
use crate::exit::Class;

pub(super) const CAP: Duration = Duration::from_secs(30);
const FLOOR: Duration = Duration::from_millis(10);

/// The grammar of events: what may follow what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Stopped,
    Connecting,
    Up,
    /// Failed or disconnected; what follows is still open.
    Down,
    Waiting,
    Parked,
}

/// What is expected of a life, by what it was told and has told.
pub(super) struct Rules {
    told: Told,
    pub(super) newest: Generation,
    pub(super) attempt: u32,
    /// Attempts since it was last up.
    tries: u32,
    was_up: bool,
    /// When it came up, while it is.
    pub(super) up_since: Option<Instant>,
    /// Up since the last attempt began.
    pub(super) succeeded: bool,
    /// Bounds the end of the last wish to stop.
    pub(super) stopped_by: Option<Instant>,
    pub(super) probed: bool,
}

/// What surrounds a life.
pub(super) struct Around<'a> {
    pub(super) child: Option<Generation>,
    pub(super) aborted: bool,
    pub(super) timers: &'a [(Instant, Timer)],
}

impl Rules {
    /// Of a life that was told nothing.
    pub(super) fn new() -> Self {
        Self {
            told: Told::Stopped,
            newest: Generation(0),
            attempt: 0,
            tries: 0,
            was_up: false,
            up_since: None,
            succeeded: false,
            stopped_by: None,
            probed: false,
        }
    }

    /// Something is told: it must follow from what was told before.
    pub(super) fn event(
        &mut self,
        kind: &EventKind,
        input: &Input,
        before: LinkState,
        now: Instant,
    ) {
        let from = self.told;
        self.told = match (from, kind) {
            (Told::Stopped | Told::Down | Told::Waiting | Told::Parked, EventKind::Connecting) => {
                let anew = match from {
                    Told::Stopped => true,
                    Told::Parked => !self.probed,
                    _ => false,
                };
                self.attempt = match (anew, self.probed) {
                    (true, _) => 1,
                    (false, true) => self.attempt + 1,
                    (false, false) => self.attempt.max(1),
                };
                self.tries += 1;
                Told::Connecting
            }
            (Told::Connecting, EventKind::Connected) => {
                assert!(!self.was_up);
                self.comes_up(now)
            }
            (Told::Connecting, EventKind::Reconnected { attempts, .. }) => {
                assert!(self.was_up);
                assert_eq!(*attempts, self.tries);
                self.comes_up(now)
            }
            (Told::Connecting, EventKind::ConnectFailed { attempt, .. }) => {
                assert_eq!(*attempt, self.attempt);
                Told::Down
            }
            (Told::Up, EventKind::Disconnected { .. }) => {
                self.up_since = None;
                Told::Down
            }
            (
                Told::Down,
                EventKind::Reconnecting {
                    attempt,
                    delay,
                    cause,
                },
            ) => {
                assert_ne!(cause.class(), Class::Permanent);
                assert_eq!(*attempt, self.attempt + 1, "reset only by stable uptime");
                assert!(*delay <= CAP);
                assert!(
                    !self.succeeded || *delay >= FLOOR,
                    "{delay:?} after having been up"
                );
                self.attempt = *attempt;
                Told::Waiting
            }
            (Told::Down, EventKind::GaveUp { attempts, .. }) => {
                assert_eq!(*attempts, self.attempt);
                Told::Parked
            }
            // Stopped while it was connecting: no failure.
            (Told::Connecting | Told::Down | Told::Waiting | Told::Parked, EventKind::Stopped) => {
                (self.was_up, self.attempt, self.stopped_by) = (false, 0, None);
                self.tries = 0;
                Told::Stopped
            }
            _ => panic!("{kind:?} after {from:?}, at {input:?} in {before}"),
        };
    }

    fn comes_up(&mut self, now: Instant) -> Told {
        self.up_since = Some(now);
        (self.was_up, self.succeeded) = (true, true);
        self.tries = 0;
        Told::Up
    }

    /// How the life stands after each input fits to what was told, and something ends each wait.
    pub(super) fn check(&mut self, now: Instant, life: &Life, around: &Around<'_>) {
        let fits = match life.state() {
            LinkState::Stopped => self.told == Told::Stopped && around.child.is_none(),
            LinkState::Connecting => self.told == Told::Connecting && around.child.is_some(),
            LinkState::Up => self.told == Told::Up && around.child.is_some(),
            // Stopped while connecting has told nothing of it yet.
            LinkState::Closing => {
                matches!(self.told, Told::Down | Told::Connecting) && around.child.is_some()
            }
            LinkState::Backoff => self.told == Told::Waiting && around.child.is_none(),
            LinkState::Parked => self.told == Told::Parked && around.child.is_none(),
        };
        assert!(fits, "{:?}, but told {:?}", life, self.told);
        if life.state() == LinkState::Stopped {
            self.stopped_by = None;
        }
        if let Some(by) = self.stopped_by {
            assert!(now <= by, "stop ends in bounded time");
        }
        let waits = around.timers.iter().any(|(_, timer)| match timer {
            Timer::Connect(g) => *g == self.newest && self.told == Told::Connecting,
            Timer::Kill(g) => *g == self.newest && life.state() == LinkState::Closing,
            Timer::Backoff(e) => *e == life.epoch && self.told == Told::Waiting,
            Timer::Stable(_) | Timer::Probe(_) => false,
        });
        let restless = match life.state() {
            LinkState::Stopped | LinkState::Parked | LinkState::Up => false,
            LinkState::Connecting | LinkState::Closing | LinkState::Backoff => true,
        };
        assert!(
            !restless || waits || around.aborted,
            "nothing would ever end {:?}",
            life
        );
    }
}
