//! A randomized model of a link's surroundings: thousands of sequences of wishes, ends, signals
//! and timers, stale ones included, and the [`rules`] that hold in all of them.

mod rules;

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Action, Epoch, Generation, Input, Life, Timer};
use crate::event::LinkState;
use crate::exit::{Cause, CauseKind};
use crate::link::settings::LinkSettings;
use crate::policy::{Attempts, Intensity, RestartPolicy};
use rules::{Around, CAP, Rules};

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
    rules: Rules,
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
            rules: Rules::new(),
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
                self.rules.stopped_by.get_or_insert(self.now + grace);
            }
            // A new limit counts for what drains already, the longer ones too.
            (Input::StopWithin(limit), _) => {
                let grace = self.settings.drain_timeout + self.settings.kill_timeout;
                let by = self.now + grace.max(*limit);
                self.rules.stopped_by =
                    Some(self.rules.stopped_by.map_or(by, |known| known.max(by)));
            }
            // Once it is asked to start again, that it stops in between is not observable.
            (Input::Start, _) => self.rules.stopped_by = None,
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
        let older = Generation(
            self.rules
                .newest
                .0
                .saturating_sub(self.rng.random_range(1..3)),
        );
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
            _ => older == self.rules.newest,
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
        self.rules.probed = matches!(timer, Timer::Probe(epoch) if epoch == self.life.epoch)
            && self.life.state() == LinkState::Parked;
        let stable = matches!(timer, Timer::Stable(g) if g == self.life.generation);
        if stable && let Some(since) = self.rules.up_since {
            assert!(self.now.duration_since(since) >= self.settings.stable_after);
            self.rules.attempt = 0;
        }
        self.give(Input::Timer(timer));
        self.rules.probed = false;
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
                    assert!(*generation > self.rules.newest, "generations grow");
                    self.rules.newest = *generation;
                    self.child = Some(*generation);
                    self.rules.succeeded = false;
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
                Action::Emit(kind) => self.rules.event(kind, &input, before, self.now),
            }
        }
        assert!(self.life.generation >= generation);
        let around = Around {
            child: self.child,
            aborted: self.aborted,
            timers: &self.timers,
        };
        self.rules.check(self.now, &self.life, &around);
        actions.len()
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
