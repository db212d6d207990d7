//! Single lines: where they end, how long they may be, and the numbers in them.

use super::error::ProtocolError;

/// Bytes of a line that carries text or a number of any length, without type and CRLF. An error
/// message is the longest in practice; a double may have some hundred digits.
pub(super) const LINE_MAX: usize = 64 * 1024;
/// Bytes of a line that carries a length, an integer or a flag: 20 digits, and some to spare.
pub(super) const HEADER_MAX: usize = 32;

/// The longest line of a type; an error if it is none.
pub(super) fn line_limit(kind: u8) -> Result<usize, ProtocolError> {
    match kind {
        b'+' | b'-' | b',' | b'(' => Ok(LINE_MAX),
        b'$' | b'*' | b':' | b'_' | b'#' | b'!' | b'=' | b'%' | b'~' | b'>' | b'|' => {
            Ok(HEADER_MAX)
        }
        b';' | b'.' => Err(ProtocolError::Streamed(kind)),
        _ => Err(ProtocolError::UnknownType(kind)),
    }
}

/// Where the first CRLF at or after `from` is. A lone CR or LF belongs to the line: modules send
/// simple strings unchecked.
#[inline]
pub(super) fn find_crlf(buf: &[u8], from: usize) -> Option<usize> {
    // Most lines are a few bytes long: a plain loop is the fastest search there.
    let mut at = from;
    while at + 1 < buf.len() {
        if buf[at] == b'\r' && buf[at + 1] == b'\n' {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// The length in a complete header, such as `$64\r\n`, whose type is at `at`; and where the payload
/// begins. None for every header that is unusual or incomplete.
#[inline]
pub(super) fn parse_short_header(buf: &[u8], at: usize) -> Option<(usize, usize)> {
    // Nine digits cannot overflow, and are enough for 512 MiB.
    const DIGITS: usize = 9;
    let digits = buf.get(at + 1..)?;
    let mut length = 0;
    let mut count = 0;
    for byte in digits.iter().take(DIGITS) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        length = length * 10 + usize::from(digit);
        count += 1;
    }
    let ended = digits.get(count..count + 2)? == b"\r\n";
    (count > 0 && ended).then_some((length, at + 1 + count + 2))
}

/// A length or count; none for the nil of RESP2. One beyond 64 bits is `u64::MAX`, which every
/// limit refuses.
#[inline]
pub(super) fn parse_length(kind: u8, line: &[u8]) -> Result<Option<u64>, ProtocolError> {
    let mut length = 0_u64;
    for byte in line {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return parse_special_length(kind, line);
        }
        length = length.saturating_mul(10).saturating_add(u64::from(digit));
    }
    if line.is_empty() {
        return Err(ProtocolError::InvalidLength(kind));
    }
    Ok(Some(length))
}

fn parse_special_length(kind: u8, line: &[u8]) -> Result<Option<u64>, ProtocolError> {
    match line {
        b"?" => Err(ProtocolError::Streamed(kind)),
        b"-1" if matches!(kind, b'$' | b'*') => Ok(None),
        _ => Err(ProtocolError::InvalidLength(kind)),
    }
}

/// Exact: none for what exceeds 64 bits.
#[inline]
pub(super) fn parse_integer(line: &[u8]) -> Option<i64> {
    let (negative, digits) = match line {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    // Counted downwards, because the least number has no positive counterpart.
    let mut number = 0_i64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    if negative {
        Some(number)
    } else {
        number.checked_neg()
    }
}

/// With `inf`, `-inf` and `nan`, as servers spell them.
pub(super) fn parse_double(line: &[u8]) -> Option<f64> {
    std::str::from_utf8(line).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_exact_and_never_wrap() {
        for number in [i64::MAX, i64::MIN, 0, -1, 10_000_000_000] {
            assert_eq!(parse_integer(number.to_string().as_bytes()), Some(number));
        }
        assert_eq!(parse_integer(b"+5"), Some(5));
        assert_eq!(parse_integer(b"0000000000000000000000007"), Some(7));
        for line in [
            "",
            "-",
            "+",
            "1a",
            " 1",
            "--1",
            "1.0",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999",
        ] {
            assert_eq!(parse_integer(line.as_bytes()), None, "{line:?}");
        }
    }

    #[test]
    fn a_short_header_is_read_only_when_it_is_complete_and_usual() {
        assert_eq!(parse_short_header(b"$0\r\n", 0), Some((0, 4)));
        assert_eq!(parse_short_header(b"*1\r\n$64\r\nx", 4), Some((64, 9)));
        assert_eq!(
            parse_short_header(b"$123456789\r\n", 0),
            Some((123_456_789, 12))
        );
        for other in [
            "",
            "$",
            "$1",
            "$1\r",
            "$\r\n",
            "$-1\r\n",
            "$?\r\n",
            "$1x\r\n",
            "$1\n\r\n",
            "$1234567890\r\n",
        ] {
            assert_eq!(parse_short_header(other.as_bytes(), 0), None, "{other:?}");
        }
    }

    #[test]
    fn lengths_are_exact_and_saturate_beyond_64_bits() {
        assert_eq!(parse_length(b'$', b"0"), Ok(Some(0)));
        assert_eq!(
            parse_length(b'$', b"18446744073709551615"),
            Ok(Some(u64::MAX))
        );
        assert_eq!(
            parse_length(b'$', b"18446744073709551616"),
            Ok(Some(u64::MAX))
        );
        assert_eq!(parse_length(b'$', b"-1"), Ok(None));
        assert_eq!(parse_length(b'*', b"-1"), Ok(None));
        assert_eq!(
            parse_length(b'%', b"-1"),
            Err(ProtocolError::InvalidLength(b'%'))
        );
    }

    #[test]
    fn a_line_ends_with_the_first_cr_that_lf_follows() {
        assert_eq!(find_crlf(b"ab\r\n", 0), Some(2));
        assert_eq!(find_crlf(b"a\rb\n\r\r\n\r\n", 0), Some(5));
        assert_eq!(find_crlf(b"ab\r", 0), None);
        assert_eq!(find_crlf(b"\r\n", 1), None);
        assert_eq!(find_crlf(b"", 3), None);
    }
}
