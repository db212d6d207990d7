//! What it costs to expire what waits, and how late that is.

use super::*;

const MANY: u32 = 20_000;
const STEP: Duration = Duration::from_millis(1);

/// Many requests whose deadlines are 50 µs apart, in this order.
fn waiting(
    order: impl Iterator<Item = u32>,
) -> (Arc<Lane>, Instant, Vec<oneshot::Receiver<Answer>>) {
    let lane = lane(Waiting::default().requests(MANY as usize), WhenDown::Wait);
    let now = start();
    let answers = order.map(|n| {
        let (request, answer) = request("k", deadline(now, n));
        drop(lane.submit(request));
        answer
    });
    let answers = answers.collect();
    (lane, now, answers)
}

fn deadline(began: Instant, n: u32) -> Instant {
    began + Duration::from_micros(50) * (n + 1)
}

#[test]
fn a_long_queue_is_expired_at_the_cost_of_its_length_whatever_the_number_of_steps() {
    let (lane, began, mut answers) = waiting(0..MANY);
    let mut now = began;
    let mut answers = answers.iter_mut();
    while let Some(next) = lane.expire(now) {
        assert!(next > now);
        now = next.max(now + STEP);
        // 20 are due in each step, and those behind them are not.
        let due = answers.by_ref().take(20);
        lane.expire(now);
        assert!(due.map(error).all(|error| error.is_some()));
    }
    assert_eq!(answers.count(), 0);
    let visited = lane.lock().visited;
    assert!(visited <= 3 * MANY as usize, "{visited}");
    assert_eq!(lane.lock().weight, 0);
}

#[test]
fn what_stands_behind_later_deadlines_is_a_little_late_and_never_early() {
    // Every second call has so much time that it stands in the way of all others.
    let order = || (0..MANY).map(|n| if n % 2 == 0 { n + MANY } else { n });
    let (lane, began, mut answers) = waiting(order());
    let bound = Duration::from_nanos(200) * MANY + STEP;
    let mut open: Vec<_> = order().zip(&mut answers).collect();
    open.sort_by_key(|(n, _)| *n);
    let mut open = open.into_iter().peekable();
    let (mut now, mut steps) = (began, 0);
    while let Some(next) = lane.expire(now) {
        while let Some((n, answer)) = open.next_if(|(n, _)| deadline(began, *n) + bound <= now) {
            assert!(error(answer).is_some(), "{n} is too late");
        }
        if let Some((n, answer)) = open.peek_mut()
            && deadline(began, *n) > now
        {
            assert!(error(answer).is_none(), "{n} is early");
        }
        assert!(next > now, "no step is idle");
        now = next.max(now + STEP);
        steps += 1;
    }
    assert!(open.all(|(_, answer)| error(answer).is_some()));
    assert!(steps < 3000, "{steps}");
    // Two seconds, a look every 4 ms at the most.
    let visited = lane.lock().visited;
    assert!(visited <= 504 * MANY as usize, "{visited}");
}

#[test]
fn what_was_taken_put_back_or_moved_away_changes_nothing_of_the_order() {
    let second = Duration::from_secs(1);
    let lane = lane(Waiting::default(), WhenDown::Wait);
    lane.up();
    let now = start();
    let mut answers = Vec::new();
    for (key, seconds) in [("a", 2), ("b", 4), ("c", 6), ("d", 5), ("e", 8), ("f", 1)] {
        let (request, answer) = request(key, now + seconds * second);
        drop(lane.submit(request));
        answers.push(answer);
    }
    assert_eq!(lane.expire(now + second), Some(now + 2 * second));
    assert!(error(&mut answers[5]).is_some());
    let taken = take_with(&lane, Waker::noop(), 3);
    assert_eq!(keys(&taken).join(""), "abc");
    assert_eq!(lane.expire(now + 2 * second), Some(now + 5 * second));
    assert!(lane.put_back(taken).is_empty());
    assert_eq!(lane.expire(now + 2 * second), Some(now + 4 * second));
    assert!(error(&mut answers[0]).is_some());
    assert_eq!(keys(&lane.extract(|request| key(request) == "b")), ["b"]);
    assert_eq!(lane.expire(now + 5 * second), Some(now + 6 * second));
    assert!(error(&mut answers[3]).is_some());
    assert_eq!(keys(&lane.empty()).join(""), "ce");
}
