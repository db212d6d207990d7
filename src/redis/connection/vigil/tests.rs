use super::*;

const COMMAND: Duration = Duration::from_secs(5);

struct Clock(Instant);

impl Clock {
    fn at(&self, millis: u64) -> Instant {
        self.0 + Duration::from_millis(millis)
    }
}

fn vigil(health: Health) -> (Vigil, Clock) {
    let clock = Clock(tokio::time::Instant::now().into_std());
    (Vigil::new(health, COMMAND, clock.0), clock)
}

fn lost(verdict: &Verdict) -> Option<CauseKind> {
    match verdict {
        Verdict::Lost(cause) => Some(cause.kind()),
        Verdict::Well(_) | Verdict::Ping | Verdict::Rest | Verdict::Suspect => None,
    }
}

#[test]
fn silence_of_half_a_second_with_something_in_flight_is_suspect_once() {
    let (mut vigil, clock) = vigil(Health::default());
    // Idle before: the silence counts from when there was something to answer.
    assert_eq!(
        vigil.check(clock.at(3000), true, false, 0),
        Verdict::Well(Some(clock.at(3500)))
    );
    assert_eq!(
        vigil.check(clock.at(3499), true, false, 0),
        Verdict::Well(Some(clock.at(3500)))
    );
    assert_eq!(
        vigil.check(clock.at(3500), true, false, 0),
        Verdict::Suspect
    );
    assert_eq!(
        vigil.check(clock.at(3500), true, false, 0),
        Verdict::Well(None)
    );
    assert_eq!(
        vigil.check(clock.at(9999), true, false, 0),
        Verdict::Well(None)
    );
    vigil.heard(clock.at(10_000));
    assert_eq!(
        vigil.check(clock.at(10_000), true, false, 0),
        Verdict::Well(Some(clock.at(10_500)))
    );
    assert_eq!(
        vigil.check(clock.at(10_500), true, false, 0),
        Verdict::Suspect
    );
}

#[test]
fn stalled_is_overdue_and_one_command_deadline_of_silence() {
    let table = [
        // heard at, overdue, checked at, lost
        (0, true, 4999, false),
        (0, true, 5000, true),
        (0, false, 60_000, false),
        (3000, true, 5000, false),
        (3000, true, 7999, false),
        (3000, true, 8000, true),
    ];
    for (heard, overdue, now, stalled) in table {
        let (mut vigil, clock) = vigil(Health::default());
        vigil.check(clock.at(0), true, false, 0);
        vigil.heard(clock.at(heard));
        vigil.check(clock.at(heard), true, false, 0);
        let mut verdict = vigil.check(clock.at(now), true, overdue, 0);
        if verdict == Verdict::Suspect {
            verdict = vigil.check(clock.at(now), true, overdue, 0);
        }
        let expected = stalled.then_some(CauseKind::Stalled);
        assert_eq!(lost(&verdict), expected, "{heard} {overdue} {now}");
        if let Verdict::Well(next) = verdict
            && overdue
        {
            assert_eq!(next, Some(clock.at(heard + 5000)));
        }
    }
}

#[test]
fn an_idle_connection_is_lost_after_three_pings_in_a_row() {
    let (mut vigil, clock) = vigil(Health::default());
    assert_eq!(
        vigil.check(clock.at(0), false, false, 0),
        Verdict::Well(Some(clock.at(5000)))
    );
    assert_eq!(vigil.check(clock.at(5000), false, false, 0), Verdict::Ping);
    assert_eq!(
        vigil.check(clock.at(5500), false, false, 0),
        Verdict::Suspect
    );
    assert_eq!(
        vigil.check(clock.at(5500), false, false, 0),
        Verdict::Well(Some(clock.at(7000)))
    );
    assert_eq!(vigil.check(clock.at(7000), false, false, 0), Verdict::Ping);
    assert_eq!(vigil.check(clock.at(9000), false, false, 0), Verdict::Ping);
    assert_eq!(
        vigil.check(clock.at(10_999), false, false, 0),
        Verdict::Well(Some(clock.at(11_000)))
    );
    let verdict = vigil.check(clock.at(11_000), false, false, 0);
    assert_eq!(lost(&verdict), Some(CauseKind::Unhealthy));
}

#[test]
fn any_answer_begins_the_count_of_failures_anew() {
    let (mut vigil, clock) = vigil(Health::default());
    let mut now = 0;
    for _ in 0..20 {
        now += 5000;
        assert_eq!(vigil.check(clock.at(now), false, false, 0), Verdict::Ping);
        assert_eq!(
            vigil.check(clock.at(now + 2000), false, false, 0),
            Verdict::Ping
        );
        now += 3000;
        vigil.heard(clock.at(now));
        assert_eq!(
            vigil.check(clock.at(now), false, false, 0),
            Verdict::Well(Some(clock.at(now + 5000)))
        );
    }
}

#[test]
fn a_peer_that_says_something_else_than_the_answer_and_falls_silent_is_asked_again() {
    let (mut vigil, clock) = vigil(Health::default());
    assert_eq!(vigil.check(clock.at(5000), false, false, 0), Verdict::Ping);
    vigil.heard(clock.at(5001));
    for sent in [10_001, 12_001, 14_001] {
        assert_eq!(
            vigil.check(clock.at(sent - 1), false, false, 0),
            Verdict::Well(Some(clock.at(sent)))
        );
        assert_eq!(vigil.check(clock.at(sent), false, false, 0), Verdict::Ping);
        vigil.check(clock.at(sent + 500), false, false, 0);
    }
    let verdict = vigil.check(clock.at(16_001), false, false, 0);
    assert_eq!(lost(&verdict), Some(CauseKind::Unhealthy));
}

#[test]
fn a_peer_that_says_anything_but_the_answer_is_lost_after_three_checks() {
    let (mut vigil, clock) = vigil(Health::default());
    for (unanswered, sent) in [(0, 5_000), (1, 10_001), (2, 15_002)] {
        let verdict = vigil.check(clock.at(sent), false, false, unanswered);
        assert_eq!(verdict, Verdict::Ping);
        vigil.heard(clock.at(sent + 1));
    }
    let verdict = vigil.check(clock.at(20_003), false, false, 3);
    assert_eq!(lost(&verdict), Some(CauseKind::Unhealthy));
}

#[test]
fn a_connection_that_is_heard_is_never_lost() {
    let (mut vigil, clock) = vigil(Health::default());
    for tick in 0..10_000 {
        let now = clock.at(tick * 499);
        vigil.heard(now);
        // Its replies are slow: something is always overdue.
        let verdict = vigil.check(now, true, true, 0);
        assert!(
            matches!(verdict, Verdict::Well(Some(next)) if next > now),
            "{verdict:?}"
        );
    }
}

#[test]
fn no_verdict_asks_to_look_again_at_once() {
    for step in [1, 7, 250, 500, 2000] {
        for (awaited, overdue) in [(false, false), (true, false), (true, true)] {
            let (mut vigil, clock) = vigil(Health::default());
            for tick in 0..40_000 / step {
                let now = clock.at(tick * step);
                let mut looks = 0;
                let next = loop {
                    match vigil.check(now, awaited, overdue, 0) {
                        Verdict::Well(next) => break next,
                        Verdict::Lost(_) => break None,
                        Verdict::Ping | Verdict::Rest | Verdict::Suspect => looks += 1,
                    }
                    assert!(looks < 3, "it never comes to rest");
                };
                assert!(next.is_none_or(|next| next > now));
            }
        }
    }
}

#[test]
fn without_health_checks_an_idle_connection_rests_after_five_seconds_and_is_left_alone() {
    let (mut vigil, clock) = vigil(Health::default().enabled(false));
    for heard in [0, 60_000] {
        vigil.heard(clock.at(heard));
        let mut idle = |millis| vigil.check(clock.at(heard + millis), false, false, 0);
        let due = Verdict::Well(Some(clock.at(heard + 5000)));
        assert_eq!(idle(0), due);
        assert_eq!(idle(4999), due);
        assert_eq!(idle(5000), Verdict::Rest);
        assert_eq!(idle(5000), Verdict::Well(None));
        assert_eq!(idle(50_000), Verdict::Well(None));
    }
    // With something in flight there is no rest, however long it takes.
    vigil.heard(clock.at(200_000));
    for millis in [200_000, 206_000, 290_000] {
        assert_ne!(vigil.check(clock.at(millis), true, false, 0), Verdict::Rest);
    }
}
