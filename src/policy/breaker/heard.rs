//! An open breaker and a sign of life on the connection on which calls failed.

use super::tests::{half_open, ms, results, tripped};
use super::*;

fn probe_fails(breaker: &mut Breaker, now: std::time::Instant) {
    let probe = breaker.ask(now).expect("a place").expect("a probe");
    breaker.probe(probe, Some(false), now);
    assert_eq!(breaker.trip(), Some(Trip::Probe));
}

#[test]
fn a_sign_of_life_turns_one_half_open_that_failed_calls_have_opened() {
    let (mut breaker, now) = tripped();
    breaker.heard(breaker.epoch());
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    for _ in 0..3 {
        let probe = breaker.ask(now).expect("a place").expect("a probe");
        breaker.probe(probe, Some(true), now);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);

    // By their rate, too; and again, since it was closed meanwhile.
    let epoch = breaker.epoch();
    breaker.record(epoch, results(10, 0), now);
    for failures in [3, 3, 3, 4] {
        breaker.record(epoch, results(0, failures), now);
        breaker.record(epoch, Results::SUCCESS, now);
    }
    assert!(
        matches!(breaker.trip(), Some(Trip::FailureRate { .. })),
        "{breaker:?}"
    );
    breaker.heard(breaker.epoch());
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
}

#[test]
fn one_that_probes_have_opened_again_waits_all_of_its_time_whatever_is_heard() {
    for by_heard in [true, false] {
        let (mut breaker, now) = tripped();
        if by_heard {
            breaker.heard(breaker.epoch());
        } else {
            breaker.look(now + ms(5_000));
        }
        probe_fails(&mut breaker, now);
        breaker.heard(breaker.epoch());
        assert_eq!(breaker.state(), BreakerState::Open);
        assert_eq!(breaker.half_open_at(), Some(now + ms(10_000)), "doubled");
    }
    // Nobody opened it, but a probe found it failing: the same.
    let (mut breaker, now) = tripped();
    breaker.force(Force::Open);
    breaker.force(Force::Release);
    probe_fails(&mut breaker, now);
    breaker.heard(breaker.epoch());
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn what_was_read_before_it_opened_is_no_sign_of_life() {
    let (mut breaker, now) = half_open();
    let before = breaker.epoch();
    for _ in 0..3 {
        let probe = breaker.ask(now).expect("a place").expect("a probe");
        breaker.probe(probe, Some(true), now);
    }
    let closed = breaker.epoch();
    breaker.record(closed, results(0, 5), now);
    for epoch in [before, closed] {
        breaker.heard(epoch);
        assert_eq!(breaker.state(), BreakerState::Open);
    }
}

#[test]
fn answers_that_are_slow_or_somebodys_word_are_not_answered_by_signs_of_life() {
    let limit = SlowCalls::new(0.5, ms(100)).expect("valid");
    let mut breaker = Breaker::new(BreakerSettings::default().with_slow(Some(limit)));
    let slow = Results {
        successes: 20,
        failures: 0,
        slow: 10,
    };
    breaker.record(breaker.epoch(), slow, super::tests::start());
    assert!(matches!(breaker.trip(), Some(Trip::SlowRate { .. })));
    breaker.heard(breaker.epoch());
    assert_eq!(breaker.state(), BreakerState::Open);
    breaker.force(Force::Open);
    breaker.heard(breaker.epoch());
    assert_eq!(breaker.state(), BreakerState::ForcedOpen);
}
