use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[expect(clippy::disallowed_methods, reason = "any instant will do")]
fn start() -> Instant {
    Instant::now()
}

fn subscriptions() -> (Subscriptions, Instant) {
    (Subscriptions::new(SECOND, true), start())
}

fn topic(name: &str) -> Topic {
    Topic::from(name)
}

fn asked(it: &mut Subscriptions, now: Instant) -> Vec<(String, Action, u64)> {
    std::iter::from_fn(|| it.poll(now))
        .map(|request| (request.topic.to_string(), request.action, request.id))
        .collect()
}

use Action::{Subscribe, Unsubscribe};

#[test]
fn nothing_is_asked_while_the_feed_is_down() {
    let (mut it, now) = subscriptions();
    assert!(it.want(&topic("a")));
    assert!(!it.want(&topic("a")), "wanted already");
    assert_eq!(asked(&mut it, now), []);
    assert!(!it.is_restored());
}

#[test]
fn what_is_wanted_is_restored_by_each_connection() {
    let (mut it, now) = subscriptions();
    it.want(&topic("a"));
    it.want(&topic("b"));
    for first in [1, 3] {
        it.connected();
        let expected = [
            ("a".to_owned(), Subscribe, first),
            ("b".to_owned(), Subscribe, first + 1),
        ];
        assert_eq!(asked(&mut it, now), expected);
        it.accepted(&Which::Id(first), Subscribe);
        assert!(!it.is_restored(), "one is missing");
        it.accepted(&Which::Topic(topic("b")), Subscribe);
        assert!(it.is_restored());
        assert_eq!(it.next_deadline(), None);
        assert_eq!(it.lost(), [topic("a"), topic("b")]);
    }
}

#[test]
fn with_nothing_wanted_a_connection_is_whole_at_once() {
    let (mut it, _) = subscriptions();
    it.connected();
    assert!(it.is_restored());
}

#[test]
fn a_refused_one_is_reported_and_holds_up_none_and_is_asked_for_again_later() {
    let (mut it, now) = subscriptions();
    it.want(&topic("a"));
    it.want(&topic("b"));
    it.connected();
    assert_eq!(asked(&mut it, now).len(), 2);
    it.accepted(&Which::Topic(topic("b")), Subscribe);
    let refused = it
        .refused(&Which::Topic(topic("a")), "no")
        .expect("reported");
    assert_eq!(
        refused,
        Refused::new(topic("a"), Subscribe, Refusal::Denied("no".into()))
    );
    assert!(it.is_restored());
    assert_eq!(asked(&mut it, now), [], "not on this connection");
    it.want(&topic("a"));
    assert_eq!(asked(&mut it, now).len(), 1, "unless somebody asks");
    it.connected();
    assert_eq!(asked(&mut it, now).len(), 2, "on the next");
}

#[test]
fn silence_is_reported_when_its_time_is_over_and_a_late_answer_still_counts() {
    let (mut it, now) = subscriptions();
    it.want(&topic("a"));
    it.connected();
    assert_eq!(asked(&mut it, now).len(), 1);
    assert_eq!(it.expire(now + SECOND / 2), None);
    let refused = it.expire(now + SECOND).expect("reported");
    assert_eq!(refused.refusal, Refusal::NoAnswer);
    assert!(it.is_restored());
    assert_eq!(it.states(), [(topic("a"), SubscriptionState::Refused)]);
    it.accepted(&Which::Id(1), Subscribe);
    assert_eq!(it.states(), [(topic("a"), SubscriptionState::Subscribed)]);
}

#[test]
fn a_change_of_mind_waits_for_the_answer_under_way() {
    let (mut it, now) = subscriptions();
    it.connected();
    it.want(&topic("a"));
    assert_eq!(asked(&mut it, now), [("a".to_owned(), Subscribe, 1)]);
    assert!(it.leave(&topic("a")));
    assert_eq!(asked(&mut it, now), []);
    it.accepted(&Which::Id(1), Subscribe);
    assert_eq!(asked(&mut it, now), [("a".to_owned(), Unsubscribe, 2)]);
    it.want(&topic("a"));
    it.accepted(&Which::Id(1), Subscribe);
    assert_eq!(asked(&mut it, now), [], "an answer to another request");
    it.accepted(&Which::Id(2), Unsubscribe);
    assert_eq!(asked(&mut it, now), [("a".to_owned(), Subscribe, 3)]);
}

#[test]
fn after_silence_one_that_is_wanted_no_more_is_ended_to_be_sure() {
    let (mut it, now) = subscriptions();
    it.connected();
    it.want(&topic("a"));
    assert_eq!(asked(&mut it, now).len(), 1);
    it.expire(now + SECOND).expect("silence");
    it.leave(&topic("a"));
    assert_eq!(asked(&mut it, now), [("a".to_owned(), Unsubscribe, 2)]);
}

#[test]
fn one_that_the_server_takes_back_is_reported() {
    let (mut it, now) = subscriptions();
    it.connected();
    it.want(&topic("a"));
    assert_eq!(asked(&mut it, now).len(), 1);
    it.accepted(&Which::Id(1), Subscribe);
    assert!(it.refused(&Which::Topic(topic("a")), "delisted").is_some());
    assert_eq!(it.states(), [(topic("a"), SubscriptionState::Refused)]);
}

#[test]
fn a_server_that_acknowledges_nothing_is_believed() {
    let mut it = Subscriptions::new(SECOND, false);
    it.want(&topic("a"));
    it.connected();
    assert!(!it.is_restored(), "not written yet");
    assert_eq!(asked(&mut it, start()).len(), 1);
    assert!(it.is_restored());
    assert_eq!(it.next_deadline(), None);
}

#[derive(Debug, Clone)]
enum Step {
    Want(u8),
    Leave(u8),
    Connect,
    Lose,
    Write,
    /// The server handles its oldest request and answers.
    Grant {
        by_id: bool,
    },
    Refuse,
    /// It never answers its oldest request, though it may have done it.
    Forget {
        done: bool,
    },
    Expire,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_u8..4).prop_map(Step::Want),
        4 => (0_u8..4).prop_map(Step::Leave),
        1 => Just(Step::Connect),
        1 => Just(Step::Lose),
        6 => Just(Step::Write),
        5 => any::<bool>().prop_map(|by_id| Step::Grant { by_id }),
        1 => Just(Step::Refuse),
        1 => any::<bool>().prop_map(|done| Step::Forget { done }),
        2 => Just(Step::Expire),
    ];
    prop::collection::vec(step, 0..120)
}

/// A server, as simple as can be.
#[derive(Default)]
struct Server {
    has: BTreeSet<Topic>,
    requests: Vec<Request>,
}

impl Server {
    fn handle(&mut self, request: &Request) {
        match request.action {
            Subscribe => self.has.insert(request.topic.clone()),
            Unsubscribe => self.has.remove(&request.topic),
        };
    }
}

proptest! {
    #[test]
    fn the_server_comes_to_what_is_wanted(steps in steps()) {
        let (mut it, mut now) = subscriptions();
        let (mut server, mut wanted, mut up) = (Server::default(), BTreeSet::new(), false);
        let mut to_restore = BTreeSet::new();
        for step in steps {
            match step {
                Step::Want(n) => {
                    let new = wanted.insert(topic(&n.to_string()));
                    prop_assert_eq!(it.want(&topic(&n.to_string())), new);
                }
                Step::Leave(n) => {
                    let was = wanted.remove(&topic(&n.to_string()));
                    to_restore.remove(&topic(&n.to_string()));
                    prop_assert_eq!(it.leave(&topic(&n.to_string())), was);
                }
                Step::Connect => {
                    (server, up) = (Server::default(), true);
                    to_restore.clone_from(&wanted);
                    it.connected();
                }
                Step::Lose => {
                    (server, up) = (Server::default(), false);
                    to_restore.clear();
                    let had = it.lost();
                    prop_assert!(had.iter().all(|topic| wanted.contains(topic)));
                }
                Step::Write => {
                    if let Some(request) = it.poll(now) {
                        prop_assert!(up);
                        let same = |other: &Request| other.topic == request.topic;
                        prop_assert!(!server.requests.iter().any(same), "two at once");
                        server.requests.push(request);
                    }
                }
                Step::Grant { by_id } if !server.requests.is_empty() => {
                    let request = server.requests.remove(0);
                    server.handle(&request);
                    to_restore.remove(&request.topic);
                    let which = match by_id {
                        true => Which::Id(request.id),
                        false => Which::Topic(request.topic),
                    };
                    it.accepted(&which, request.action);
                }
                Step::Refuse if !server.requests.is_empty() => {
                    let request = server.requests.remove(0);
                    to_restore.remove(&request.topic);
                    let refused = it.refused(&Which::Id(request.id), "no");
                    prop_assert_eq!(refused.map(|it| it.topic), Some(request.topic));
                }
                Step::Forget { done } if !server.requests.is_empty() => {
                    // Its silence is noticed before anything else happens to it.
                    now += SECOND;
                    for request in std::mem::take(&mut server.requests) {
                        if done {
                            server.handle(&request);
                        }
                        to_restore.remove(&request.topic);
                    }
                    while it.expire(now).is_some() {}
                }
                Step::Expire => {
                    prop_assert_eq!(it.expire(now), None);
                }
                Step::Grant { .. } | Step::Refuse | Step::Forget { .. } => {}
            }
            prop_assert_eq!(it.is_restored(), up && to_restore.is_empty());
        }
        // A new connection, and a server that grants everything.
        server = Server::default();
        it.connected();
        while let Some(request) = it.poll(now) {
            server.handle(&request);
            it.accepted(&Which::Id(request.id), request.action);
        }
        prop_assert_eq!(&server.has, &wanted);
        prop_assert!(it.is_restored());
        let all: BTreeSet<_> = it.lost().into_iter().collect();
        prop_assert_eq!(all, wanted);
        prop_assert!(it.asked.is_empty() && it.deadlines.is_empty() && it.due.is_empty());
    }

    #[test]
    fn changes_of_mind_on_one_connection_end_as_wanted(
        changes in prop::collection::vec((0_u8..3, any::<bool>(), 0_usize..3), 0..60),
    ) {
        let (mut it, now) = subscriptions();
        let mut server = Server::default();
        let mut wanted = BTreeSet::new();
        it.connected();
        let mut answer = |it: &mut Subscriptions, times: usize| {
            for _ in 0..times {
                if let Some(request) = it.poll(now) {
                    server.requests.push(request);
                }
                if server.requests.len() > 1 || times > 2 && !server.requests.is_empty() {
                    let request = server.requests.remove(0);
                    server.handle(&request);
                    it.accepted(&Which::Topic(request.topic), request.action);
                }
            }
            server.has.clone()
        };
        for (n, want, times) in changes {
            let topic = topic(&n.to_string());
            match want {
                true => { wanted.insert(topic.clone()); it.want(&topic); }
                false => { wanted.remove(&topic); it.leave(&topic); }
            }
            answer(&mut it, times);
        }
        prop_assert_eq!(answer(&mut it, 1_000), wanted);
    }
}

#[test]
fn answers_that_never_come_leave_nothing_behind() {
    let (mut it, mut now) = subscriptions();
    it.connected();
    for round in 0..1_000 {
        it.want(&topic("a"));
        assert_eq!(asked(&mut it, now).len(), 1, "round {round}");
        now += SECOND;
        assert!(it.expire(now).is_some());
        if round % 2 == 0 {
            it.leave(&topic("a"));
            assert_eq!(asked(&mut it, now).len(), 1, "it is told");
            now += SECOND;
            assert!(it.expire(now).is_some());
        }
        assert!(it.asked.len() <= 1, "round {round}: {}", it.asked.len());
    }
}
