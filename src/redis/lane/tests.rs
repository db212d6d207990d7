//! What the lane does with requests, in each phase of its link.

mod deadlines;
mod room;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::task::{Wake, Waker};
use std::time::Duration;

use tokio::sync::oneshot;

use super::*;
use crate::exit::CauseKind;
use crate::redis::command::cmd;
use crate::redis::error::Error;
use crate::redis::request::{Answer, Responder};

const LONG: Duration = Duration::from_secs(3600);

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    fn rings(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

fn lane(limits: Waiting, when_down: WhenDown) -> Arc<Lane> {
    Lane::new(Some(Endpoint::tcp("localhost", 1)), limits, when_down)
}

fn start() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn request(key: &str, deadline: Instant) -> (Request, oneshot::Receiver<Answer>) {
    let (sender, answer) = oneshot::channel();
    let command = cmd("GET").arg(key);
    let request = Request::new(command, deadline, LONG, Responder::One(sender));
    (request, answer)
}

/// Submits one and keeps its answer.
fn submit(lane: &Lane, key: &str) -> oneshot::Receiver<Answer> {
    let (request, answer) = request(key, start() + LONG);
    drop(lane.submit(request));
    answer
}

fn error(answer: &mut oneshot::Receiver<Answer>) -> Option<Error> {
    answer
        .try_recv()
        .ok()
        .map(|answer| answer.expect_err("an error"))
}

/// The key, which is the end of the wire.
fn key(request: &Request) -> String {
    let wire = request
        .pieces(0)
        .map(String::from_utf8_lossy)
        .collect::<String>();
    wire.trim_end()
        .rsplit("\r\n")
        .next()
        .unwrap_or("")
        .to_owned()
}

fn take_with(lane: &Lane, waker: &Waker, most: usize) -> Vec<Request> {
    take_up_to(lane, waker, most).0
}

/// And whether those were all.
fn take_up_to(lane: &Lane, waker: &Waker, most: usize) -> (Vec<Request>, bool) {
    let mut taken = Vec::new();
    let cx = Context::from_waker(waker);
    let took_all = lane.take(&cx, start(), |request| {
        if taken.len() == most {
            return Some(request);
        }
        taken.push(request);
        None
    });
    (taken, took_all)
}

fn keys(requests: &[Request]) -> Vec<String> {
    requests.iter().map(key).collect()
}

#[test]
fn what_is_put_back_stands_in_front_in_its_order() {
    let lane = lane(Waiting::default(), WhenDown::Wait);
    lane.up();
    let _answers: Vec<_> = ["a", "b", "c", "d"].map(|key| submit(&lane, key)).into();
    let (taken, all) = take_up_to(&lane, Waker::noop(), 2);
    assert_eq!((&*keys(&taken).join(""), all), ("ab", false));
    assert!(lane.has_waiting());
    assert!(lane.put_back(taken).is_empty());
    let (taken, all) = take_up_to(&lane, Waker::noop(), 9);
    assert_eq!((&*keys(&taken).join(""), all), ("abcd", true));
    assert!(!lane.has_waiting());
    assert_eq!(lane.lock().weight, 0);
}

#[test]
fn each_phase_does_with_a_request_what_it_should() {
    let cause = || Cause::from(CauseKind::Denied);
    for when_down in [WhenDown::Wait, WhenDown::Fail] {
        let lane = lane(Waiting::default(), when_down);
        lane.up();
        let mut waits = submit(&lane, "a");
        lane.down(Some(cause()));
        let failed = error(&mut waits);
        match when_down {
            WhenDown::Wait => assert!(failed.is_none()),
            WhenDown::Fail => {
                let failed = failed.expect("at once");
                assert!(matches!(failed.kind(), ErrorKind::Down(Some(_))));
                assert_eq!(failed.outcome(), Outcome::NotSent);
            }
        }
        lane.up();
        let mut waits = submit(&lane, "b");
        lane.park(cause());
        let failed = error(&mut waits).expect("at once");
        assert!(matches!(failed.kind(), ErrorKind::Parked(_)), "{failed}");
        let failed = error(&mut submit(&lane, "c")).expect("at once");
        assert!(matches!(failed.kind(), ErrorKind::Parked(_)), "{failed}");
        let (put_back, mut answer) = request("d", start() + LONG);
        assert!(lane.put_back(vec![put_back]).is_empty());
        assert!(
            error(&mut answer).is_some(),
            "nothing waits in a parked link"
        );
    }
}

#[test]
fn finishing_sends_what_waits_only_if_the_link_is_up() {
    let up = lane(Waiting::default(), WhenDown::Wait);
    up.up();
    let mut waits = submit(&up, "a");
    assert_eq!(up.finish(), 0);
    assert!(up.has_last_requests());
    let (late, _answer) = request("b", start() + LONG);
    assert!(matches!(up.submit(late), Submitted::Gone(_)));
    up.down(None);
    assert!(error(&mut waits).is_none(), "its connection still drains");
    let taken = take_with(&up, Waker::noop(), 9);
    assert_eq!(keys(&taken), ["a"]);
    // Its connection is lost before it was sent.
    assert!(up.put_back(taken).is_empty());
    let failed = error(&mut waits).expect("answered");
    assert_eq!(failed.outcome(), Outcome::NotSent);

    let down = lane(Waiting::default(), WhenDown::Wait);
    let mut waits = [submit(&down, "a"), submit(&down, "b")];
    assert_eq!(down.finish(), 2);
    assert!(waits.iter_mut().all(|answer| error(answer).is_some()));
    assert_eq!(down.lock().weight, 0);
}

#[test]
fn a_closed_lane_gives_everything_back() {
    let lane = lane(Waiting::default(), WhenDown::Wait);
    lane.up();
    let _waits = submit(&lane, "a");
    assert_eq!(keys(&lane.close()), ["a"]);
    lane.up();
    let (late, _answer) = request("b", start() + LONG);
    let Submitted::Gone(late) = lane.submit(late) else {
        panic!("a closed lane takes nothing");
    };
    assert_eq!(keys(&lane.put_back(vec![late])), ["b"]);
}

#[test]
fn the_overdue_and_the_abandoned_are_not_taken() {
    let lane = lane(Waiting::default(), WhenDown::Wait);
    lane.up();
    let (overdue, mut late) = request("overdue", start());
    drop(lane.submit(overdue));
    drop(submit(&lane, "abandoned"));
    let _kept = submit(&lane, "kept");
    let taken = take_with(&lane, Waker::noop(), 9);
    assert_eq!(keys(&taken), ["kept"]);
    let failed = error(&mut late).expect("answered");
    assert!(matches!(failed.kind(), ErrorKind::Deadline(_)), "{failed}");
    assert_eq!(failed.outcome(), Outcome::NotSent);
}

#[test]
fn expiry_takes_exactly_the_overdue_and_knows_the_next() {
    let lane = lane(Waiting::default(), WhenDown::Wait);
    let now = start();
    let second = Duration::from_secs(1);
    let mut answers = Vec::new();
    for n in [3, 1, 4, 1, 5] {
        let (request, answer) = request(&n.to_string(), now + n * second);
        drop(lane.submit(request));
        answers.push(answer);
    }
    assert_eq!(lane.expire(now), Some(now + second));
    assert_eq!(lane.expire(now + 3 * second), Some(now + 4 * second));
    let expired: Vec<_> = answers.iter_mut().map(|a| error(a).is_some()).collect();
    assert_eq!(expired, [true, true, false, true, false]);
    assert_eq!(keys(&lane.empty()), ["4", "5"]);
    assert_eq!(lane.expire(now + LONG), None);
    assert_eq!(lane.lock().weight, 0);
}

#[test]
fn the_consumer_is_woken_by_what_concerns_it() {
    let lane = lane(Waiting::default(), WhenDown::Wait);
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    take_with(&lane, &waker, 9);
    let _waits = submit(&lane, "a");
    assert_eq!(bell.rings(), 0, "the link is down");
    lane.up();
    assert_eq!(bell.rings(), 1);
    let _more = submit(&lane, "b");
    assert_eq!(bell.rings(), 0, "woken already");
    let (sooner, _answer) = request("c", start() + Duration::from_secs(1));
    drop(lane.submit(sooner));
    assert_eq!(bell.rings(), 1, "a deadline it does not know");
    // A new consumer that had no room for all of it.
    let other = Arc::new(Bell::default());
    let _taken = take_with(&lane, &Waker::from(Arc::clone(&other)), 1);
    assert!(lane.has_waiting());
    lane.empty();
    let _first = submit(&lane, "d");
    assert_eq!((bell.rings(), other.rings()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_down_expires_what_waits_in_time() {
    let lane = lane(Waiting::default(), WhenDown::Wait);
    let keeper = tokio::spawn(Arc::clone(&lane).keep());
    let began = tokio::time::Instant::now();
    let mut ends = Vec::new();
    for millis in [500, 100, 300, 100] {
        let deadline = start() + Duration::from_millis(millis);
        let (request, answer) = request("k", deadline);
        drop(lane.submit(request));
        tokio::task::yield_now().await;
        ends.push((millis, answer));
    }
    ends.sort_by_key(|(millis, _)| *millis);
    for (millis, answer) in ends {
        answer.await.expect("answered").expect_err("overdue");
        let late = began.elapsed() - Duration::from_millis(millis);
        assert!(late < Duration::from_millis(5), "{millis}: {late:?}");
    }
    // What comes back from a connection has its deadline kept as well.
    lane.up();
    let (request, answer) = request("k", start() + Duration::from_millis(50));
    assert!(lane.put_back(vec![request]).is_empty());
    lane.down(None);
    let wait = tokio::time::timeout(Duration::from_secs(1), answer);
    wait.await
        .expect("in time")
        .expect("answered")
        .expect_err("overdue");
    lane.close();
    keeper.await.expect("it ends with the lane");
}

#[test]
fn many_threads_and_one_consumer_lose_nothing_and_double_nothing() {
    const THREADS: usize = 4;
    const EACH: usize = 500;
    let lane = lane(Waiting::default(), WhenDown::Wait);
    lane.up();
    let done = AtomicBool::new(false);
    let mut seen = Vec::new();
    std::thread::scope(|scope| {
        let producers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let lane = &lane;
                scope.spawn(move || {
                    (0..EACH)
                        .map(|n| submit(lane, &format!("{thread}:{n}")))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let consumer = scope.spawn(|| {
            let mut seen = Vec::new();
            let mut round = 0;
            loop {
                let last = done.load(Ordering::SeqCst);
                let mut taken = take_with(&lane, Waker::noop(), 7);
                round += 1;
                if round % 3 == 0 {
                    // A part of it was not sent.
                    let back = taken.split_off(taken.len() / 2);
                    assert!(lane.put_back(back).is_empty());
                }
                let empty = taken.is_empty() && !lane.has_waiting() && round % 3 != 0;
                seen.extend(taken);
                if last && empty {
                    return seen;
                }
            }
        });
        let answers: Vec<_> = producers
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect();
        done.store(true, Ordering::SeqCst);
        seen = keys(&consumer.join().expect("no panic"));
        drop(answers);
    });
    assert_eq!(seen.len(), THREADS * EACH);
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), seen.len());
    for thread in 0..THREADS {
        let mine: Vec<usize> = seen
            .iter()
            .filter_map(|key| key.strip_prefix(&format!("{thread}:")))
            .map(|n| n.parse().expect("a number"))
            .collect();
        assert!(mine.is_sorted(), "the order of thread {thread}");
    }
    assert_eq!(lane.lock().weight, 0);
}

#[test]
fn the_circuit_is_asked_only_while_the_link_is_up_and_only_for_callers() {
    let circuit = Circuit::new(crate::policy::BreakerSettings::default());
    let endpoint = Endpoint::tcp("localhost", 1);
    let lane = Lane::behind(
        Some(circuit.clone()),
        Some(endpoint.clone()),
        Waiting::default(),
        WhenDown::Wait,
        Arc::default(),
    );
    circuit.force(crate::policy::Force::Open);
    let mut waits = submit(&lane, "a");
    assert!(error(&mut waits).is_none(), "the link is down");
    lane.up();
    let refused = error(&mut submit(&lane, "b")).expect("at once");
    assert!(
        matches!(refused.kind(), ErrorKind::CircuitOpen(_)),
        "{refused}"
    );
    assert_eq!(refused.outcome(), Outcome::NotSent);
    assert_eq!(refused.endpoint(), Some(&endpoint));
    let (own, _answer) = request("c", start() + LONG);
    assert!(matches!(lane.submit_own(own), Submitted::Taken));
    let (mut again, mut lost) = request("l", start() + LONG);
    again.retries.after_loss = 1;
    drop(lane.submit(again));
    assert!(error(&mut lost).is_none(), "let through once");
    circuit.force(crate::policy::Force::Release);
    let _probes = ["d", "e", "f"].map(|key| submit(&lane, key));
    let refused = error(&mut submit(&lane, "g")).expect("no fourth probe");
    assert!(
        matches!(refused.kind(), ErrorKind::CircuitOpen(_)),
        "{refused}"
    );
    let taken = take_with(&lane, Waker::noop(), 9);
    assert_eq!(keys(&taken).join(""), "acldef");
    // They are lost: their places are free for others.
    drop(taken);
    let mut instead = submit(&lane, "h");
    assert!(error(&mut instead).is_none());
}
