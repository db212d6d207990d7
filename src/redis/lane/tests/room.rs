//! What may wait, and who makes room.

use super::*;

#[test]
fn the_bounds_are_exact() {
    let count = lane(Waiting::default().requests(2), WhenDown::Wait);
    let _two = [submit(&count, "a"), submit(&count, "b")];
    let refused = error(&mut submit(&count, "c")).expect("one too many");
    assert_eq!(refused.outcome(), Outcome::NotSent);
    let kind = refused.kind();
    assert!(
        matches!(kind, ErrorKind::QueueFull { requests: 2, .. }),
        "{kind}"
    );

    let weight = request("a", start()).0.weight();
    for (room, fits) in [(2 * weight, true), (2 * weight - 1, false)] {
        let bytes = lane(Waiting::default().bytes(room), WhenDown::Wait);
        let _first = submit(&bytes, "a");
        assert_eq!(error(&mut submit(&bytes, "b")).is_none(), fits, "{room}");
    }
    let tiny = lane(Waiting::default().bytes(1), WhenDown::Wait);
    assert!(error(&mut submit(&tiny, "a")).is_none(), "one always fits");
}

#[test]
fn callers_that_went_away_make_room_before_anybody_is_refused() {
    let weight = request("a", start()).0.weight();
    for limits in [
        Waiting::default().requests(100),
        Waiting::default().bytes(100 * weight),
    ] {
        let lane = lane(limits, WhenDown::Wait);
        let mut answers: Vec<_> = (0..100).map(|_| submit(&lane, "a")).collect();
        assert!(error(&mut submit(&lane, "b")).is_some(), "all of them wait");
        answers.truncate(60);
        // Those who look in vain are few: one in sixteen of the queue's length.
        let refused = (0..7).take_while(|_| error(&mut submit(&lane, "b")).is_some());
        assert!(refused.count() < 7, "{limits:?}");
        let room: Vec<_> = (0..39).map(|_| submit(&lane, "c")).collect();
        assert!(
            room.into_iter()
                .all(|mut answer| error(&mut answer).is_none())
        );
        let (waiting, counted) = lane.counted();
        assert_eq!(waiting, counted);
        assert!(waiting <= 100 * weight);
        lane.up();
        let taken = take_with(&lane, Waker::noop(), 1000);
        let order = keys(&taken).join("");
        assert!(order.starts_with(&"a".repeat(60)), "{order}");
        assert!(answers.iter_mut().all(|answer| error(answer).is_none()));
        assert_eq!(lane.counted(), (0, 0));
    }
}

#[test]
fn a_full_queue_of_patient_callers_costs_who_is_refused_little() {
    const MANY: usize = 20_000;
    let lane = lane(Waiting::default().requests(MANY), WhenDown::Wait);
    let _answers: Vec<_> = (0..MANY).map(|_| submit(&lane, "a")).collect();
    let mut sweeps = 0;
    for _ in 0..MANY {
        let before = lane.lock().unswept;
        drop(submit(&lane, "b"));
        sweeps += usize::from(lane.lock().unswept <= before);
    }
    assert!((1..=17).contains(&sweeps), "{sweeps}");
}
