//! The breaker against a naive model, which keeps every result of a closed time and every probe.

use std::time::Duration;

use proptest::prelude::*;

use super::tests::{BAD, ms, start};
use super::*;

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Ask,
    /// Results of an epoch so many changes ago.
    Record(u32, Results),
    /// The end of one of all probes that were ever given out.
    Probe(prop::sample::Index, Option<bool>),
    Lost,
    ConnectFailed,
    Connected,
    /// A reply, read so many changes ago.
    Heard(u32),
    Look,
    Force(Force),
}

fn step() -> impl Strategy<Value = Step> {
    let results = (0_u32..6, 0_u32..4, 0_u32..3).prop_map(|(successes, failures, slow)| Results {
        successes,
        failures,
        slow: slow.min(successes + failures),
    });
    let old = prop_oneof![8 => Just(0_u32), 1 => 1_u32..4];
    prop_oneof![
        6 => prop_oneof![0_u64..50, 0_u64..600].prop_map(Step::Wait),
        6 => Just(Step::Ask),
        1 => old.clone().prop_map(Step::Heard),
        6 => (old, results).prop_map(|(old, results)| Step::Record(old, results)),
        6 => (any::<prop::sample::Index>(), prop_oneof![
            4 => Just(Some(true)), 1 => Just(Some(false)), 1 => Just(None)
        ]).prop_map(|(which, end)| Step::Probe(which, end)),
        1 => Just(Step::Lost),
        1 => Just(Step::ConnectFailed),
        1 => Just(Step::Connected),
        1 => Just(Step::Look),
        1 => prop_oneof![Just(Force::Open), Just(Force::Closed), Just(Force::Release)]
            .prop_map(Step::Force),
    ]
}

/// Times are in milliseconds.
struct Model {
    settings: BreakerSettings,
    state: BreakerState,
    changes: u32,
    until: u64,
    /// How often it opened since it was closed, and so how long it is open.
    open_for: u64,
    /// It opened from closed, by calls that failed, and is still open.
    hopeful: bool,
    /// All results since it was closed, with their times.
    log: Vec<(u64, Results)>,
    /// All probes ever: in which change they were given out, when, and whether they ended.
    probes: Vec<(u32, u64, bool)>,
    succeeded: u32,
}

impl Model {
    fn millis(duration: Duration) -> u64 {
        u64::try_from(duration.as_millis()).expect("small")
    }

    fn change(&mut self, state: BreakerState) {
        self.state = state;
        self.changes += 1;
        self.hopeful = false;
        match state {
            BreakerState::HalfOpen => self.succeeded = 0,
            BreakerState::Closed | BreakerState::ForcedClosed => {
                self.log.clear();
                self.open_for = 0;
            }
            _ => {}
        }
    }

    fn open(&mut self, now: u64) {
        let (first, most) = (self.settings.open(), self.settings.open_max());
        self.open_for = match self.open_for {
            0 => Self::millis(first),
            before => (before * 2).min(Self::millis(most)),
        };
        self.until = now + self.open_for;
        self.change(BreakerState::Open);
    }

    fn look(&mut self, now: u64) {
        if self.state == BreakerState::Open && self.until <= now {
            self.change(BreakerState::HalfOpen);
        }
    }

    fn record(&mut self, results: Results, now: u64) {
        if self.state != BreakerState::Closed {
            return;
        }
        self.log.push((now, results));
        if results.failures == 0 && results.slow == 0 {
            return;
        }
        let mut row = 0;
        for (_, results) in &self.log {
            row = results.failures + if results.successes > 0 { 0 } else { row };
        }
        // A tenth of the window is the least that is told apart, from the first result on.
        let width = Self::millis(self.settings.window()) / 10;
        let bucket = |at: u64| (at - self.log[0].0) / width;
        let (mut calls, mut failures, mut slow) = (0, 0, 0);
        for (at, results) in &self.log {
            if bucket(*at) + 10 > bucket(now) {
                calls += results.calls();
                failures += results.failures;
                slow += results.slow;
            }
        }
        let enough = calls >= self.settings.minimum_calls();
        let share = |part: u32| f64::from(part) / f64::from(calls);
        let rate = results.failures > 0 && share(failures) >= self.settings.failure_rate();
        let failed = row >= self.settings.consecutive() || enough && rate;
        let slow = results.slow > 0
            && self
                .settings
                .slow()
                .is_some_and(|limit| share(slow) >= limit.rate());
        if failed || enough && slow {
            self.open(now);
            self.hopeful = failed;
        }
    }

    fn held(&self, now: u64) -> usize {
        let timeout = Self::millis(self.settings.probe_timeout());
        let holds = |(change, at, ended): &&(u32, u64, bool)| {
            *change == self.changes && !ended && now < at + timeout
        };
        self.probes.iter().filter(holds).count()
    }

    fn ask(&mut self, now: u64) -> Result<bool, Option<u64>> {
        self.look(now);
        match self.state {
            BreakerState::Closed | BreakerState::ForcedClosed => Ok(false),
            BreakerState::HalfOpen => {
                let held = self.held(now);
                if held + (self.succeeded as usize) < self.settings.probes() as usize {
                    self.probes.push((self.changes, now, false));
                    return Ok(true);
                }
                let timeout = Self::millis(self.settings.probe_timeout());
                let of_now = |(change, at, ended): &(u32, u64, bool)| {
                    (*change == self.changes && !ended && now < at + timeout)
                        .then(|| at + timeout - now)
                };
                Err(self.probes.iter().filter_map(of_now).min())
            }
            BreakerState::Open => Err(Some(self.until - now)),
            BreakerState::ForcedOpen => Err(None),
        }
    }

    fn probe(&mut self, which: usize, end: Option<bool>, now: u64) {
        let timeout = Self::millis(self.settings.probe_timeout());
        let (change, at, ended) = &mut self.probes[which];
        let counts = *change == self.changes && !*ended && now < *at + timeout;
        *ended = true;
        match end {
            Some(true) if counts => {
                self.succeeded += 1;
                if self.succeeded == self.settings.probes() {
                    self.change(BreakerState::Closed);
                }
            }
            Some(false) if counts => self.open(now),
            _ => {}
        }
    }

    fn lost(&mut self, now: u64) {
        match self.state {
            BreakerState::Closed => self.record(BAD, now),
            BreakerState::HalfOpen => self.open(now),
            _ => {}
        }
    }

    fn force(&mut self, force: Force) {
        use BreakerState::{Closed, ForcedClosed, ForcedOpen, HalfOpen};
        let next = match (force, self.state) {
            (Force::Open, _) => ForcedOpen,
            (Force::Closed, _) => ForcedClosed,
            (Force::Release, ForcedOpen) => HalfOpen,
            (Force::Release, ForcedClosed) => Closed,
            (Force::Release, state) => state,
        };
        if next != self.state {
            self.change(next);
        }
    }
}

proptest! {
    #[test]
    fn it_does_what_a_naive_one_does(
        consecutive in 2_u32..8,
        minimum in 1_u32..15,
        rate in 1_u32..=10,
        slow in prop::option::of(1_u32..=10),
        connects in any::<bool>(),
        probes in 1_u32..4,
        steps in prop::collection::vec(step(), 1..300),
    ) {
        let slow = slow.map(|rate| SlowCalls::new(f64::from(rate) / 10.0, ms(1)).expect("valid"));
        let settings = BreakerSettings::default()
            .with_failure_rate(f64::from(rate) / 10.0, minimum)
            .and_then(|it| it.with_window(ms(500)))
            .and_then(|it| it.with_consecutive(consecutive))
            .and_then(|it| it.with_open(ms(100), ms(700)))
            .and_then(|it| it.with_probes(probes, ms(300)))
            .expect("valid")
            .with_slow(slow)
            .with_failed_connects(connects);
        let mut real = Breaker::new(settings);
        let mut model = Model {
            settings,
            state: BreakerState::Closed,
            changes: 0,
            until: 0,
            open_for: 0,
            hopeful: false,
            log: Vec::new(),
            probes: Vec::new(),
            succeeded: 0,
        };
        let mut ids = Vec::new();
        let (origin, mut now) = (start(), 0);
        for step in steps {
            let at = origin + ms(now);
            match step {
                Step::Wait(millis) => now += millis,
                Step::Ask => {
                    let answer = real.ask(at);
                    let told = answer.map(|probe| probe.is_some());
                    let told = told.map_err(|refusal| refusal.retry_after.map(Model::millis));
                    prop_assert_eq!(told, model.ask(now));
                    ids.extend(answer.ok().flatten());
                    prop_assert!(model.held(now) <= probes as usize);
                }
                Step::Record(old, results) => {
                    if old <= model.changes {
                        real.record(Epoch(model.changes - old), results, at);
                    }
                    if old == 0 {
                        model.record(results, now);
                    }
                }
                Step::Probe(which, end) => {
                    if !ids.is_empty() {
                        let which = which.index(ids.len());
                        real.probe(ids[which], end, at);
                        model.probe(which, end, now);
                    }
                }
                Step::Lost => {
                    real.connection_lost(at);
                    model.lost(now);
                }
                Step::ConnectFailed => {
                    real.connect_failed(at);
                    if connects {
                        model.lost(now);
                    }
                }
                Step::Connected => {
                    real.connected();
                    if model.state == BreakerState::Open {
                        model.change(BreakerState::HalfOpen);
                    }
                }
                Step::Heard(old) => {
                    if old <= model.changes {
                        real.heard(Epoch(model.changes - old));
                    }
                    if old == 0 && model.hopeful {
                        model.change(BreakerState::HalfOpen);
                    }
                }
                Step::Look => {
                    real.look(at);
                    model.look(now);
                }
                Step::Force(force) => {
                    real.force(force);
                    model.force(force);
                }
            }
            prop_assert_eq!(real.state(), model.state);
            prop_assert_eq!(real.epoch(), Epoch(model.changes));
            let until = (model.state == BreakerState::Open).then_some(origin + ms(model.until));
            prop_assert_eq!(real.half_open_at(), until);
        }
    }
}
