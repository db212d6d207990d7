//! What became of many calls over one connection, told to the circuit cheaply: [`Tally`].

use std::time::{Duration, Instant};

use crate::link::circuit::{Circuit, Pass};
use crate::policy::Results;

/// Successes are told to the circuit no more often than this; a failure at once, after them.
const TOLD_EVERY: Duration = Duration::from_millis(250);

/// What a call carries for its circuit on its way.
#[derive(Debug, Default)]
pub(crate) struct Mark {
    /// It is a probe.
    probe: Option<Box<Pass>>,
    /// The circuit's epoch when it was written.
    epoch: u32,
    /// When it was written: milliseconds of the tally's life, as many as fit.
    at: u32,
}

impl Mark {
    /// It goes through as this says.
    pub(crate) fn passed(pass: Pass) -> Self {
        Self {
            probe: pass.is_probe().then(|| Box::new(pass)),
            ..Self::default()
        }
    }

    #[cfg(feature = "redis")]
    pub(crate) fn is_probe(&self) -> bool {
        self.probe.is_some()
    }

    /// As new; a probe that has no result gives its place back.
    #[inline]
    pub(crate) fn clear(&mut self) {
        if self.probe.is_some() {
            self.probe = None;
        }
        (self.epoch, self.at) = (0, 0);
    }
}

/// Counts the results of a connection's calls, and tells them to its circuit in batches.
///
/// Only calls that were written count, and only in the epoch of the circuit in which they were.
/// One that is overdue counts as failed if it was in flight for half of its time at least: of one
/// that had waited for a connection nearly until its deadline nobody can tell whether the server
/// would have answered it.
#[derive(Debug)]
pub(crate) struct Tally {
    circuit: Option<Circuit>,
    slow_after: Option<Duration>,
    born: Instant,
    now: Instant,
    /// Milliseconds from `born` to `now`; starts again after 49 days.
    at: u32,
    epoch: u32,
    /// In this epoch the circuit holds calls back: a reply may be what it waits for.
    listening: bool,
    /// A reply came, in this epoch, that is none of its results.
    heard: bool,
    results: Results,
    tell_at: Instant,
}

impl Tally {
    pub(crate) fn new(circuit: Option<Circuit>, now: Instant) -> Self {
        Self {
            slow_after: circuit.as_ref().and_then(Circuit::slow_after),
            epoch: circuit.as_ref().map_or(0, Circuit::epoch),
            circuit,
            // A new connection is a sign of life already.
            listening: false,
            heard: false,
            born: now,
            now,
            at: 0,
            results: Results::default(),
            tell_at: now,
        }
    }

    /// A turn of the connection begins.
    pub(crate) fn begin(&mut self, now: Instant) {
        if now >= self.tell_at && !self.is_urgent() {
            // As of the last turn, which may be long ago: nothing went on meanwhile.
            self.tell();
        }
        self.now = now;
        let life = now.saturating_duration_since(self.born);
        self.at = (life.as_secs() as u32)
            .wrapping_mul(1_000)
            .wrapping_add(life.subsec_millis());
        let Some(circuit) = &self.circuit else {
            return;
        };
        let epoch = circuit.epoch();
        if epoch != self.epoch {
            self.epoch = epoch;
            self.results = Results::default();
            self.listening = !circuit.is_free();
            self.heard = false;
        }
    }

    /// A reply came that answers no call: that call was given up, or a check was asked.
    pub(crate) fn heard(&mut self) {
        self.heard = true;
    }

    /// A call is written.
    #[inline]
    pub(crate) fn written(&self, mark: &mut Mark) {
        mark.epoch = self.epoch;
        mark.at = self.at;
    }

    /// A call was answered, whatever the answer says.
    #[inline]
    pub(crate) fn answered(&mut self, mark: &mut Mark) {
        let slow = self
            .slow_after
            .is_some_and(|limit| self.in_flight(mark) >= limit);
        if let Some(probe) = mark.probe.take() {
            if slow {
                probe.failed();
            } else {
                probe.succeeded();
            }
        } else if mark.epoch == self.epoch {
            self.results.successes = self.results.successes.saturating_add(1);
            self.results.slow = self.results.slow.saturating_add(u32::from(slow));
        } else {
            self.heard = true;
        }
    }

    /// A call passed its deadline while it was in flight; `timeout` is all the time it had, what
    /// it waited before it was written included.
    pub(crate) fn overdue(&mut self, mark: &mut Mark, timeout: Duration) {
        let probe = mark.probe.take();
        if self.in_flight(mark) < timeout / 2 {
            return;
        }
        if let Some(probe) = probe {
            probe.failed();
        } else if mark.epoch == self.epoch {
            self.results.failures = self.results.failures.saturating_add(1);
        }
    }

    /// The turn ends, of the connection that is up.
    pub(crate) fn end(&mut self) {
        if self.listening && (self.heard || self.results.successes > 0) {
            self.tell_of_life();
        }
        if self.is_urgent() || self.now >= self.tell_at {
            self.tell();
        }
    }

    /// What did not go well is told at the end of its turn, or never.
    fn is_urgent(&self) -> bool {
        self.results.failures > 0 || self.results.slow > 0
    }

    fn tell_of_life(&mut self) {
        self.heard = false;
        if let Some(circuit) = &self.circuit {
            circuit.heard(self.epoch);
        }
    }

    fn tell(&mut self) {
        let results = std::mem::take(&mut self.results);
        if let Some(circuit) = &self.circuit
            && results.calls() > 0
        {
            circuit.record_at(self.epoch, results, self.now);
            self.tell_at = self.now + TOLD_EVERY;
        }
    }

    fn in_flight(&self, mark: &Mark) -> Duration {
        Duration::from_millis(self.at.wrapping_sub(mark.at).into())
    }
}

/// The connection ends; what went well before is told first. What did not was told at once while it
/// was up; once it is replaced it says nothing of the next one.
impl Drop for Tally {
    fn drop(&mut self) {
        self.results.failures = 0;
        self.results.slow = 0;
        self.tell();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{BreakerSettings, BreakerState};

    const SECOND: Duration = Duration::from_secs(1);

    fn start() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn tally(settings: BreakerSettings) -> (Tally, Circuit) {
        let circuit = Circuit::new(settings);
        (Tally::new(Some(circuit.clone()), start()), circuit)
    }

    fn written(tally: &Tally) -> Mark {
        let mut mark = Mark::default();
        tally.written(&mut mark);
        mark
    }

    /// So many calls, each written now and overdue when all of its second has passed.
    fn fail(tally: &mut Tally, calls: usize) {
        let mut marks: Vec<Mark> = (0..calls).map(|_| written(tally)).collect();
        tally.begin(tally.now + SECOND);
        for mark in &mut marks {
            tally.overdue(mark, SECOND);
        }
    }

    #[test]
    fn failures_are_told_at_once_and_what_went_well_before_them_first() {
        let (mut tally, circuit) = tally(BreakerSettings::default());
        fail(&mut tally, 4);
        tally.end();
        let mut good = written(&tally);
        tally.begin(tally.now);
        tally.answered(&mut good);
        tally.end();
        assert_eq!(tally.results.calls(), 1, "no hurry");
        fail(&mut tally, 4);
        tally.end();
        assert_eq!(circuit.state(), BreakerState::Closed, "four in a row");
        fail(&mut tally, 1);
        tally.end();
        assert_eq!(circuit.state(), BreakerState::Open);
    }

    #[test]
    fn what_went_well_is_told_after_a_while_and_at_the_end() {
        let half = BreakerSettings::default()
            .with_consecutive(u32::MAX)
            .expect("valid");
        for late in [Duration::ZERO, TOLD_EVERY] {
            let (mut tally, circuit) = tally(half);
            let mut marks: Vec<Mark> = (0..22).map(|_| written(&tally)).collect();
            // Told at once, since nothing was told before.
            tally.answered(&mut marks[0]);
            tally.end();
            tally.begin(tally.now + late);
            marks[1..].iter_mut().for_each(|mark| tally.answered(mark));
            tally.end();
            let kept = if late.is_zero() { 21 } else { 0 };
            assert_eq!(tally.results.calls(), kept);
            drop(tally);
            circuit.record(
                circuit.epoch(),
                Results {
                    failures: 21,
                    ..Results::default()
                },
            );
            assert_eq!(circuit.state(), BreakerState::Closed, "22 went well");
            circuit.record(circuit.epoch(), Results::FAILURE);
            assert_eq!(circuit.state(), BreakerState::Open);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_went_well_counts_from_when_it_did() {
        let by_rate = BreakerSettings::default()
            .with_consecutive(u32::MAX)
            .expect("valid");
        for (idle, expected) in [(30, BreakerState::Open), (5, BreakerState::Closed)] {
            let (mut tally, circuit) = tally(by_rate);
            for calls in [1, 100] {
                tally.begin(start());
                for _ in 0..calls {
                    let mut good = written(&tally);
                    tally.answered(&mut good);
                }
                tally.end();
            }
            assert_eq!(tally.results.calls(), 100, "no hurry");
            tokio::time::advance(idle * SECOND).await;
            tally.begin(start());
            fail(&mut tally, 20);
            for _ in 0..5 {
                let mut good = written(&tally);
                tally.answered(&mut good);
            }
            tally.end();
            assert_eq!(circuit.state(), expected, "after {idle} s");
        }
    }

    #[test]
    fn a_call_that_was_in_flight_for_less_than_half_of_its_time_says_nothing() {
        let (mut tally, circuit) = tally(BreakerSettings::default());
        let mut marks: Vec<Mark> = (0..10).map(|_| written(&tally)).collect();
        tally.begin(tally.now + SECOND);
        for mark in &mut marks {
            tally.overdue(mark, 2 * SECOND + Duration::from_millis(2));
        }
        tally.end();
        assert_eq!(circuit.state(), BreakerState::Closed);
        let mut marks: Vec<Mark> = (0..10).map(|_| written(&tally)).collect();
        tally.begin(tally.now + SECOND);
        for mark in &mut marks {
            tally.overdue(mark, 2 * SECOND);
        }
        tally.end();
        assert_eq!(circuit.state(), BreakerState::Open);
    }

    #[test]
    fn what_was_written_under_another_state_does_not_count() {
        let (mut tally, circuit) = tally(BreakerSettings::default());
        let mut old: Vec<Mark> = (0..10).map(|_| written(&tally)).collect();
        fail(&mut tally, 5);
        tally.end();
        circuit.connected();
        for _ in 0..3 {
            circuit.ask().expect("a probe").succeeded();
        }
        tally.begin(tally.now + SECOND);
        for mark in &mut old {
            tally.overdue(mark, SECOND);
        }
        tally.end();
        assert_eq!(circuit.state(), BreakerState::Closed);
    }

    #[test]
    fn a_probe_that_nobody_answers_for_gives_its_place_back() {
        let (mut tally, circuit) = tally(BreakerSettings::default());
        fail(&mut tally, 5);
        tally.end();
        circuit.connected();
        for _ in 0..10 {
            drop(Mark::passed(circuit.ask().expect("a place")));
        }
        let mut probe = Mark::passed(circuit.ask().expect("a place"));
        tally.written(&mut probe);
        tally.begin(tally.now + SECOND);
        tally.overdue(&mut probe, SECOND);
        assert_eq!(circuit.state(), BreakerState::Open, "it failed");
    }

    #[test]
    fn a_reply_is_a_sign_of_life_when_it_came_after_the_circuit_opened() {
        let replies: [fn(&mut Tally, &mut Mark); 3] = [
            |tally, late| tally.answered(late),
            |tally, _| tally.heard(),
            |tally, _| tally.answered(&mut written(tally)),
        ];
        for reply in replies {
            let (mut tally, circuit) = tally(BreakerSettings::default());
            let mut late = written(&tally);
            tally.begin(tally.now);
            tally.heard();
            tally.end();
            tally.heard();
            fail(&mut tally, 5);
            tally.end();
            tally.begin(tally.now);
            tally.end();
            assert_eq!(
                circuit.state(),
                BreakerState::Open,
                "heard before it opened"
            );
            reply(&mut tally, &mut late);
            tally.end();
            assert_eq!(circuit.state(), BreakerState::HalfOpen);
        }
    }

    #[test]
    fn without_a_circuit_nothing_is_counted() {
        let mut tally = Tally::new(None, start());
        fail(&mut tally, 10);
        tally.end();
    }
}
