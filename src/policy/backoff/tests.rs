//! The rules that every backoff keeps, whatever its settings.

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn any_duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (1_u64..100_000).prop_map(Duration::from_nanos),
        (1_u64..100_000).prop_map(Duration::from_millis),
        (1_u64.., 0_u32..1_000_000_000).prop_map(|(s, n)| Duration::new(s, n)),
        Just(Duration::MAX),
    ]
}

fn any_growing() -> impl Strategy<Value = Backoff> {
    let factor = prop_oneof![1.0..4.0_f64, Just(1.0), Just(f64::MAX)];
    prop_oneof![
        any_duration().prop_map(Backoff::fixed),
        (any_duration(), any_duration()).prop_map(|(b, s)| Backoff::linear(b, s)),
        (any_duration(), factor).prop_map(|(b, f)| Backoff::exponential(b, f)),
    ]
    .prop_map(|backoff| backoff.expect("generated within the rules"))
}

fn any_jitter() -> impl Strategy<Value = Jitter> {
    prop_oneof![
        Just(Jitter::None),
        Just(Jitter::Full),
        Just(Jitter::Equal),
        Just(Jitter::Decorrelated),
        (0.0..=1.0_f64).prop_map(|r| Jitter::ratio(r).expect("a share")),
    ]
}

prop_compose! {
    fn any_backoff()(
        backoff in any_growing(),
        jitter in any_jitter(),
        bounds in (any_duration(), any_duration()),
        cap_set in any::<bool>(),
        floor_set in any::<bool>(),
    ) -> Backoff {
        let mut backoff = backoff.jittered(jitter);
        if cap_set {
            backoff = backoff.capped(bounds.0.max(bounds.1)).expect("not zero");
        }
        if floor_set {
            backoff = backoff.floored(bounds.0.min(bounds.1)).expect("below the cap");
        }
        backoff
    }
}

fn any_attempt() -> impl Strategy<Value = u32> {
    prop_oneof![0_u32..40, any::<u32>(), Just(u32::MAX)]
}

proptest! {
    #[test]
    fn a_delay_lies_between_floor_and_cap_and_repeats_under_the_same_seed(
        backoff in any_backoff(),
        attempt in any_attempt(),
        previous in any_duration(),
        seed in any::<u64>(),
    ) {
        let draw = || backoff.delay(attempt, previous, &mut StdRng::seed_from_u64(seed));
        let delay = draw();
        prop_assert!(backoff.floor() <= delay && delay <= backoff.cap());
        prop_assert!(backoff.range(attempt, previous).contains(&delay));
        prop_assert_eq!(draw(), delay);
    }

    #[test]
    fn the_longest_delay_never_shrinks_with_the_attempt(
        backoff in any_backoff(),
        attempts in (any_attempt(), any_attempt()),
        previous in any_duration(),
    ) {
        let longest = |attempt| *backoff.range(attempt, previous).end();
        let (early, late) = (attempts.0.min(attempts.1), attempts.0.max(attempts.1));
        prop_assert!(longest(early) <= longest(late));
    }

    #[test]
    fn a_custom_function_is_bounded_as_well(
        answer in any_duration(),
        jitter in any_jitter(),
        attempt in any_attempt(),
        seed in any::<u64>(),
    ) {
        let backoff = Backoff::custom(move |_| answer).jittered(jitter);
        let delay = backoff.delay(attempt, answer, &mut StdRng::seed_from_u64(seed));
        prop_assert!(FLOOR <= delay && delay <= CAP);
    }

    #[test]
    fn decorrelated_stays_between_the_base_and_thrice_the_delay_before(
        seed in any::<u64>(),
    ) {
        let rng = &mut StdRng::seed_from_u64(seed);
        let backoff = Backoff::default().jittered(Jitter::Decorrelated);
        let mut previous = Duration::ZERO;
        for attempt in 1..100 {
            let delay = backoff.delay(attempt, previous, rng);
            prop_assert!(BASE <= delay && delay <= CAP.min(previous.max(BASE) * 3));
            previous = delay;
        }
    }

    #[test]
    fn toml_comes_back_as_it_was(
        backoff in any_backoff().prop_filter("humantime ends there", |backoff| {
            let year = Duration::from_secs(31_557_600);
            *backoff.range(2, Duration::ZERO).end() < year && backoff.cap() < year
        }),
    ) {
        let text = toml::to_string(&backoff).expect("not custom");
        prop_assert_eq!(toml::from_str::<Backoff>(&text).expect("just written"), backoff);
    }
}

fn draws(backoff: &Backoff, attempt: u32) -> Vec<f64> {
    let rng = &mut StdRng::seed_from_u64(7);
    let mut draw = || backoff.delay(attempt, CAP, rng).as_secs_f64();
    (0..4_000).map(|_| draw()).collect()
}

#[test]
fn delays_spread_evenly_even_at_the_cap() {
    let ratio = Jitter::ratio(0.2).expect("a share");
    for (jitter, mean) in [
        (Jitter::Full, 15.0),
        (Jitter::Equal, 22.5),
        (Jitter::Decorrelated, 15.05),
        (ratio, 27.0),
    ] {
        let draws = draws(&Backoff::default().jittered(jitter), u32::MAX);
        let measured = draws.iter().sum::<f64>() / draws.len() as f64;
        assert!((measured - mean).abs() < 0.4, "{jitter:?}: {measured}");
        let at_cap = draws.iter().filter(|&&delay| delay > 29.9).count();
        assert!(at_cap < draws.len() / 20, "{jitter:?}: {at_cap} at the cap");
    }
}

#[test]
fn grows_as_its_kind_says() {
    let longest = |backoff: &Backoff| [1, 2, 3, 4].map(|n| *backoff.range(n, CAP).end());
    let fixed = Backoff::fixed(ms(50)).expect("valid");
    assert_eq!(longest(&fixed), [ms(50); 4]);
    let linear = Backoff::linear(ms(100), ms(30)).expect("valid");
    assert_eq!(longest(&linear), [ms(100), ms(130), ms(160), ms(190)]);
    let default = Backoff::default();
    assert_eq!(longest(&default), [ms(100), ms(200), ms(400), ms(800)]);
    let custom = Backoff::custom(|attempt| ms(u64::from(attempt) * 7 + 10));
    assert_eq!(longest(&custom), [ms(17), ms(24), ms(31), ms(38)]);
    assert_eq!(longest(&Backoff::none()), [Duration::ZERO; 4]);
}

#[test]
fn bounds_that_were_not_set_follow_the_base() {
    let slow = Backoff::fixed(ms(60_000)).expect("valid");
    assert_eq!(slow.range(1, CAP), ms(60_000)..=ms(60_000));
    let quick = Backoff::fixed(ms(1)).expect("valid");
    assert_eq!(quick.range(1, CAP), ms(1)..=ms(1));
    let low = Backoff::default().capped(ms(5)).expect("valid");
    assert_eq!((low.floor(), low.cap()), (ms(5), ms(5)));
    let high = Backoff::default().floored(ms(60_000)).expect("valid");
    assert_eq!((high.floor(), high.cap()), (ms(60_000), ms(60_000)));
}

#[test]
fn refuses_settings_that_cannot_be_and_says_why() {
    let zero = Duration::ZERO;
    let too_low = Backoff::default().floored(ms(20)).expect("valid");
    for (result, message) in [
        (
            Backoff::fixed(zero),
            "delay is 0ns, but must be more than zero",
        ),
        (
            Backoff::linear(zero, ms(1)),
            "base is 0ns, but must be more than zero",
        ),
        (
            Backoff::exponential(ms(1), 0.5),
            "factor is 0.5, but must be a finite number of at least 1",
        ),
        (
            Backoff::exponential(ms(1), f64::NAN),
            "factor is NaN, but must be a finite number of at least 1",
        ),
        (
            Backoff::default().capped(zero),
            "cap is 0ns, but must be more than zero",
        ),
        (
            too_low.capped(ms(10)),
            "cap is 10ms, but must be at least the floor of 20ms",
        ),
    ] {
        assert_eq!(result.expect_err(message).to_string(), message);
    }
}

#[test]
fn can_be_shared_between_threads() {
    fn shared<T: Clone + Send + Sync + std::fmt::Debug>() {}
    shared::<Backoff>();
}
