//! The rare types, decoded by the crate `redis-protocol`: big numbers and blob errors.
//!
//! It decodes no aggregates here, although it could. It keeps maps and sets in hash tables, so
//! that the order of `HGETALL` and all duplicates are lost, and its feature `index-map` keeps
//! them backwards. It takes `$-1` and `*-1`, RESP2's nil, for the beginning of a stream. It
//! refuses a map whose key is an aggregate, a verbatim string whose format is neither `txt` nor
//! `mkd`, and error lines that are not UTF-8. None of this may cost a connection its life.

use bytes::Bytes;
use redis_protocol::resp3::decode::complete::decode_bytes;
use redis_protocol::resp3::types::BytesFrame;

use super::error::ProtocolError;
use crate::redis::{ServerError, Value};

/// The value of `frame`, whose first byte is `kind`.
pub(super) fn decode(kind: u8, frame: &Bytes) -> Result<Value, ProtocolError> {
    match decode_bytes(frame) {
        Ok(Some((BytesFrame::BigNumber { data, .. }, length)))
            if length == frame.len() && is_decimal(&data) =>
        {
            Ok(Value::BigNumber(data))
        }
        Ok(Some((BytesFrame::BlobError { data, .. }, length))) if length == frame.len() => {
            Ok(Value::Error(ServerError::new(data)))
        }
        _ => Err(ProtocolError::InvalidContent(kind)),
    }
}

/// The crate takes any line for a big number.
fn is_decimal(text: &[u8]) -> bool {
    let digits = match text {
        [b'-' | b'+', digits @ ..] => digits,
        digits => digits,
    };
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn big_numbers_and_blob_errors_become_values() {
        let number = Bytes::from_static(b"(-3492890328409238509324850943850943825024385\r\n");
        let digits = number.slice(1..number.len() - 2);
        assert_eq!(decode(b'(', &number), Ok(Value::BigNumber(digits)));
        let error = Bytes::from_static(b"!10\r\nERR a\r\nb c\r\n");
        let line = ServerError::new(Bytes::from_static(b"ERR a\r\nb c"));
        assert_eq!(decode(b'!', &error), Ok(Value::Error(line)));
    }

    #[test]
    fn a_big_number_that_is_none_is_refused() {
        for line in ["(\r\n", "(-\r\n", "(12a\r\n", "(1.5\r\n", "(12\r\n+"] {
            let refused = Err(ProtocolError::InvalidContent(b'('));
            assert_eq!(decode(b'(', &Bytes::from(line)), refused, "{line:?}");
        }
    }
}
