//! The wire form against the protocol's own words.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::redis::command::cmd;

/// By the protocol.
fn encode(args: &[Bytes]) -> Vec<u8> {
    let mut wire = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        wire.extend(format!("${}\r\n", arg.len()).bytes());
        wire.extend(arg);
        wire.extend(b"\r\n");
    }
    wire
}

/// Some are long enough to be held.
fn arg() -> impl Strategy<Value = Bytes> {
    let long = (HOLD - 2..HOLD + 3, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]);
    prop_oneof![4 => vec(any::<u8>(), 0..1200), 1 => long].prop_map(Bytes::from)
}

proptest! {
    #[test]
    fn encodes_as_the_protocol_says(name in "[A-Za-z]{1,12}", args in vec((arg(), any::<bool>()), 0..15)) {
        let command = args.iter().fold(cmd(&name), |command, (arg, as_bytes)| {
            if *as_bytes { command.arg(arg) } else { command.arg(&arg[..]) }
        });
        let mut all = vec![Bytes::from(name)];
        all.extend(args.into_iter().map(|(arg, _)| arg));
        let expected = encode(&all);
        prop_assert_eq!(command.arg_count(), all.len());
        prop_assert!(command.args().eq(all.iter().map(|arg| &arg[..])));
        for (index, arg) in all.iter().enumerate() {
            prop_assert_eq!(command.arg_at(index), Some(&arg[..]));
        }
        prop_assert_eq!(command.arg_at(all.len()), None);
        prop_assert_eq!(&*command.wire(), &expected);
        prop_assert_eq!(command.wire_len(), expected.len());
        for from in [0, expected.len() / 3, expected.len() - 1, expected.len()] {
            let pieces: Vec<_> = command.pieces(from).collect();
            prop_assert_eq!(&pieces.concat(), &expected[from..]);
            prop_assert!(pieces.iter().all(|piece| !piece.is_empty()));
        }
        let mut written = BytesMut::new();
        command.write_to(&mut written);
        prop_assert_eq!(&written, &expected);
    }

    #[test]
    fn counts_arguments_of_any_number(count in 0usize..2000) {
        let command = cmd("DEL").arg(vec!["k"; count]);
        prop_assert_eq!(command.arg_count(), count + 1);
        let head = format!("*{}\r\n$3\r\nDEL\r\n", count + 1);
        prop_assert!(command.wire().starts_with(head.as_bytes()));
        prop_assert_eq!(command.arg_at(count + 1), None);
    }
}

#[test]
fn what_is_long_is_not_copied_if_it_can_be_held() {
    for (length, held) in [(HOLD - 1, false), (HOLD, true)] {
        let value = Bytes::from(vec![b'v'; length]);
        let set = cmd("SET").arg("k").arg(&value);
        let given = set.arg_at(2).expect("two arguments");
        assert_eq!(given.as_ptr() == value.as_ptr(), held, "{length} bytes");
        assert_eq!(set.pieces(0).count(), if held { 3 } else { 1 });
    }
}

#[test]
fn the_list_of_what_is_held_counts() {
    let value = Bytes::from(vec![b'v'; HOLD]);
    let weight = |held: usize| {
        let copied = (held..3).fold(cmd("DEL"), |del, _| del.arg(&value[..]));
        let all = (0..held).fold(copied, |del, _| del.arg(&value));
        all.weight() - size_of::<Held>() * held
    };
    assert_eq!([0, 1, 2, 3].map(weight), [weight(0); 4]);
}

#[test]
fn nothing_is_held_by_a_command_that_is_done() {
    std::thread::spawn(|| {
        let value = Bytes::from(vec![b'v'; HOLD]);
        cmd("SET").arg("k").arg(&value).recycle();
        assert!(value.is_unique());
        let next = cmd("GET").arg("k");
        assert_eq!(*next.wire(), *b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
    })
    .join()
    .expect("a thread of its own, with no spares");
}

#[test]
fn a_short_command_allocates_once() {
    // Not a `Command`, whose buffer may be one that has grown.
    let mut set = Encoded::new();
    for arg in ["SET", "some:key:0001", "a value of a few words"] {
        set.push(arg.as_bytes());
    }
    assert_eq!(set.capacity(), CAPACITY);
}
