//! Reading replies: from a buffer of bytes to [`Value`](crate::redis::Value)s. Pure: no socket, no
//! runtime, no clock.
//!
//! A reply is read in two steps. A *scan* walks over the headers of what has arrived, keeps to
//! the [`ReplyLimits`], remembers where it stopped, and tells when the frame is complete. Only
//! then is the frame *decoded*, once. So a reply that comes in many pieces costs as much as one
//! that comes whole, and nothing is allocated on the word of a header alone.
//!
//! Both versions of the protocol are read by one grammar: RESP2 is RESP3's with `$-1` and `*-1`
//! for nil.

mod decode;
mod error;
mod foreign;
mod frame;
mod limits;
mod line;
#[cfg(test)]
mod oracle;
mod plain;
#[cfg(test)]
pub(crate) mod recorded;
mod scan;
mod small;

pub use decode::{Decoder, Reply};
pub use error::ProtocolError;
pub use limits::ReplyLimits;
