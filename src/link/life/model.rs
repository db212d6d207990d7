//! A randomized model of a link's surroundings: thousands of sequences of wishes, ends, signals
//! and timers, stale ones included, and the rules that hold in all of them.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Action, Epoch, Generation, Input, Life, Timer};
use crate::event::{EventKind, LinkState};
use crate::exit::{Cause, CauseKind, Class};
use crate::link::settings::LinkSettings;
use crate::policy::{Attempts, Intensity, RestartPolicy};

const CAP: Duration = Duration::from_secs(30);
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

/// All that surrounds a life: its one child, its timers, and what is expected of it.
struct World {
    life: Life,
    settings: LinkSettings,
    rng: StdRng,
    now: Instant,
    child: Option<Generation>,
    aborted: bool,
    timers: Vec<(Instant, Timer)>,
    /// Timers that fired or were overtaken; any of them may fire once more.
    stale: Vec<Timer>,
    told: Told,
    newest: Generation,
    attempt: u32,
    /// Attempts since it was last up.
    tries: u32,
    was_up: bool,
    /// When it came up, while it is.
    up_since: Option<Instant>,
    /// Up since the last attempt began.
    succeeded: bool,
    /// Bounds the end of the last wish to stop.
    stopped_by: Option<Instant>,
    probed: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut restart = RestartPolicy::default();
        if rng.random_bool(0.3) {
            let limit = NonZeroU32::new(rng.random_range(1..6)).expect("from 1");
            restart = restart.with_attempts(Attempts::Limited(limit));
        }
        if rng.random_bool(0.3) {
            let period = Duration::from_secs(rng.random_range(1..100));
            let intensity = Intensity::new(rng.random_range(0..4), period).expect("valid");
            restart = restart.with_intensity(intensity);
        }
        let settings = LinkSettings {
            restart,
            park_probe: rng.random_bool(0.7).then_some(Duration::from_secs(300)),
            ..LinkSettings::default()
        };
        Self {
            life: Life::new(settings.clone(), StdRng::seed_from_u64(seed)),
            settings,
            rng,
            #[expect(
                clippy::disallowed_methods,
                reason = "the only clock read: instants have no other origin"
            )]
            now: Instant::now(),
            child: None,
            aborted: false,
            timers: Vec::new(),
            stale: Vec::new(),
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

    fn step(&mut self) {
        match self.rng.random_range(0..100) {
            0..5 => self.wish(Input::Start),
            5..7 => self.wish(Input::Stop),
            7..8 => {
                let limit = Duration::from_millis(self.rng.random_range(0..20_000));
                self.wish(Input::StopWithin(limit));
            }
            8..11 => self.wish(Input::ReconnectNow),
            11..14 => self.wish(Input::Reconfigured),
            14..34 => self.signal(Input::ChildReady),
            34..38 => {
                let cause = self.cause();
                self.signal(|generation| Input::ChildUnhealthy(generation, cause));
            }
            38..56 => self.child_ends(),
            56..66 => self.stale_input(),
            _ => self.time_passes(),
        }
        // An aborted child has no choice; it ends before anything else takes long.
        if self.aborted && self.rng.random_bool(0.5) {
            self.child_ends();
        }
    }

    fn wish(&mut self, wish: Input) {
        match (&wish, self.life.state()) {
            (Input::Stop, _) => {
                let grace = self.settings.drain_timeout + self.settings.kill_timeout;
                self.stopped_by.get_or_insert(self.now + grace);
            }
            // A new limit counts for what drains already, the longer ones too.
            (Input::StopWithin(limit), _) => {
                let grace = self.settings.drain_timeout + self.settings.kill_timeout;
                let by = self.now + grace.max(*limit);
                self.stopped_by = Some(self.stopped_by.map_or(by, |known| known.max(by)));
            }
            // Once it is asked to start again, that it stops in between is not observable.
            (Input::Start, _) => self.stopped_by = None,
            _ => {}
        }
        self.give(wish);
    }

    fn signal(&mut self, input: impl FnOnce(Generation) -> Input) {
        if let Some(generation) = self.child {
            let closing = self.life.state() == LinkState::Closing;
            let actions = self.give(input(generation));
            assert!(
                !closing || actions == 0,
                "closing: the child's word is ignored"
            );
        }
    }

    fn child_ends(&mut self) {
        if let Some(generation) = self.child.take() {
            self.aborted = false;
            let cause = self.cause();
            self.give(Input::ChildExit(generation, cause));
        }
    }

    fn cause(&mut self) -> Cause {
        let kinds = [
            CauseKind::Refused,
            CauseKind::Closed,
            CauseKind::Stalled,
            CauseKind::Aborted,
            CauseKind::Panicked,
            CauseKind::Unexplained,
            CauseKind::Denied,
            CauseKind::Requested,
        ];
        kinds[self.rng.random_range(0..kinds.len())].into()
    }

    /// Something of an earlier generation or epoch: it must change nothing at all.
    fn stale_input(&mut self) {
        let older = Generation(self.newest.0.saturating_sub(self.rng.random_range(1..3)));
        let input = match self.rng.random_range(0..4) {
            0 => Input::ChildReady(older),
            1 => Input::ChildExit(older, self.cause()),
            2 => Input::ChildUnhealthy(older, self.cause()),
            _ if self.stale.is_empty() => return,
            _ => Input::Timer(self.stale[self.rng.random_range(0..self.stale.len())]),
        };
        let of_today = match &input {
            Input::Timer(Timer::Connect(g) | Timer::Stable(g) | Timer::Kill(g)) => {
                *g == self.life.generation
            }
            Input::Timer(Timer::Backoff(e) | Timer::Probe(e)) => *e == self.life.epoch,
            _ => older == self.newest,
        };
        if of_today {
            return;
        }
        let before = format!("{:?}", self.life);
        let mut actions = Vec::new();
        self.life.handle(input.clone(), self.now, &mut actions);
        assert_eq!(actions, [], "{input:?}");
        assert_eq!(format!("{:?}", self.life), before, "{input:?}");
    }

    /// To the next timer, or a little less far.
    fn time_passes(&mut self) {
        if self.aborted {
            return;
        }
        let Some(next) = (0..self.timers.len()).min_by_key(|&n| self.timers[n].0) else {
            return;
        };
        let (due, timer) = self.timers[next];
        if self.rng.random_bool(0.3) {
            let left = due.saturating_duration_since(self.now);
            self.now += self.rng.random_range(Duration::ZERO..=left);
            return;
        }
        self.timers.swap_remove(next);
        self.stale.push(timer);
        self.now = self.now.max(due);
        self.probed = matches!(timer, Timer::Probe(epoch) if epoch == self.life.epoch)
            && self.life.state() == LinkState::Parked;
        let stable = matches!(timer, Timer::Stable(g) if g == self.life.generation);
        if stable && let Some(since) = self.up_since {
            assert!(self.now.duration_since(since) >= self.settings.stable_after);
            self.attempt = 0;
        }
        self.give(Input::Timer(timer));
        self.probed = false;
    }

    /// Hands an input over and checks all that comes of it; tells how much that was.
    fn give(&mut self, input: Input) -> usize {
        let (before, generation) = (self.life.state(), self.life.generation);
        let mut actions = Vec::new();
        self.life.handle(input.clone(), self.now, &mut actions);
        for action in &actions {
            match action {
                Action::Spawn(generation) => {
                    assert_eq!(self.child, None, "at most one live child");
                    assert!(*generation > self.newest, "generations grow");
                    self.newest = *generation;
                    self.child = Some(*generation);
                    self.succeeded = false;
                }
                Action::Close { .. } => {
                    assert!(self.child.is_some(), "somebody is there to be closed");
                }
                Action::Abort => {
                    assert!(self.child.is_some(), "somebody is there to be aborted");
                    assert_eq!(before, LinkState::Closing);
                    self.aborted = true;
                }
                Action::Arm(timer, after) => {
                    if let Timer::Backoff(_) = timer {
                        assert!(*after <= CAP);
                    }
                    self.timers.push((self.now + *after, *timer));
                }
                Action::Emit(kind) => self.event(kind, &input, before),
            }
        }
        assert!(self.life.generation >= generation);
        self.check_state();
        actions.len()
    }

    fn event(&mut self, kind: &EventKind, input: &Input, before: LinkState) {
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
                self.comes_up()
            }
            (Told::Connecting, EventKind::Reconnected { attempts, .. }) => {
                assert!(self.was_up);
                assert_eq!(*attempts, self.tries);
                self.comes_up()
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

    fn comes_up(&mut self) -> Told {
        self.up_since = Some(self.now);
        (self.was_up, self.succeeded) = (true, true);
        self.tries = 0;
        Told::Up
    }

    fn check_state(&mut self) {
        let fits = match self.life.state() {
            LinkState::Stopped => self.told == Told::Stopped && self.child.is_none(),
            LinkState::Connecting => self.told == Told::Connecting && self.child.is_some(),
            LinkState::Up => self.told == Told::Up && self.child.is_some(),
            // Stopped while connecting has told nothing of it yet.
            LinkState::Closing => {
                matches!(self.told, Told::Down | Told::Connecting) && self.child.is_some()
            }
            LinkState::Backoff => self.told == Told::Waiting && self.child.is_none(),
            LinkState::Parked => self.told == Told::Parked && self.child.is_none(),
        };
        assert!(fits, "{:?}, but told {:?}", self.life, self.told);
        if self.life.state() == LinkState::Stopped {
            self.stopped_by = None;
        }
        if let Some(by) = self.stopped_by {
            assert!(self.now <= by, "stop ends in bounded time");
        }
        let waits = self.timers.iter().any(|(_, timer)| match timer {
            Timer::Connect(g) => *g == self.newest && self.told == Told::Connecting,
            Timer::Kill(g) => *g == self.newest && self.life.state() == LinkState::Closing,
            Timer::Backoff(e) => *e == self.life.epoch && self.told == Told::Waiting,
            Timer::Stable(_) | Timer::Probe(_) => false,
        });
        let restless = match self.life.state() {
            LinkState::Stopped | LinkState::Parked | LinkState::Up => false,
            LinkState::Connecting | LinkState::Closing | LinkState::Backoff => true,
        };
        assert!(
            !restless || waits || self.aborted,
            "nothing would ever end {:?}",
            self.life
        );
    }
}

#[test]
fn ten_thousand_random_lives_keep_the_rules() {
    let mut reached = [0_u32; 6];
    for seed in 0..10_000 {
        let mut world = World::new(seed);
        world.wish(Input::Start);
        for _ in 0..150 {
            world.step();
            reached[world.life.state() as usize] += 1;
        }
    }
    assert!(reached.iter().all(|&n| n > 10_000), "too tame: {reached:?}");
}

#[test]
fn an_epoch_never_comes_back() {
    let mut world = World::new(7);
    world.wish(Input::Start);
    let mut newest = Epoch(0);
    for _ in 0..10_000 {
        world.step();
        assert!(world.life.epoch.0 >= newest.0);
        newest = world.life.epoch;
    }
}
