//! The state machine: [`Breaker`].

use std::time::Instant;

use crate::policy::breaker::probes::{ProbeId, Probes};
use crate::policy::breaker::settings::BreakerSettings;
use crate::policy::breaker::state::{BreakerState, Epoch, Force, Refusal, Trip};
use crate::policy::breaker::window::Window;

/// What became of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Results {
    /// They were answered: an application's error too, since the server is alive.
    pub successes: u32,
    /// They were not.
    pub failures: u32,
    /// Those among both that took longer than they should.
    pub slow: u32,
}

impl Results {
    /// One that failed.
    pub const FAILURE: Self = Self {
        successes: 0,
        failures: 1,
        slow: 0,
    };

    /// One that succeeded.
    pub const SUCCESS: Self = Self {
        successes: 1,
        failures: 0,
        slow: 0,
    };

    /// All of them.
    pub fn calls(&self) -> u32 {
        self.successes.saturating_add(self.failures)
    }

    pub(super) fn add(&mut self, other: Self) {
        self.successes = self.successes.saturating_add(other.successes);
        self.failures = self.failures.saturating_add(other.failures);
        self.slow = self.slow.saturating_add(other.slow);
    }
}

/// The breaker of one link. It is told what happens and when, and knows no clock.
///
/// Closed, it counts results. It opens when a rule of its [`BreakerSettings`] says so, refuses
/// calls for a while, then turns half-open: a few probes go through. If all of them succeed it is
/// closed and counts from nothing; if one fails it opens for twice as long. A new connection turns
/// an open one half-open at once, and so does, the first time it is open, a sign of life on the old
/// one. Each change of state begins a new [`Epoch`].
#[derive(Debug, Clone)]
pub struct Breaker {
    settings: BreakerSettings,
    state: State,
    epoch: Epoch,
    window: Window,
    in_a_row: u32,
    /// When the latest failure was.
    failed_at: Option<Instant>,
    /// How often it opened since it was closed last.
    trips: u32,
    probes: Probes,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Closed,
    Open { trip: Trip, until: Instant },
    HalfOpen,
    ForcedOpen,
    ForcedClosed,
}

impl Breaker {
    /// A closed one that has counted nothing.
    pub fn new(settings: BreakerSettings) -> Self {
        Self {
            settings,
            state: State::Closed,
            epoch: Epoch::default(),
            window: Window::new(settings.window()),
            in_a_row: 0,
            failed_at: None,
            trips: 0,
            probes: Probes::default(),
        }
    }

    /// Its settings.
    pub fn settings(&self) -> &BreakerSettings {
        &self.settings
    }

    /// Its state.
    pub fn state(&self) -> BreakerState {
        match self.state {
            State::Closed => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen => BreakerState::HalfOpen,
            State::ForcedOpen => BreakerState::ForcedOpen,
            State::ForcedClosed => BreakerState::ForcedClosed,
        }
    }

    /// Counts its changes of state.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Why it is open; none if it is not.
    pub fn trip(&self) -> Option<Trip> {
        match self.state {
            State::Open { trip, .. } => Some(trip),
            State::ForcedOpen => Some(Trip::Forced),
            State::Closed | State::HalfOpen | State::ForcedClosed => None,
        }
    }

    /// When an open one turns half-open by itself.
    pub fn half_open_at(&self) -> Option<Instant> {
        match self.state {
            State::Open { until, .. } => Some(until),
            State::Closed | State::HalfOpen | State::ForcedOpen | State::ForcedClosed => None,
        }
    }

    /// Turns half-open if its time has come.
    pub fn look(&mut self, now: Instant) {
        if let State::Open { until, .. } = self.state
            && until <= now
        {
            self.half_open();
        }
    }

    /// May a call go through? If it is a probe, its result belongs to [`Breaker::probe`].
    ///
    /// # Errors
    /// It may not; and when to ask again.
    pub fn ask(&mut self, now: Instant) -> Result<Option<ProbeId>, Refusal> {
        self.look(now);
        let wait = |at: Instant| Some(at.saturating_duration_since(now));
        let retry_after = match self.state {
            State::Closed | State::ForcedClosed => return Ok(None),
            State::HalfOpen => {
                let until = now + self.settings.probe_timeout();
                if let Some(probe) = self.probes.take(self.settings.probes(), now, until) {
                    return Ok(Some(probe));
                }
                self.probes.next_free().and_then(wait)
            }
            State::Open { until, .. } => wait(until),
            State::ForcedOpen => None,
        };
        Err(Refusal {
            state: self.state(),
            retry_after,
        })
    }

    /// Results of calls that were no probes, begun in this epoch: successes first, then failures. They
    /// count from `now`, which may be an instant before the latest that was told.
    pub fn record(&mut self, epoch: Epoch, results: Results, now: Instant) {
        if epoch == self.epoch && self.state == State::Closed {
            self.count(results, now);
        }
    }

    /// A probe ended: well, badly, or (`None`) nobody can tell, and its place is free for
    /// another. Ignored if its place was given to another meanwhile.
    pub fn probe(&mut self, probe: ProbeId, succeeded: Option<bool>, now: Instant) {
        if !self.probes.give_back(probe, now) || self.state != State::HalfOpen {
            return;
        }
        match succeeded {
            None => {}
            Some(false) => self.open(Trip::Probe, now),
            Some(true) => {
                let succeeded = self.probes.succeed();
                if succeeded >= self.settings.probes() {
                    self.close(State::Closed);
                }
            }
        }
    }

    /// The connection was lost, not on request. One failure, however much was in flight.
    pub fn connection_lost(&mut self, now: Instant) {
        match self.state {
            State::Closed => self.count(Results::FAILURE, now),
            State::HalfOpen => self.open(Trip::Probe, now),
            State::Open { .. } | State::ForcedOpen | State::ForcedClosed => {}
        }
    }

    /// An attempt to connect failed: the same, where the settings count it.
    pub fn connect_failed(&mut self, now: Instant) {
        if self.settings.failed_connects() {
            self.connection_lost(now);
        }
    }

    /// There is a new connection: perhaps what ailed the old one is gone.
    pub fn connected(&mut self) {
        if let State::Open { .. } = self.state {
            self.half_open();
        }
    }

    /// A reply came on the connection, read in this epoch: a peer that was paused goes on, though
    /// what was asked before is long overdue. Believed once for each trip: a server that answers
    /// everything too late shows signs of life all the time, so after probes that failed the
    /// whole time is waited. No answer to a trip by slow calls, which are answered calls.
    pub fn heard(&mut self, epoch: Epoch) {
        if epoch != self.epoch {
            return;
        }
        if let State::Open { trip, .. } = self.state {
            match trip {
                Trip::FailureRate { .. } | Trip::Consecutive { .. } => self.half_open(),
                Trip::SlowRate { .. } | Trip::Probe | Trip::Forced => {}
            }
        }
    }

    /// Somebody says what it has to be.
    pub fn force(&mut self, force: Force) {
        match (force, self.state) {
            (Force::Open, State::ForcedOpen) | (Force::Closed, State::ForcedClosed) => {}
            (Force::Open, _) => self.change(State::ForcedOpen),
            (Force::Closed, _) => self.close(State::ForcedClosed),
            (Force::Release, State::ForcedOpen) => self.half_open(),
            (Force::Release, State::ForcedClosed) => self.close(State::Closed),
            (Force::Release, State::Closed | State::Open { .. } | State::HalfOpen) => {}
        }
    }

    fn count(&mut self, results: Results, now: Instant) {
        // What went well before the latest failure, and is told after it, says nothing of that row.
        if results.successes > 0 && self.failed_at.is_none_or(|failed| failed <= now) {
            self.in_a_row = 0;
        }
        if results.failures > 0 {
            self.failed_at = self.failed_at.max(Some(now));
        }
        self.in_a_row = self.in_a_row.saturating_add(results.failures);
        self.window.add(results, now);
        if let Some(trip) = self.broken_rule(results, now) {
            self.open(trip, now);
        }
    }

    fn broken_rule(&mut self, latest: Results, now: Instant) -> Option<Trip> {
        // What went well breaks no rule, though an older failure may still be in the window.
        if latest.failures == 0 && latest.slow == 0 {
            return None;
        }
        if self.in_a_row >= self.settings.consecutive() {
            let failures = self.in_a_row;
            return Some(Trip::Consecutive { failures });
        }
        let sum = self.window.sum(now);
        let calls = sum.calls();
        if calls < self.settings.minimum_calls() {
            return None;
        }
        let share = |part: u32| f64::from(part) / f64::from(calls);
        let failures = sum.failures;
        if latest.failures > 0 && share(failures) >= self.settings.failure_rate() {
            return Some(Trip::FailureRate { failures, calls });
        }
        let slow = sum.slow;
        let limit = self.settings.slow()?;
        (latest.slow > 0 && share(slow) >= limit.rate()).then_some(Trip::SlowRate { slow, calls })
    }

    fn open(&mut self, trip: Trip, now: Instant) {
        self.trips = self.trips.saturating_add(1);
        let until = now + self.settings.open_for(self.trips);
        self.change(State::Open { trip, until });
    }

    fn half_open(&mut self) {
        self.probes.begin();
        self.change(State::HalfOpen);
    }

    /// Counts from nothing.
    fn close(&mut self, state: State) {
        self.window.clear();
        self.in_a_row = 0;
        self.failed_at = None;
        self.trips = 0;
        self.change(state);
    }

    fn change(&mut self, state: State) {
        self.state = state;
        self.epoch.0 = self.epoch.0.wrapping_add(1);
    }
}
