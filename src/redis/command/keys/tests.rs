use super::*;
use crate::redis::command::cmd;
use crate::redis::command::spec::{CommandSpec, Flags};
use proptest::prelude::*;

fn positions(spec: KeySpec, line: &str) -> Vec<usize> {
    let words: Vec<_> = line.split(' ').map(|word| word.trim_matches('_')).collect();
    let command = cmd(words[0]).arg(&words[1..]);
    KeyRule::from(vec![spec]).positions(&command).collect()
}

#[test]
fn finds_the_keys_of_a_range() {
    assert_eq!(positions(KeySpec::range(1, 0, 1), "GET a"), [1]);
    assert_eq!(positions(KeySpec::range(1, -1, 1), "DEL a b c"), [1, 2, 3]);
    assert_eq!(positions(KeySpec::range(1, -1, 2), "MSET a 1 b 2"), [1, 3]);
    assert_eq!(positions(KeySpec::range(1, -2, 1), "BLPOP a b 0"), [1, 2]);
    assert_eq!(positions(KeySpec::range(1, 1, 1), "LCS a b LEN"), [1, 2]);
}

#[test]
fn finds_counted_keys() {
    assert_eq!(positions(KeySpec::counted(2), "EVAL s 2 a b x"), [3, 4]);
    for none in [
        "EVAL s 0 a",
        "EVAL s 3 a b",
        "EVAL s x a",
        "EVAL s",
        "EVAL s 99999999999999999999 a",
    ] {
        assert_eq!(positions(KeySpec::counted(2), none), [0; 0], "{none}");
    }
}

#[test]
fn finds_keys_after_a_word() {
    let streams = || KeySpec::after("STREAMS", 1, -1, 2);
    assert_eq!(
        positions(streams(), "XREAD COUNT 1 streams a b 0 0"),
        [4, 5]
    );
    assert_eq!(positions(streams(), "XREAD COUNT 1 STREAMS"), [0; 0]);
    let backward = KeySpec::after("KEYS", -2, -1, 0);
    assert_eq!(positions(backward, "X a keys b"), [3]);
}

#[test]
fn finds_where_sort_stores() {
    let line = "SORT a BY STORE LIMIT 0 1 GET STORE store b STORE c";
    assert_eq!(positions(KeySpec::SortStore, line), [12]);
    assert_eq!(positions(KeySpec::SortStore, "SORT a STORE"), [0; 0]);
}

#[test]
fn finds_what_migrate_moves() {
    assert_eq!(positions(KeySpec::Migrate, "MIGRATE h 1 a 0 5"), [3]);
    assert_eq!(
        positions(KeySpec::Migrate, "MIGRATE h 1 __ 0 5 AUTH keys KEYS a b"),
        [9, 10]
    );
    assert_eq!(
        positions(KeySpec::Migrate, "MIGRATE h 1 __ 0 5 KEYS"),
        [0; 0]
    );
}

#[test]
fn refuses_keys_in_different_slots() {
    let spec = CommandSpec::new(
        Flags::default(),
        KeyRule::from(vec![KeySpec::range(1, -1, 1)]),
        None,
    );
    let same = spec
        .slot(&cmd("DEL").arg(["{a}1", "{a}2"]))
        .expect("one slot");
    assert_eq!(same, Some(Slot::of(b"a")));
    assert_eq!(spec.slot(&cmd("DEL")).expect("no key"), None);
    let error = spec
        .slot(&cmd("DEL").arg(["a", "b"]))
        .expect_err("two slots");
    assert!(matches!(error.kind(), ErrorKind::CrossSlot));
    assert_eq!(error.outcome(), Outcome::NotSent);
    assert_eq!(error.command(), Some("DEL"));
}

proptest! {
    #[test]
    fn whatever_the_rule_keys_are_arguments_after_the_name(
        words in proptest::collection::vec("[0-9]|KEYS|STORE|", 0..9),
        begin in prop_oneof![
            (1u16..9).prop_map(Begin::At),
            (-9i16..9).prop_map(|from| Begin::After { word: "KEYS".into(), from }),
        ],
        last in any::<i16>(), step in 0u16..3, limit in 0u16..3,
        count_at in 0u16..3, first in 1u16..3,
    ) {
        let command = cmd("X").arg(words);
        let rule = KeyRule::from(vec![
            KeySpec::Range { begin: begin.clone(), last, step, limit },
            KeySpec::Counted { begin, count_at, first, step },
            KeySpec::SortStore,
            KeySpec::Migrate,
        ]);
        let positions: Vec<_> = rule.positions(&command).collect();
        prop_assert!(positions.iter().all(|at| (1..command.arg_count()).contains(at)));
        let by_position = positions.iter().filter_map(|at| command.arg_at(*at));
        prop_assert!(rule.keys(&command).eq(by_position));
    }
}
