//! Results that are told later than they were.

use super::tests::{BAD, ms, results, start};
use super::*;

fn by_rate() -> Breaker {
    let settings = BreakerSettings::default().with_consecutive(u32::MAX);
    Breaker::new(settings.expect("valid"))
}

#[test]
fn successes_that_are_told_late_count_in_the_window_from_when_they_were() {
    for (age, state) in [
        (ms(11_000), BreakerState::Open),
        (ms(8_000), BreakerState::Closed),
    ] {
        let (mut breaker, now) = (by_rate(), start());
        let epoch = breaker.epoch();
        breaker.record(epoch, results(1, 0), now);
        breaker.record(epoch, results(0, 18), now + age);
        breaker.record(epoch, results(100, 0), now);
        breaker.record(epoch, results(0, 2), now + age);
        assert_eq!(breaker.state(), state, "{age:?}");
    }
}

#[test]
fn successes_before_the_latest_failure_do_not_end_its_row() {
    for (told_for, state) in [(0, BreakerState::Open), (2, BreakerState::Closed)] {
        let (mut breaker, now) = (Breaker::new(BreakerSettings::default()), start());
        let epoch = breaker.epoch();
        breaker.record(epoch, results(100, 4), now + ms(1));
        breaker.record(epoch, results(100, 0), now + ms(told_for));
        breaker.record(epoch, BAD, now + ms(3));
        assert_eq!(breaker.state(), state, "{told_for}");
    }
}
