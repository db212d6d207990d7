use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// What one can tell from outside, in the order of delivery.
fn drain(queue: &mut Queue<u32>) -> Vec<Popped<u32>> {
    std::iter::from_fn(|| queue.pop()).collect()
}

fn filled(lag: Lag, most: usize, items: impl IntoIterator<Item = u32>) -> Queue<u32> {
    let mut queue = Queue::new(lag, most, usize::MAX);
    for item in items {
        // The last digit is the key.
        let key = (item % 10).to_string();
        let _ = queue.push(item, 1, Some(&key));
    }
    queue
}

use Popped::{Dropped, Item};

#[test]
fn the_oldest_are_dropped_and_that_is_told_before_what_is_left() {
    let mut queue = filled(Lag::DropOldest, 2, 1..=5);
    assert_eq!(drain(&mut queue), [Dropped(3), Item(4), Item(5)]);
}

#[test]
fn the_newest_are_dropped_and_that_is_told_where_they_are_missing() {
    let mut queue = filled(Lag::DropNewest, 2, 1..=5);
    assert_eq!(queue.pop(), Some(Item(1)));
    queue.push(6, 1, None).expect("room again");
    assert_eq!(drain(&mut queue), [Item(2), Dropped(3), Item(6)]);
}

#[test]
fn the_latest_of_each_key_is_kept_and_superseded_ones_are_dropped_first() {
    let mut queue = filled(Lag::KeepLatest, 3, [1, 2, 3, 11, 21]);
    assert_eq!(
        drain(&mut queue),
        [Dropped(1), Item(2), Item(3), Dropped(1), Item(21)]
    );
    let mut queue = filled(Lag::KeepLatest, 3, [1, 2, 3, 4]);
    let left = [Dropped(1), Item(2), Item(3), Item(4)];
    assert_eq!(drain(&mut queue), left, "all different: the oldest");
    let mut queue = filled(Lag::KeepLatest, 3, [1, 11]);
    assert_eq!(
        drain(&mut queue),
        [Item(1), Item(11)],
        "no lag, nothing dropped"
    );
}

#[test]
fn to_disconnect_is_told_and_what_waits_is_still_delivered() {
    let mut queue = filled(Lag::Disconnect, 2, [1, 2]);
    assert_eq!(queue.push(3, 1, None), Err(Overflow));
    assert_eq!(drain(&mut queue), [Item(1), Item(2), Dropped(1)]);
}

#[test]
fn a_notice_is_kept_where_messages_are_dropped() {
    for lag in [
        Lag::DropOldest,
        Lag::DropNewest,
        Lag::KeepLatest,
        Lag::Disconnect,
    ] {
        let mut queue = Queue::new(lag, 2, usize::MAX);
        queue.push(1, 1, None).expect("room");
        queue.push(2, 1, None).expect("room");
        queue.notice(100, 1);
        let popped = drain(&mut queue);
        assert!(popped.contains(&Item(100)), "{lag:?}: {popped:?}");
        assert!(popped.contains(&Dropped(1)), "{lag:?}: {popped:?}");
    }
}

#[test]
fn what_is_held_comes_after_the_notice_that_releases_it() {
    let mut queue = Queue::new(Lag::DropOldest, 10, usize::MAX);
    queue.push(1, 1, None).expect("room");
    queue.hold();
    queue.push(2, 1, None).expect("room");
    queue.hold();
    assert_eq!(drain(&mut queue), [Item(1)]);
    assert!(queue.is_drained());
    queue.release(Some((100, 1)));
    assert!(!queue.is_drained());
    assert_eq!(drain(&mut queue), [Item(100), Item(2)]);
    queue.release(Some((100, 1)));
    assert_eq!(drain(&mut queue), [], "nothing was held");
}

#[test]
fn a_message_longer_than_the_bound_fits_alone() {
    for lag in [
        Lag::DropOldest,
        Lag::DropNewest,
        Lag::KeepLatest,
        Lag::Disconnect,
    ] {
        let mut queue = Queue::new(lag, 5, 10);
        queue.push(1, 100, None).expect("alone");
        assert_eq!(queue.pop(), Some(Item(1)), "{lag:?}");
    }
}

#[derive(Debug, Clone)]
enum Step {
    Push { bytes: usize, key: Option<u8> },
    Notice { bytes: usize },
    Hold,
    Release,
    Pop,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1_usize..20, prop::option::of(0_u8..4)).prop_map(|(bytes, key)| Step::Push { bytes, key }),
        1 => (1_usize..20).prop_map(|bytes| Step::Notice { bytes }),
        1 => Just(Step::Hold),
        1 => Just(Step::Release),
        3 => Just(Step::Pop),
    ];
    prop::collection::vec(step, 0..200)
}

fn lags() -> impl Strategy<Value = Lag> {
    prop::sample::select(vec![
        Lag::DropOldest,
        Lag::DropNewest,
        Lag::KeepLatest,
        Lag::Disconnect,
    ])
}

proptest! {
    #[test]
    fn all_is_delivered_once_in_order_or_counted_and_the_bounds_hold(
        lag in lags(), most in 1_usize..6, most_bytes in 10_usize..60, steps in steps(),
    ) {
        let mut queue = Queue::new(lag, most, most_bytes);
        let (mut number, mut given, mut delivered, mut dropped) = (0_u32, 0_u64, Vec::new(), 0);
        let mut take = |popped: Option<Popped<u32>>, dropped: &mut u64| match popped {
            Some(Item(item)) => delivered.push(item),
            Some(Dropped(count)) => { assert!(count > 0); *dropped += count }
            None => {}
        };
        for step in steps {
            match step {
                Step::Push { bytes, key } => {
                    number += 1;
                    given += 1;
                    let key = key.map(|key| key.to_string());
                    let pushed = queue.push(number, bytes, key.as_deref());
                    prop_assert!(pushed.is_ok() || lag == Lag::Disconnect);
                }
                Step::Notice { bytes } => {
                    number += 1;
                    given += 1;
                    queue.notice(number, bytes);
                }
                Step::Hold => queue.hold(),
                Step::Release => queue.release(None),
                Step::Pop => take(queue.pop(), &mut dropped),
            }
            prop_assert!(queue.len() <= most);
            prop_assert!(queue.len() <= 1 || queue.bytes() <= most_bytes);
        }
        queue.release(None);
        while let Some(popped) = queue.pop() {
            take(Some(popped), &mut dropped);
        }
        prop_assert!(queue.is_drained());
        prop_assert_eq!((queue.len(), queue.bytes()), (0, 0));
        prop_assert!(queue.latest.is_empty() && queue.superseded.is_empty());
        prop_assert!(delivered.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", delivered);
        prop_assert_eq!(delivered.len() as u64 + dropped, given);
    }

    #[test]
    fn the_last_of_each_key_arrives_as_long_as_there_are_no_more_keys_than_places(
        pushed in prop::collection::vec((0_u8..5, any::<bool>()), 0..200),
    ) {
        let mut queue = Queue::new(Lag::KeepLatest, 5, usize::MAX);
        let (mut last, mut seen) = (BTreeMap::new(), BTreeMap::new());
        for (number, (key, pop)) in (0_u32..).zip(pushed) {
            queue.push(number, 1, Some(&key.to_string())).expect("never refused");
            last.insert(key, number);
            if pop && let Some(Item(item)) = queue.pop() {
                seen.insert(item, ());
            }
        }
        while let Some(popped) = queue.pop() {
            if let Item(item) = popped {
                seen.insert(item, ());
            }
        }
        for number in last.values() {
            prop_assert!(seen.contains_key(number));
        }
    }
}
