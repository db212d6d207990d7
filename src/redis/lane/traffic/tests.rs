use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use super::*;
use crate::redis::command::cmd;
use crate::redis::config::{Waiting, WhenDown};
use crate::redis::request::{Request, Responder};

fn lane(traffic: &Arc<Traffic>) -> Arc<Lane> {
    let waiting = Waiting::default();
    let lane = Lane::behind(None, None, waiting, WhenDown::Wait, Arc::clone(traffic));
    lane.up();
    lane
}

/// So many requests come, and a connection takes them all.
fn pass(lane: &Lane, requests: usize) {
    let now = tokio::time::Instant::now().into_std();
    for _ in 0..requests {
        drop(lane.submit(request(now)));
    }
    lane.take(&Context::from_waker(Waker::noop()), now, |_| None);
}

fn request(now: Instant) -> Request {
    let hour = Duration::from_secs(3600);
    let command = cmd("PING");
    Request::new(command, now + hour, hour, Responder::Nobody)
}

fn counted(traffic: &Traffic) -> Vec<usize> {
    let counted = traffic.count().into_iter();
    counted.map(|(_, requests)| requests).collect()
}

#[test]
fn a_lane_enters_once_however_often_something_is_taken_and_an_idle_one_never() {
    let traffic = Arc::default();
    let (busy, idle) = (lane(&traffic), lane(&traffic));
    pass(&idle, 0);
    assert!(counted(&traffic).is_empty());
    pass(&busy, 2);
    pass(&busy, 3);
    let looks = idle.looks();
    assert_eq!(counted(&traffic), [5]);
    assert_eq!(idle.looks(), looks, "nobody looked at the idle one");
    assert!(counted(&traffic).is_empty());
    pass(&busy, 1);
    pass(&idle, 4);
    assert_eq!(counted(&traffic), [1, 4]);
}

#[test]
fn what_was_counted_between_is_not_counted_again_and_no_second_entry_is_made() {
    let traffic = Arc::default();
    let lane = lane(&traffic);
    for _ in 0..100 {
        pass(&lane, 1);
        assert_eq!(lane.count_taken(), 1);
    }
    pass(&lane, 7);
    assert_eq!(counted(&traffic), [7]);
}

#[test]
fn a_lane_that_is_gone_is_forgotten() {
    let traffic = Arc::default();
    pass(&lane(&traffic), 1);
    assert!(counted(&traffic).is_empty());
}

#[test]
fn nothing_is_lost_or_counted_twice_while_others_take() {
    const THREADS: usize = 4;
    const TIMES: usize = 2_000;
    let traffic = Arc::default();
    let lanes: Vec<_> = (0..2).map(|_| lane(&traffic)).collect();
    let mut sum = 0;
    std::thread::scope(|scope| {
        let takers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let lane = Arc::clone(&lanes[thread % 2]);
                scope.spawn(move || (0..TIMES).for_each(|_| pass(&lane, 1)))
            })
            .collect();
        while !takers
            .iter()
            .all(std::thread::ScopedJoinHandle::is_finished)
        {
            sum += counted(&traffic).iter().sum::<usize>();
        }
    });
    sum += counted(&traffic).iter().sum::<usize>();
    assert_eq!(sum, THREADS * TIMES);
}
