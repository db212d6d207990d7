//! What a peer can do wrong on the wire: [`ProtocolError`].

use std::ascii::escape_default;

/// The peer broke the protocol or exceeded a limit. The stream can no longer be trusted: whoever
/// reads it must close the connection.
///
/// It names what was seen, never a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// No reply begins with this byte.
    #[error("no reply begins with '{}'", escape_default(*.0))]
    UnknownType(u8),
    /// A streamed type (`$?`, `*?`, `;`, `.`): specified for RESP3, sent by no server.
    #[error("streamed type '{}' is not supported", escape_default(*.0))]
    Streamed(u8),
    /// The length of this type is not a number, or is negative where there is no nil.
    #[error("length of '{}' is not valid", escape_default(*.0))]
    InvalidLength(u8),
    /// The content of this type is malformed: an integer that is none or exceeds 64 bits, a
    /// double that is none, …
    #[error("content of '{}' is not valid", escape_default(*.0))]
    InvalidContent(u8),
    /// A line without an end.
    #[error("line of '{}' exceeds {limit} bytes", escape_default(*.kind))]
    LineTooLong {
        /// The type it belongs to.
        kind: u8,
        /// The limit, in bytes.
        limit: usize,
    },
    /// Something else than CRLF follows the payload: its length was wrong, or the stream has lost
    /// its place.
    #[error("payload is not followed by a line end")]
    MissingLineEnd,
    /// [`ReplyLimits::bulk_bytes`](super::ReplyLimits) is exceeded.
    #[error("string of {announced} bytes exceeds the limit of {limit}")]
    BulkTooLong {
        /// Bytes announced; `u64::MAX` also for more.
        announced: u64,
        /// The limit.
        limit: usize,
    },
    /// [`ReplyLimits::elements`](super::ReplyLimits) is exceeded.
    #[error("{announced} more elements exceed the limit of {limit} per reply")]
    TooManyElements {
        /// Elements announced by the header that was one too many; `u64::MAX` also for more.
        announced: u64,
        /// The limit.
        limit: usize,
    },
    /// [`ReplyLimits::depth`](super::ReplyLimits) is exceeded.
    #[error("reply is nested deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// [`ReplyLimits::reply_bytes`](super::ReplyLimits) is exceeded.
    #[error("reply exceeds {limit} bytes")]
    ReplyTooLong {
        /// The limit.
        limit: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_the_byte_it_saw_in_printable_form() {
        let shown = ProtocolError::UnknownType(0x07).to_string();
        assert_eq!(shown, "no reply begins with '\\x07'");
        let shown = ProtocolError::InvalidLength(b'$').to_string();
        assert_eq!(shown, "length of '$' is not valid");
    }

    #[test]
    fn it_stays_small_because_every_decoded_reply_carries_room_for_it() {
        assert!(size_of::<ProtocolError>() <= 24);
    }
}
