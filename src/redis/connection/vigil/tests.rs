use super::*;

const COMMAND: Duration = Duration::from_secs(5);

/// A vigil, and what its connection knows: how many checks have no answer.
struct Watched {
    vigil: Vigil,
    began: Instant,
    unanswered: usize,
}

impl Watched {
    fn new(health: Health) -> Self {
        let began = tokio::time::Instant::now().into_std();
        Self {
            vigil: Vigil::new(health, COMMAND, began),
            began,
            unanswered: 0,
        }
    }

    fn at(&self, millis: u64) -> Instant {
        self.began + Duration::from_millis(millis)
    }

    fn check(&mut self, millis: u64, awaited: bool, overdue: bool) -> Verdict {
        let now = self.at(millis);
        let verdict = self.vigil.check(now, awaited, overdue, self.unanswered);
        self.unanswered += usize::from(verdict == Verdict::Ping);
        verdict
    }

    fn heard(&mut self, millis: u64) {
        self.vigil.heard(self.at(millis));
    }

    /// All checks were.
    fn answered(&mut self, millis: u64) {
        self.unanswered = 0;
        self.heard(millis);
    }

    fn well_until(&self, millis: u64) -> Verdict {
        Verdict::Well(Some(self.at(millis)))
    }
}

fn lost(verdict: &Verdict) -> Option<CauseKind> {
    match verdict {
        Verdict::Lost(cause) => Some(cause.kind()),
        Verdict::Well(_) | Verdict::Ping | Verdict::Rest | Verdict::Suspect => None,
    }
}

#[test]
fn silence_of_half_a_second_with_something_in_flight_is_suspect_once() {
    let mut peer = Watched::new(Health::default());
    // Idle before: the silence counts from when there was something to answer.
    assert_eq!(peer.check(3000, true, false), peer.well_until(3500));
    assert_eq!(peer.check(3499, true, false), peer.well_until(3500));
    assert_eq!(peer.check(3500, true, false), Verdict::Suspect);
    assert_eq!(peer.check(3500, true, false), Verdict::Well(None));
    assert_eq!(peer.check(9999, true, false), Verdict::Well(None));
    peer.heard(10_000);
    assert_eq!(peer.check(10_000, true, false), peer.well_until(10_500));
    assert_eq!(peer.check(10_500, true, false), Verdict::Suspect);
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
        let mut peer = Watched::new(Health::default());
        peer.check(0, true, false);
        peer.heard(heard);
        peer.check(heard, true, false);
        let mut verdict = peer.check(now, true, overdue);
        if verdict == Verdict::Suspect {
            verdict = peer.check(now, true, overdue);
        }
        let expected = stalled.then_some(CauseKind::Stalled);
        assert_eq!(lost(&verdict), expected, "{heard} {overdue} {now}");
        if let Verdict::Well(next) = verdict
            && overdue
        {
            assert_eq!(next, Some(peer.at(heard + 5000)));
        }
    }
}

#[test]
fn an_idle_connection_is_lost_after_three_pings_in_a_row() {
    let mut peer = Watched::new(Health::default());
    assert_eq!(peer.check(0, false, false), peer.well_until(5000));
    assert_eq!(peer.check(5000, false, false), Verdict::Ping);
    assert_eq!(peer.check(5500, false, false), Verdict::Suspect);
    assert_eq!(peer.check(5500, false, false), peer.well_until(7000));
    assert_eq!(peer.check(7000, false, false), Verdict::Ping);
    assert_eq!(peer.check(9000, false, false), Verdict::Ping);
    assert_eq!(peer.check(10_999, false, false), peer.well_until(11_000));
    let verdict = peer.check(11_000, false, false);
    assert_eq!(lost(&verdict), Some(CauseKind::Unhealthy));
}

#[test]
fn an_answer_begins_the_count_anew() {
    let mut peer = Watched::new(Health::default());
    let mut now = 0;
    for _ in 0..20 {
        now += 5000;
        assert_eq!(peer.check(now, false, false), Verdict::Ping);
        assert_eq!(peer.check(now + 2000, false, false), Verdict::Ping);
        now += 3000;
        peer.answered(now);
        assert_eq!(peer.check(now, false, false), peer.well_until(now + 5000));
    }
}

#[test]
fn a_peer_that_falls_silent_in_its_answer_to_a_check_is_asked_again_and_lost() {
    let mut peer = Watched::new(Health::default());
    assert_eq!(peer.check(5000, false, false), Verdict::Ping);
    peer.heard(5001);
    assert_eq!(peer.check(10_000, false, false), peer.well_until(10_001));
    assert_eq!(peer.check(10_001, false, false), Verdict::Ping);
    assert_eq!(peer.check(10_501, false, false), Verdict::Suspect);
    assert_eq!(peer.check(12_001, false, false), Verdict::Ping);
    let verdict = peer.check(14_001, false, false);
    assert_eq!(lost(&verdict), Some(CauseKind::Unhealthy));
}

#[test]
fn a_peer_that_says_anything_but_the_answer_is_lost_after_three_checks() {
    let mut peer = Watched::new(Health::default());
    for sent in [5_000, 10_001, 15_002] {
        assert_eq!(peer.check(sent, false, false), Verdict::Ping);
        peer.heard(sent + 1);
    }
    let verdict = peer.check(20_003, false, false);
    assert_eq!(lost(&verdict), Some(CauseKind::Unhealthy));
}

#[test]
fn a_connection_that_is_heard_is_never_lost() {
    let mut peer = Watched::new(Health::default());
    for tick in 0..10_000 {
        let now = tick * 499;
        peer.heard(now);
        // Its replies are slow: something is always overdue.
        let verdict = peer.check(now, true, true);
        assert!(
            matches!(verdict, Verdict::Well(Some(next)) if next > peer.at(now)),
            "{verdict:?}"
        );
    }
}

#[test]
fn no_verdict_asks_to_look_again_at_once() {
    for step in [1, 7, 250, 500, 2000] {
        for (awaited, overdue) in [(false, false), (true, false), (true, true)] {
            let mut peer = Watched::new(Health::default());
            for tick in 0..40_000 / step {
                let now = tick * step;
                let mut looks = 0;
                let next = loop {
                    match peer.check(now, awaited, overdue) {
                        Verdict::Well(next) => break next,
                        Verdict::Lost(_) => break None,
                        Verdict::Ping | Verdict::Rest | Verdict::Suspect => looks += 1,
                    }
                    assert!(looks < 3, "it never comes to rest");
                };
                assert!(next.is_none_or(|next| next > peer.at(now)));
            }
        }
    }
}

#[test]
fn without_health_checks_an_idle_connection_rests_after_five_seconds_and_is_left_alone() {
    let mut peer = Watched::new(Health::default().enabled(false));
    for heard in [0, 60_000] {
        peer.heard(heard);
        let due = peer.well_until(heard + 5000);
        let mut idle = |millis| peer.check(heard + millis, false, false);
        assert_eq!(idle(0), due);
        assert_eq!(idle(4999), due);
        assert_eq!(idle(5000), Verdict::Rest);
        assert_eq!(idle(5000), Verdict::Well(None));
        assert_eq!(idle(50_000), Verdict::Well(None));
    }
    // With something in flight there is no rest, however long it takes.
    peer.heard(200_000);
    for millis in [200_000, 206_000, 290_000] {
        assert_ne!(peer.check(millis, true, false), Verdict::Rest);
    }
}
