use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::redis::command::cmd;
use crate::redis::request::Responder;

#[derive(Debug, Clone)]
enum Step {
    Push {
        size: usize,
        deadline: u64,
        before: bool,
    },
    Asking,
    Ping,
    Wrote(u64),
    Pop,
    Refuse,
    Expire(u64),
    Settle,
}

/// What the model knows of an entry; no id for an `ASKING` and a `PING`, or once it is overdue.
#[derive(Debug)]
struct Known {
    id: Option<u64>,
    overdue: bool,
    ping: bool,
    deadline: u64,
    start: u64,
    end: u64,
    before: bool,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0usize..40, 0u64..100, any::<bool>())
            .prop_map(|(size, deadline, before)| Step::Push { size, deadline, before }),
        1 => Just(Step::Asking),
        1 => Just(Step::Ping),
        4 => prop_oneof![0u64..80, 4_000u64..10_000].prop_map(Step::Wrote),
        4 => Just(Step::Pop),
        1 => Just(Step::Refuse),
        1 => (0u64..100).prop_map(Step::Expire),
        1 => Just(Step::Settle),
    ]
}

/// Requests are told apart by their timeout, which nothing here looks at.
fn request(id: u64, size: usize, deadline: Instant) -> Request {
    // Each third of them has a value that is written from where it is.
    let value = bytes::Bytes::from(vec![b'y'; if size.is_multiple_of(3) { 5_000 } else { 0 }]);
    let command = cmd("SET").arg("x".repeat(size)).arg(value);
    let timeout = Duration::from_secs(id);
    Request::new(command, deadline, timeout, Responder::Nobody)
}

fn id(request: &Request) -> u64 {
    request.timeout.as_secs()
}

proptest! {
    #[test]
    fn it_does_what_a_naive_list_does(steps in proptest::collection::vec(step(), 0..200)) {
        let origin = tokio::time::Instant::now().into_std();
        let at = |tick: u64| origin + Duration::from_millis(tick);
        let mut real = InFlight::default();
        let mut model: VecDeque<Known> = VecDeque::new();
        let (mut appended, mut written, mut ids) = (0, 0, 0);
        let mut weights = std::collections::HashMap::new();
        let mut wires = std::collections::HashMap::new();
        for step in steps {
            match step {
                Step::Push { size, deadline, before } => {
                    ids += 1;
                    let mut request = request(ids, size, at(deadline));
                    request.perhaps_sent = before;
                    weights.insert(ids, request.weight());
                    let length = request.wire_len();
                    wires.insert(ids, request.pieces(0).collect::<Vec<_>>().concat());
                    real.push(request, length);
                    let (start, end) = (appended, appended + length as u64);
                    appended = end;
                    model.push_back(Known { id: Some(ids), overdue: false, ping: false, deadline, start, end, before });
                }
                Step::Asking | Step::Ping => {
                    let ping = matches!(step, Step::Ping);
                    real.push_place(if ping { Place::Ping } else { Place::Asking }, 10);
                    let (start, end) = (appended, appended + 10);
                    appended = end;
                    model.push_back(Known { id: None, overdue: false, ping, deadline: 0, start, end, before: false });
                }
                Step::Wrote(bytes) => {
                    let bytes = bytes.min(appended - written);
                    written += bytes;
                    real.wrote(usize::try_from(bytes).expect("small"));
                }
                Step::Pop => match model.front() {
                    Some(front) if front.end <= written => {
                        let front = model.pop_front().expect("just seen");
                        match (real.pop(), front.id) {
                            (Some(Expected::Request(request)), Some(known)) => {
                                prop_assert_eq!(id(&request), known);
                                prop_assert_eq!(request.perhaps_sent, front.before);
                            }
                            (Some(Expected::Nobody), None) => {}
                            other => prop_assert!(false, "{:?}", other),
                        }
                    }
                    _ => prop_assert!(real.pop().is_none()),
                },
                Step::Refuse => match model.front() {
                    Some(&Known { id: Some(known), start, end, .. })
                        if start < written && written < end =>
                    {
                        let refused = real.pop_partly_written();
                        prop_assert_eq!(refused.as_ref().map(id), Some(known));
                        // The connection ends with it.
                        model.clear();
                        drop(real.settle());
                        (appended, written) = (0, 0);
                    }
                    _ => prop_assert!(real.pop_partly_written().is_none()),
                },
                Step::Expire(now) => {
                    let expired: Vec<u64> = real.expire(at(now)).iter().map(|request| {
                        assert!(request.perhaps_sent, "its bytes may still leave");
                        id(request)
                    }).collect();
                    let mut known = Vec::new();
                    for entry in &mut model {
                        if entry.deadline <= now && let Some(id) = entry.id.take() {
                            entry.overdue = true;
                            known.push(id);
                        }
                    }
                    prop_assert_eq!(expired, known);
                }
                Step::Settle => {
                    let settled = real.settle();
                    let sorted = |unsent: bool| -> Vec<(u64, bool)> {
                        model.iter()
                            .filter(|entry| (entry.end > written) == unsent)
                            .filter_map(|entry| Some((entry.id?, entry.before || !unsent)))
                            .collect()
                    };
                    let of = |requests: &[Request]| -> Vec<(u64, bool)> {
                        requests.iter().map(|r| (id(r), r.perhaps_sent)).collect()
                    };
                    prop_assert_eq!(of(&settled.not_sent), sorted(true));
                    prop_assert_eq!(of(&settled.unanswered), sorted(false));
                    model.clear();
                    (appended, written) = (0, 0);
                }
            }
            let rest = real.rest_of_newest().collect::<Vec<_>>().concat();
            match model.back() {
                Some(Known { id: Some(id), start, end, .. }) => {
                    let taken = usize::try_from(written.clamp(*start, *end) - start).expect("small");
                    prop_assert_eq!(&rest, &wires[id][taken..]);
                }
                _ => prop_assert!(rest.is_empty()),
            }
            prop_assert_eq!(real.len(), model.len());
            prop_assert_eq!(real.is_empty(), model.is_empty());
            prop_assert_eq!(real.has_overdue(), model.iter().any(|entry| entry.overdue));
            prop_assert_eq!(real.checks(), model.iter().filter(|entry| entry.ping).count());
            let weight: usize = model.iter().map(|entry| entry.id.map_or(PLACE_SIZE, |id| weights[&id])).sum();
            prop_assert_eq!(real.held(), weight);
            prop_assert_eq!(real.counted(), weight);
            let earliest = model.iter().filter(|e| e.id.is_some()).map(|e| at(e.deadline)).min();
            if let Some(earliest) = earliest {
                prop_assert!(real.earliest().expect("known") <= earliest);
            }
        }
        drop(real.settle());
        prop_assert_eq!(real.held(), 0);
    }
}

#[test]
fn a_wave_is_a_third_of_what_is_in_flight_or_all_of_it_within_bounds() {
    let wave_of = |count: u64, others_work: bool| {
        let now = tokio::time::Instant::now().into_std();
        let mut in_flight = InFlight::default();
        for id in 0..count {
            in_flight.push(request(id, 1, now), 10);
        }
        in_flight.wave(others_work)
    };
    let counts = [0, 8, 9, 15, 30, 64, 192, 1_000];
    assert_eq!(
        counts.map(|count| wave_of(count, false)),
        [8, 8, 4, 5, 10, 21, 64, 128]
    );
    assert_eq!(
        counts.map(|count| wave_of(count, true)),
        [8, 8, 9, 15, 30, 64, 128, 128]
    );
}

#[test]
fn overdue_requests_among_very_many_are_found_at_a_bounded_cost_and_a_little_late() {
    const MANY: u32 = 20_000;
    let began = tokio::time::Instant::now().into_std();
    let due = |n: u32| began + Duration::from_micros(50) * (n + 1);
    let mut in_flight = InFlight::default();
    for n in 0..MANY {
        let command = cmd("GET").arg(n);
        let request = Request::new(command, due(n), Duration::from_secs(1), Responder::Nobody);
        in_flight.push(request, 10);
    }
    let bound = Duration::from_nanos(200) * MANY;
    let (mut now, mut found, mut looks) = (began, 0, 0);
    while let Some(next) = in_flight.earliest() {
        now = next.max(now + Duration::from_micros(50));
        for request in in_flight.expire(now) {
            assert!(request.due <= now, "never early");
            assert!(now - request.due <= bound + Duration::from_micros(50));
            found += 1;
        }
        looks += 1;
    }
    assert_eq!(found, MANY);
    // All of them last a second, and each look at all rests for 4 ms.
    assert!(in_flight.visited <= 260 * MANY as usize, "{looks} looks");
}

#[test]
fn an_entry_is_two_words() {
    assert_eq!(size_of::<Entry>(), 2 * size_of::<u64>());
}
