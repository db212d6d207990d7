use std::time::{Duration, Instant};

use super::*;

pub(super) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) fn start() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "the only clock read: instants have no other origin"
    )]
    Instant::now()
}

const GOOD: Results = Results::SUCCESS;
pub(super) const BAD: Results = Results::FAILURE;

pub(super) fn results(successes: u32, failures: u32) -> Results {
    Results {
        successes,
        failures,
        slow: 0,
    }
}

/// A breaker, and an instant.
fn fresh() -> (Breaker, Instant) {
    (Breaker::new(BreakerSettings::default()), start())
}

/// One that tripped just now.
pub(super) fn tripped() -> (Breaker, Instant) {
    let (mut breaker, now) = fresh();
    breaker.record(breaker.epoch(), results(0, 5), now);
    assert_eq!(breaker.state(), BreakerState::Open);
    (breaker, now)
}

pub(super) fn half_open() -> (Breaker, Instant) {
    let (mut breaker, now) = tripped();
    breaker.connected();
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    (breaker, now)
}

#[test]
fn five_failures_in_a_row_trip_it_and_a_success_between_them_does_not_let_them() {
    let (mut breaker, now) = fresh();
    let epoch = breaker.epoch();
    for result in [BAD, BAD, BAD, BAD, GOOD, BAD, BAD, BAD, BAD] {
        breaker.record(epoch, result, now);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }
    breaker.record(epoch, BAD, now);
    assert_eq!(breaker.trip(), Some(Trip::Consecutive { failures: 5 }));
    assert!(breaker.epoch() > epoch);
}

#[test]
fn half_of_twenty_calls_in_the_window_trip_it_and_nineteen_calls_do_not() {
    let (mut breaker, now) = fresh();
    let epoch = breaker.epoch();
    breaker.record(epoch, results(10, 0), now);
    for _ in 0..3 {
        breaker.record(epoch, results(0, 3), now);
        // Ends the row, not the rate.
        breaker.record(epoch, GOOD, now);
    }
    // 13 succeeded and 9 failed.
    for failures in 10..13 {
        assert_eq!(breaker.state(), BreakerState::Closed, "{failures}");
        breaker.record(epoch, BAD, now);
    }
    // The thirteenth of 26.
    breaker.record(epoch, BAD, now);
    let trip = Trip::FailureRate {
        failures: 13,
        calls: 26,
    };
    assert_eq!(breaker.trip(), Some(trip));

    let settings = BreakerSettings::default()
        .with_consecutive(u32::MAX)
        .expect("valid");
    for (calls, state) in [(19, BreakerState::Closed), (20, BreakerState::Open)] {
        let mut breaker = Breaker::new(settings);
        breaker.record(epoch, results(0, calls), now);
        assert_eq!(breaker.state(), state, "{calls} calls");
    }
}

#[test]
fn what_is_older_than_the_window_does_not_count() {
    let settings = BreakerSettings::default()
        .with_consecutive(u32::MAX)
        .expect("valid");
    for (age, state) in [
        (ms(8_999), BreakerState::Open),
        (ms(10_000), BreakerState::Closed),
    ] {
        let (mut breaker, now) = (Breaker::new(settings), start());
        breaker.record(breaker.epoch(), results(0, 19), now);
        breaker.record(breaker.epoch(), BAD, now + age);
        assert_eq!(breaker.state(), state, "{age:?}");
    }
}

#[test]
fn slow_calls_trip_it_only_where_they_are_counted() {
    let slow = Results {
        successes: 20,
        failures: 0,
        slow: 10,
    };
    let (mut breaker, now) = fresh();
    breaker.record(breaker.epoch(), slow, now);
    assert_eq!(breaker.state(), BreakerState::Closed, "off by default");
    let limit = SlowCalls::new(0.5, ms(100)).expect("valid");
    let mut breaker = Breaker::new(BreakerSettings::default().with_slow(Some(limit)));
    breaker.record(breaker.epoch(), slow, now);
    let trip = Trip::SlowRate {
        slow: 10,
        calls: 20,
    };
    assert_eq!(breaker.trip(), Some(trip));
}

#[test]
fn a_success_never_trips_it() {
    let settings = BreakerSettings::default()
        .with_consecutive(u32::MAX)
        .expect("valid");
    let (mut breaker, now) = (Breaker::new(settings), start());
    breaker.record(breaker.epoch(), results(0, 19), now);
    breaker.record(breaker.epoch(), GOOD, now);
    assert_eq!(breaker.state(), BreakerState::Closed, "19 of 20 failed");
}

#[test]
fn a_lost_connection_counts_once_and_a_failed_connect_only_where_it_is_asked_for() {
    let (mut breaker, now) = fresh();
    for _ in 0..4 {
        breaker.connection_lost(now);
        breaker.connect_failed(now);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
    breaker.connection_lost(now);
    assert_eq!(breaker.trip(), Some(Trip::Consecutive { failures: 5 }));

    let mut feeds = Breaker::new(BreakerSettings::default().with_failed_connects(true));
    for _ in 0..5 {
        assert_eq!(feeds.state(), BreakerState::Closed);
        feeds.connect_failed(now);
    }
    assert_eq!(feeds.state(), BreakerState::Open);
}

#[test]
fn an_open_one_refuses_until_its_time_has_come_then_lets_three_probes_through() {
    let (mut breaker, now) = tripped();
    let refused = breaker.ask(now + ms(4_000)).expect_err("open");
    assert_eq!(refused.state, BreakerState::Open);
    assert_eq!(refused.retry_after, Some(ms(1_000)));
    assert_eq!(breaker.half_open_at(), Some(now + ms(5_000)));
    let later = now + ms(5_000);
    let probes: Vec<_> = (0..3)
        .map(|_| breaker.ask(later).expect("free").expect("a probe"))
        .collect();
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    let refused = breaker.ask(later + ms(1)).expect_err("no fourth");
    assert_eq!(refused.state, BreakerState::HalfOpen);
    assert_eq!(refused.retry_after, Some(ms(9_999)));
    for probe in probes {
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        breaker.probe(probe, Some(true), later);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
    assert_eq!(breaker.ask(later), Ok(None));
}

#[test]
fn a_probe_that_fails_opens_it_for_twice_as_long_up_to_a_minute() {
    let (mut breaker, mut now) = tripped();
    for seconds in [5, 10, 20, 40, 60, 60] {
        let due = breaker.half_open_at().expect("open");
        assert_eq!(due - now, ms(seconds * 1_000));
        now = due;
        let probe = breaker.ask(now).expect("due").expect("a probe");
        breaker.probe(probe, Some(false), now);
        assert_eq!(breaker.trip(), Some(Trip::Probe));
    }
    now += ms(60_000);
    for _ in 0..3 {
        let probe = breaker.ask(now).expect("due").expect("a probe");
        breaker.probe(probe, Some(true), now);
    }
    breaker.record(breaker.epoch(), results(0, 5), now);
    let due = breaker.half_open_at().expect("open again");
    assert_eq!(due - now, ms(5_000), "it begins anew once it was closed");
}

#[test]
fn a_lost_probe_gives_its_place_back_and_its_late_result_is_ignored() {
    let (mut breaker, now) = half_open();
    let mut take = |at| breaker.ask(at).map(|probe| probe.expect("half-open"));
    let lost: Vec<_> = (0..3).map(|_| take(now).expect("free")).collect();
    assert!(take(now + ms(9_999)).is_err());
    let later = now + ms(10_000);
    let fresh: Vec<_> = (0..3).map(|_| take(later).expect("free")).collect();
    for probe in &lost {
        breaker.probe(*probe, Some(false), later);
        breaker.probe(*probe, Some(true), later);
    }
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    breaker.probe(fresh[0], None, later);
    let instead = breaker.ask(later).expect("given back").expect("a probe");
    for probe in [instead, fresh[1], fresh[2]] {
        breaker.probe(probe, Some(true), later);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn results_from_before_a_change_of_state_are_ignored() {
    let (mut breaker, now) = fresh();
    let old = breaker.epoch();
    breaker.record(old, results(0, 5), now);
    breaker.connected();
    let stale = breaker.ask(now).expect("half-open").expect("a probe");
    breaker.connection_lost(now);
    breaker.connected();
    breaker.probe(stale, Some(false), now);
    breaker.record(old, results(0, 100), now);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    for _ in 0..3 {
        let probe = breaker.ask(now).expect("free").expect("a probe");
        breaker.probe(probe, Some(true), now);
    }
    breaker.record(old, results(0, 100), now);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn a_new_connection_turns_an_open_one_half_open_at_once_and_losing_it_opens_it_again() {
    let (mut breaker, now) = tripped();
    breaker.connection_lost(now);
    assert_eq!(
        breaker.half_open_at(),
        Some(now + ms(5_000)),
        "open already"
    );
    breaker.connected();
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    breaker.connection_lost(now);
    assert_eq!(breaker.trip(), Some(Trip::Probe));
    assert_eq!(breaker.half_open_at(), Some(now + ms(10_000)));
    let (mut closed, _) = fresh();
    let epoch = closed.epoch();
    closed.connected();
    assert_eq!(
        (closed.state(), closed.epoch()),
        (BreakerState::Closed, epoch)
    );
}

#[test]
fn what_is_forced_stays_whatever_happens_until_it_is_released() {
    let (mut breaker, now) = fresh();
    breaker.force(Force::Open);
    assert_eq!(breaker.trip(), Some(Trip::Forced));
    breaker.connected();
    breaker.look(now + ms(1_000_000));
    let refused = breaker.ask(now + ms(1_000_000)).expect_err("forced");
    assert_eq!(refused.retry_after, None);
    assert_eq!(refused.state, BreakerState::ForcedOpen);
    breaker.force(Force::Release);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);

    breaker.force(Force::Closed);
    breaker.record(breaker.epoch(), results(0, 100), now);
    breaker.connection_lost(now);
    assert_eq!(breaker.ask(now), Ok(None));
    assert_eq!(breaker.state(), BreakerState::ForcedClosed);
    breaker.force(Force::Release);
    assert_eq!(breaker.state(), BreakerState::Closed);
    let epoch = breaker.epoch();
    breaker.force(Force::Release);
    assert_eq!(breaker.epoch(), epoch, "not forced");
}

#[test]
fn after_it_was_closed_it_counts_from_nothing() {
    let (mut breaker, now) = half_open();
    for _ in 0..3 {
        let probe = breaker.ask(now).expect("free").expect("a probe");
        breaker.probe(probe, Some(true), now);
    }
    breaker.record(breaker.epoch(), results(0, 4), now);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn settings_come_back_as_they_were_and_refuse_what_cannot_be() {
    let read = toml::from_str::<BreakerSettings>;
    assert_eq!(read("").expect("all defaults"), BreakerSettings::default());
    let slow = SlowCalls::new(0.25, ms(1_500)).expect("valid");
    let settings = BreakerSettings::default()
        .with_failure_rate(0.3, 7)
        .and_then(|it| it.with_window(ms(30_000)))
        .and_then(|it| it.with_consecutive(9))
        .and_then(|it| it.with_open(ms(100), ms(200)))
        .and_then(|it| it.with_probes(1, ms(300)))
        .expect("valid")
        .with_failed_connects(true)
        .with_slow(Some(slow));
    let written = toml::to_string(&settings).expect("plain");
    assert_eq!(read(&written).expect(&written), settings);
    for (text, message) in [
        (
            "failure_rate = 0.0",
            "failure_rate is 0.0, but must be above 0",
        ),
        ("failure_rate = 1.1", "failure_rate is 1.1"),
        ("failure_rate = nan", "failure_rate is NaN"),
        (
            "minimum_calls = 0",
            "minimum_calls is 0, but must be from 1",
        ),
        ("window = '9ms'", "window is 9ms, but must be at least 10ms"),
        ("window = '0s'", "window is 0ns"),
        ("consecutive = 0", "consecutive is 0"),
        ("open = '2m'", "open is 120s, but must be at most open_max"),
        ("open_max = '2y'", "at most a year"),
        ("probes = 0", "probes is 0"),
        (
            "probes = 1001",
            "probes is 1001, but must be from 1 to 1000",
        ),
        ("probe_timeout = '0s'", "probe_timeout is 0ns"),
        ("slow = { rate = 0.0, longer_than = '1s' }", "rate is 0.0"),
        ("slow = { rate = 0.5 }", "missing field `longer_than`"),
        (
            "slow = { rate = 0.5, longer_than = '0s' }",
            "longer_than is 0ns",
        ),
        ("trips = 5", "unknown field `trips`"),
    ] {
        let error = read(text).expect_err(text).to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn it_says_what_it_is_in_a_few_words() {
    for (trip, text) in [
        (
            Trip::FailureRate {
                failures: 10,
                calls: 20,
            },
            "10 of 20 calls failed",
        ),
        (Trip::Consecutive { failures: 5 }, "5 failures in a row"),
        (
            Trip::SlowRate { slow: 1, calls: 2 },
            "1 of 2 calls were slow",
        ),
        (Trip::Probe, "a probe failed"),
        (Trip::Forced, "forced"),
    ] {
        assert_eq!(trip.to_string(), text);
    }
    let (mut breaker, now) = tripped();
    let open = breaker.ask(now + ms(500)).expect_err("open");
    assert_eq!(open.to_string(), "circuit is open, tried again in 4.5s");
    breaker.force(Force::Open);
    let forced = breaker.ask(now).expect_err("open");
    assert_eq!(forced.to_string(), "circuit is forced open");
}
