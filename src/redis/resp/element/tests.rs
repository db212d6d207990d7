use super::*;
use crate::redis::resp::line::{HEADER_MAX, LINE_MAX};

fn scan(buf: &[u8]) -> Result<Scan, ProtocolError> {
    Scanner::new(ReplyLimits::default()).scan(buf)
}

fn scan_within(limits: ReplyLimits, buf: &[u8]) -> Result<Scan, ProtocolError> {
    Scanner::new(limits).scan(buf)
}

#[test]
fn the_end_of_a_frame_is_found_and_what_follows_is_left_alone() {
    for frame in [
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
        let followed = format!("{frame}+next\r\n");
        let found = scan(followed.as_bytes());
        assert_eq!(found, Ok(Scan::Complete(frame.len())), "{frame:?}");
    }
}

#[test]
fn a_string_tells_exactly_what_it_still_lacks() {
    let mut scanner = Scanner::new(ReplyLimits::default());
    let missing = |missing| Ok(Scan::Incomplete { missing });
    assert_eq!(scanner.scan(b"$10"), missing(1));
    assert_eq!(scanner.scan(b"$10\r\n"), missing(12));
    assert_eq!(scanner.scan(b"$10\r\n0123"), missing(8));
    assert_eq!(scanner.scan(b"$10\r\n0123456789\r"), missing(1));
    assert_eq!(
        scanner.scan(b"$10\r\n0123456789\r\n"),
        Ok(Scan::Complete(17))
    );
}

#[test]
fn arrays_nested_160_kb_deep_are_refused_at_the_limit() {
    let attack = "*1\r\n".repeat(40_000);
    let too_deep = Err(ProtocolError::TooDeep { limit: 32 });
    assert_eq!(scan(attack.as_bytes()), too_deep);
    assert_eq!(scan("|1\r\n".repeat(40_000).as_bytes()), too_deep);

    let deepest = format!("{}:1\r\n", "*1\r\n".repeat(32));
    assert_eq!(scan(deepest.as_bytes()), Ok(Scan::Complete(deepest.len())));
    let deeper = format!("{}*0\r\n", "*1\r\n".repeat(32));
    assert_eq!(scan(deeper.as_bytes()), too_deep);
}

#[test]
fn a_depth_that_was_not_validated_is_still_bounded() {
    let attack = "*1\r\n".repeat(40_000);
    let limits = ReplyLimits::default().depth(usize::MAX);
    let limit = ReplyLimits::MAX_DEPTH;
    assert_eq!(
        scan_within(limits, attack.as_bytes()),
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
        assert_eq!(scan(attack.as_bytes()), Err(refused), "{attack:?}");
    }
    let missing = 536_870_912 + 2;
    assert_eq!(scan(b"$536870912\r\n"), Ok(Scan::Incomplete { missing }));
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
        assert_eq!(scan(attack.as_bytes()), Err(refused), "{attack:?}");
    }
    let missing = 1;
    assert_eq!(scan(b"*16777216\r\n"), Ok(Scan::Incomplete { missing }));
}

#[test]
fn elements_are_counted_over_the_whole_reply() {
    let limits = ReplyLimits::default().elements(5);
    let five = b"*2\r\n*2\r\n:1\r\n:2\r\n*1\r\n:3\r\n";
    assert_eq!(scan_within(limits, five), Ok(Scan::Complete(five.len())));
    let (announced, limit) = (2, 5);
    assert_eq!(
        scan_within(limits, b"*2\r\n*2\r\n:1\r\n:2\r\n*2\r\n"),
        Err(ProtocolError::TooManyElements { announced, limit })
    );
}

#[test]
fn a_reply_is_bounded_in_all() {
    let limits = ReplyLimits::default().reply_bytes(20);
    let too_long = Err(ProtocolError::ReplyTooLong { limit: 20 });
    assert_eq!(scan_within(limits, b"$15\r\n"), too_long);
    assert_eq!(scan_within(limits, b"*9\r\n$3\r\nfoo\r\n$9\r\n"), too_long);
    assert_eq!(scan_within(limits, "|0\r\n".repeat(6).as_bytes()), too_long);
}

#[test]
fn a_line_without_an_end_is_refused() {
    let endless = |kind: u8, length: usize| [&[kind][..], &vec![b'1'; length]].concat();
    let (limit, missing) = (LINE_MAX, 1);
    for kind in *b"+-,(" {
        let more = Ok(Scan::Incomplete { missing });
        assert_eq!(scan(&endless(kind, LINE_MAX + 1)), more);
        let refused = Err(ProtocolError::LineTooLong { kind, limit });
        assert_eq!(scan(&endless(kind, LINE_MAX + 2)), refused);
    }
    let limit = HEADER_MAX;
    for kind in *b"$*:_#!=%~>|" {
        let refused = Err(ProtocolError::LineTooLong { kind, limit });
        assert_eq!(scan(&endless(kind, HEADER_MAX + 2)), refused);
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
        assert_eq!(scan(bytes.as_bytes()), Err(refused), "{bytes:?}");
    }
}

#[test]
fn no_byte_is_searched_twice_however_the_frame_arrives() {
    let mut frame = b"*100000\r\n".to_vec();
    for _ in 0..50_000 {
        frame.extend_from_slice(b"$8\r\npayload.\r\n:12345\r\n");
    }
    let examined_in = |step: usize| {
        let mut scanner = Scanner::new(ReplyLimits::default());
        for end in (step..frame.len()).step_by(step) {
            let so_far = scanner.scan(&frame[..end]);
            assert!(matches!(so_far, Ok(Scan::Incomplete { .. })), "{so_far:?}");
        }
        assert_eq!(scanner.scan(&frame), Ok(Scan::Complete(frame.len())));
        scanner.examined
    };
    let whole = examined_in(frame.len());
    assert!(whole <= 2 * frame.len());
    for step in [1, 7, 1_448, 16_384] {
        let examined = examined_in(step);
        // A CR that came last is looked at again.
        assert!(examined <= whole + whole / 4, "{examined} for {whole}");
    }
}

#[test]
fn a_large_payload_is_not_looked_at() {
    let frame = [b"$1000000\r\n", &[b'\r'; 1_000_000][..], b"\r\n"].concat();
    let mut scanner = Scanner::new(ReplyLimits::default());
    for end in (1..frame.len()).step_by(1_000) {
        scanner.scan(&frame[..end]).expect("valid");
    }
    assert_eq!(scanner.scan(&frame), Ok(Scan::Complete(frame.len())));
    assert!(scanner.examined < 32, "{}", scanner.examined);
}
