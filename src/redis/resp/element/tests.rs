use super::*;
use crate::redis::resp::line::{HEADER_MAX, LINE_MAX};
use crate::redis::resp::{Decoder, Reply};

/// What came of the reply that `bytes` begin with.
#[derive(Debug, PartialEq)]
enum Found {
    Complete { followed_by: Vec<u8> },
    Incomplete { missing: usize },
}

fn find(bytes: &[u8]) -> Result<Found, ProtocolError> {
    find_within(ReplyLimits::default(), bytes)
}

fn find_within(limits: ReplyLimits, bytes: &[u8]) -> Result<Found, ProtocolError> {
    let mut buf = BytesMut::from(bytes);
    find_more(&mut Decoder::new(limits), &mut buf)
}

fn find_more(decoder: &mut Decoder, buf: &mut BytesMut) -> Result<Found, ProtocolError> {
    Ok(match decoder.decode(buf)? {
        Some(_) => Found::Complete {
            followed_by: buf.to_vec(),
        },
        None => Found::Incomplete {
            missing: decoder.missing(),
        },
    })
}

fn complete() -> Result<Found, ProtocolError> {
    let followed_by = Vec::new();
    Ok(Found::Complete { followed_by })
}

fn incomplete(missing: usize) -> Result<Found, ProtocolError> {
    Ok(Found::Incomplete { missing })
}

#[test]
fn the_end_of_a_reply_is_found_and_what_follows_is_left_alone() {
    for reply in [
        "+OK\r\n",
        "-ERR no\r\n",
        ":1\r\n",
        "$3\r\nfoo\r\n",
        "$0\r\n\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "*0\r\n",
        "_\r\n",
        "#t\r\n",
        ",1.5\r\n",
        "(123\r\n",
        "!3\r\nERR\r\n",
        "=7\r\ntxt:abc\r\n",
        "*2\r\n*1\r\n:1\r\n%1\r\n+a\r\n~0\r\n",
        ">2\r\n+a\r\n*0\r\n",
        "|1\r\n+ttl\r\n:5\r\n*1\r\n|0\r\n:1\r\n",
    ] {
        let followed_by = b"+next\r\n".to_vec();
        let found = find(&[reply.as_bytes(), &followed_by].concat());
        assert_eq!(found, Ok(Found::Complete { followed_by }), "{reply:?}");
    }
}

#[test]
fn a_string_tells_exactly_what_it_still_lacks() {
    let mut decoder = Decoder::new(ReplyLimits::default());
    let mut buf = BytesMut::new();
    let mut find = |more: &[u8]| {
        buf.extend_from_slice(more);
        find_more(&mut decoder, &mut buf)
    };
    assert_eq!(find(b"$10"), incomplete(1));
    assert_eq!(find(b"\r\n"), incomplete(12));
    assert_eq!(find(b"0123"), incomplete(8));
    assert_eq!(find(b"456789\r"), incomplete(1));
    assert_eq!(find(b"\n"), complete());
}

#[test]
fn what_is_pending_is_told_until_the_reply_is_complete() {
    let mut decoder = Decoder::new(ReplyLimits::default());
    let mut buf = BytesMut::from("*2\r\n:1\r\n$1");
    assert_eq!(decoder.decode(&mut buf), Ok(None));
    // The header and an element; what that takes beside.
    let held = 4 + 4 + size_of::<Value>();
    assert_eq!((decoder.pending(), buf.len()), (held, 2));
    buf.extend_from_slice(b"\r\nx\r\n:2\r");
    let pair = Value::Array(vec![Value::Int(1), Value::Bulk("x".into())]);
    assert_eq!(decoder.decode(&mut buf), Ok(Some(Reply::Value(pair))));
    assert_eq!((decoder.pending(), buf.len()), (0, 3));
}

#[test]
fn arrays_nested_160_kb_deep_are_refused_at_the_limit() {
    let attack = "*1\r\n".repeat(40_000);
    let too_deep = Err(ProtocolError::TooDeep { limit: 32 });
    assert_eq!(find(attack.as_bytes()), too_deep);
    assert_eq!(find("|1\r\n".repeat(40_000).as_bytes()), too_deep);

    let deepest = format!("{}:1\r\n", "*1\r\n".repeat(32));
    assert_eq!(find(deepest.as_bytes()), complete());
    let deeper = format!("{}*0\r\n", "*1\r\n".repeat(32));
    assert_eq!(find(deeper.as_bytes()), too_deep);
}

#[test]
fn a_depth_that_was_not_validated_is_still_bounded() {
    let attack = "*1\r\n".repeat(40_000);
    let limits = ReplyLimits::default().depth(usize::MAX);
    let limit = ReplyLimits::MAX_DEPTH;
    assert_eq!(
        find_within(limits, attack.as_bytes()),
        Err(ProtocolError::TooDeep { limit })
    );
}

#[test]
fn announced_lengths_beyond_the_limit_are_refused_by_their_header() {
    for (attack, announced) in [
        ("$9999999999\r\n", 9_999_999_999),
        ("!536870913\r\n", 536_870_913),
        ("=9223372036854775808\r\n", 1 << 63),
        ("$99999999999999999999999\r\n", u64::MAX),
    ] {
        let limit = 536_870_912;
        let refused = ProtocolError::BulkTooLong { announced, limit };
        assert_eq!(find(attack.as_bytes()), Err(refused), "{attack:?}");
    }
    let missing = 536_870_912 + 2;
    assert_eq!(find(b"$536870912\r\n"), incomplete(missing));
}

#[test]
fn announced_counts_beyond_the_limit_are_refused_by_their_header() {
    for (attack, announced) in [
        ("*1000000000\r\n", 1_000_000_000),
        ("~16777217\r\n", 16_777_217),
        ("%8388609\r\n", 16_777_218),
        ("|8388609\r\n", 16_777_218),
        (">9223372036854775808\r\n", 1 << 63),
        ("%9223372036854775808\r\n", u64::MAX),
    ] {
        let limit = 16_777_216;
        let refused = ProtocolError::TooManyElements { announced, limit };
        assert_eq!(find(attack.as_bytes()), Err(refused), "{attack:?}");
    }
    let missing = 1;
    assert_eq!(find(b"*16777216\r\n"), incomplete(missing));
}

#[test]
fn elements_are_counted_over_the_whole_reply() {
    let limits = ReplyLimits::default().elements(5);
    let five = b"*2\r\n*2\r\n:1\r\n:2\r\n*1\r\n:3\r\n";
    assert_eq!(find_within(limits, five), complete());
    let (announced, limit) = (2, 5);
    assert_eq!(
        find_within(limits, b"*2\r\n*2\r\n:1\r\n:2\r\n*2\r\n"),
        Err(ProtocolError::TooManyElements { announced, limit })
    );
}

#[test]
fn a_reply_is_bounded_in_all() {
    let limits = ReplyLimits::default().reply_bytes(20);
    let too_long = Err(ProtocolError::ReplyTooLong { limit: 20 });
    assert_eq!(find_within(limits, b"$15\r\n"), too_long);
    assert_eq!(find_within(limits, b"*9\r\n$3\r\nfoo\r\n$9\r\n"), too_long);
    assert_eq!(find_within(limits, "|0\r\n".repeat(6).as_bytes()), too_long);
}

#[test]
fn a_line_without_an_end_is_refused() {
    let endless = |kind: u8, length: usize| [&[kind][..], &vec![b'1'; length]].concat();
    let (limit, missing) = (LINE_MAX, 1);
    for kind in *b"+-,(" {
        let more = incomplete(missing);
        assert_eq!(find(&endless(kind, LINE_MAX + 1)), more);
        let refused = Err(ProtocolError::LineTooLong { kind, limit });
        assert_eq!(find(&endless(kind, LINE_MAX + 2)), refused);
    }
    let limit = HEADER_MAX;
    for kind in *b"$*:_#!=%~>|" {
        let refused = Err(ProtocolError::LineTooLong { kind, limit });
        assert_eq!(find(&endless(kind, HEADER_MAX + 2)), refused);
    }
}

#[test]
fn what_is_no_resp_is_refused() {
    use ProtocolError::{InvalidLength, MissingLineEnd, Streamed, UnknownType};
    for (bytes, refused) in [
        ("HTTP/1.1 400 Bad Request\r\n", UnknownType(b'H')),
        ("\r\n", UnknownType(b'\r')),
        ("*2\r\n:1\r\nx", UnknownType(b'x')),
        ("$-2\r\n", InvalidLength(b'$')),
        ("*-2\r\n", InvalidLength(b'*')),
        ("%-1\r\n", InvalidLength(b'%')),
        ("!-1\r\n", InvalidLength(b'!')),
        ("$\r\n", InvalidLength(b'$')),
        ("$+1\r\n", InvalidLength(b'$')),
        ("*1x\r\n", InvalidLength(b'*')),
        ("*1\n\r\n", InvalidLength(b'*')),
        ("=3\r\ntxt\r\n", InvalidLength(b'=')),
        ("$?\r\n", Streamed(b'$')),
        ("*?\r\n", Streamed(b'*')),
        (";4\r\n", Streamed(b';')),
        (".\r\n", Streamed(b'.')),
        ("$3\r\nfour\r\n", MissingLineEnd),
        ("$3\r\nfoo\n\r", MissingLineEnd),
    ] {
        assert_eq!(find(bytes.as_bytes()), Err(refused), "{bytes:?}");
    }
}

#[test]
fn no_byte_is_searched_twice_however_the_reply_arrives() {
    let mut reply = b"*100000\r\n".to_vec();
    for _ in 0..50_000 {
        reply.extend_from_slice(b"$8\r\npayload.\r\n,12.5\r\n");
    }
    let examined_in = |step: usize| {
        let mut elements = Elements::new(ReplyLimits::default());
        let mut buf = BytesMut::new();
        let mut found = 0;
        for piece in reply.chunks(step) {
            buf.extend_from_slice(piece);
            while elements.next(&mut buf).expect("valid").is_some() {
                found += 1;
            }
        }
        assert_eq!((found, buf.len()), (100_001, 0));
        elements.examined
    };
    let whole = examined_in(reply.len());
    assert!(whole <= 2 * reply.len());
    for step in [1, 7, 1_448, 16_384] {
        let examined = examined_in(step);
        // Headers of strings that came in pieces are counted here, those of whole ones are not; and a
        // CR that came last is looked at again.
        let most = 2 * reply.len();
        assert!(examined <= most, "{examined} for {}", reply.len());
    }
}

#[test]
fn a_large_payload_is_not_looked_at() {
    let reply = [b"$1000000\r\n", &[b'\r'; 1_000_000][..], b"\r\n"].concat();
    let mut elements = Elements::new(ReplyLimits::default());
    let mut buf = BytesMut::new();
    let mut found = None;
    for piece in reply.chunks(1_000) {
        assert!(found.is_none());
        buf.extend_from_slice(piece);
        found = elements.next(&mut buf).expect("valid");
    }
    assert!(matches!(found, Some(Element::Value(Value::Bulk(_)))));
    assert!(elements.examined < 32, "{}", elements.examined);
}

#[test]
fn a_length_beyond_what_can_be_counted_is_refused_without_limits_too() {
    let limits = ReplyLimits::default()
        .bulk_bytes(usize::MAX)
        .reply_bytes(usize::MAX);
    for length in [usize::MAX, usize::MAX - 20, usize::MAX - 24] {
        let found = find_within(limits, format!("${length}\r\n").as_bytes());
        let too_long = matches!(found, Err(ProtocolError::BulkTooLong { .. }));
        assert!(too_long, "{found:?}");
    }
}
