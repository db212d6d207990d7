use std::collections::HashSet;
use std::task::Waker;

use super::*;
use crate::clock::now;
use crate::endpoint::Endpoint;
use crate::redis::command::cmd;
use crate::redis::config::{Waiting, WhenDown};
use crate::redis::request::Answer;

fn shared(mode: Mode) -> Arc<Shared> {
    let mut config = Config::standalone(Endpoint::tcp("localhost", 1));
    config.mode = mode;
    Shared::new(Arc::new(config))
}

fn up(port: u16) -> Arc<Lane> {
    let endpoint = Endpoint::tcp("localhost", port);
    let lane = Lane::new(Some(endpoint), Waiting::default(), WhenDown::Wait);
    lane.up();
    lane
}

fn dispatch(shared: &Shared, command: Command) -> oneshot::Receiver<Answer> {
    let (sender, answer) = oneshot::channel();
    shared.dispatch(Seat::SHARED, command, Since::Now, Responder::One(sender));
    answer
}

#[test]
fn a_timeout_beyond_all_clocks_is_no_panic() {
    let shared = shared(Mode::Standalone);
    let lane = up(1);
    shared.publish(|routes| routes.keys = KeyRoutes::One(Arc::clone(&lane)));
    let _answer = dispatch(&shared, cmd("PING").timeout(Duration::MAX));
    let waiting = lane.empty();
    assert_eq!(waiting.len(), 1);
    assert!(waiting[0].deadline > now() + Duration::from_secs(3600 * 24 * 365));
}

#[test]
fn a_command_without_a_key_needs_no_owner_of_a_certain_slot() {
    let shared = shared(Mode::Cluster);
    let lane = up(1);
    let endpoint = Endpoint::tcp("localhost", 1);
    let (map, index) = SlotMap::empty().with_node(&endpoint).expect("room");
    // Only one slot is covered, and it is not the first.
    let map = map.with_moved(Slot::of(b"a"), index);
    shared.publish(|routes| {
        routes.keys = KeyRoutes::Slots {
            map: Arc::new(map),
            lanes: Arc::from([Arc::clone(&lane)]),
        }
    });
    let _ping = dispatch(&shared, cmd("PING"));
    let _get = dispatch(&shared, cmd("GET").arg("a"));
    let _elsewhere = dispatch(&shared, cmd("GET").arg("b"));
    assert_eq!(lane.empty().len(), 2);
    assert_eq!(shared.limbo().empty().len(), 1);
}

#[test]
fn what_is_dispatched_while_routes_change_is_neither_lost_nor_left_behind() {
    const THREADS: usize = 3;
    const EACH: usize = 300;
    let shared = shared(Mode::Standalone);
    let lane = up(1);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let shared = &shared;
                scope.spawn(move || {
                    (0..EACH)
                        .map(|n| dispatch(shared, cmd("GET").arg(format!("{thread}:{n}"))))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        // The node leaves and comes back as another, as often as it takes.
        let mut node = up(2);
        while callers.iter().any(|caller| !caller.is_finished()) {
            shared.publish(|routes| routes.keys = KeyRoutes::One(Arc::clone(&node)));
            std::thread::yield_now();
            shared.publish(|routes| routes.keys = KeyRoutes::Nowhere);
            for request in node.close() {
                shared.place(request);
            }
            node = up(2);
        }
        shared.publish(|routes| routes.keys = KeyRoutes::One(Arc::clone(&lane)));
        callers
            .into_iter()
            .flat_map(|caller| caller.join().expect("no panic"))
            .collect()
    });
    assert!(shared.limbo().empty().is_empty());
    let mut seen = Vec::new();
    let cx = std::task::Context::from_waker(Waker::noop());
    lane.take(&cx, now(), |request| {
        seen.push(request.pieces(0).collect::<Vec<_>>().concat());
        None
    });
    assert_eq!(seen.len(), THREADS * EACH);
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), seen.len());
    drop(answers);
}

#[test]
fn a_stopped_client_answers_everything_as_not_sent() {
    let shared = shared(Mode::Standalone);
    let mut waits = dispatch(&shared, cmd("GET").arg("a"));
    assert_eq!(shared.stop(), 1);
    let mut late = dispatch(&shared, cmd("GET").arg("b"));
    for answer in [&mut waits, &mut late] {
        let error = answer.try_recv().expect("answered").expect_err("stopped");
        assert!(matches!(error.kind(), ErrorKind::Stopped), "{error}");
        assert_eq!(error.outcome(), Outcome::NotSent);
    }
}

#[test]
fn what_an_ask_led_to_a_node_that_is_down_waits_for_that_node() {
    let shared = shared(Mode::Cluster);
    let endpoint = Endpoint::tcp("localhost", 1);
    let (map, index) = SlotMap::empty().with_node(&endpoint).expect("room");
    let map = map.with_moved(Slot::of(b"a"), index);
    let owner = up(1);
    shared.publish(|routes| {
        routes.keys = KeyRoutes::Slots {
            map: Arc::new(map),
            lanes: Arc::from([Arc::clone(&owner)]),
        }
    });
    let importing = up(2);
    importing.down(None);
    // One came by ASK, the other by an old map.
    for asking in [true, false] {
        let _answer = dispatch(&shared, cmd("GET").arg("a"));
        let mut request = owner.empty().pop().expect("one");
        request.asking = asking;
        drop(importing.submit(request));
    }
    shared.place_waiting(&importing);
    // The owner would only send it here again, and each time counts as a redirect.
    assert_eq!(importing.empty().len(), 1);
    assert_eq!(owner.empty().len(), 1);
}
