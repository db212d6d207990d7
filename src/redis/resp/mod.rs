//! Reading replies: from a buffer of bytes to [`Value`](crate::redis::Value)s. Pure: no socket, no
//! runtime, no clock.
//!
//! A reply is read element by element: each is taken off the buffer when all of it has come, and put
//! into the array, map or set it belongs to, which grows with what came. So a reply that comes in
//! many pieces costs as much as one that comes whole, is never in memory twice, and is given little
//! memory on the word of a header alone. [`ReplyLimits`] are checked on the headers.
//!
//! | file | concept |
//! | --- | --- |
//! | `decode` | replies: `Decoder` |
//! | `plain` | elements that are complete, and as common as most |
//! | `element` | elements of all types, in any pieces |
//! | `levels` | the arrays, maps and sets that elements belong to |
//! | `line`, `small`, `foreign` | numbers and ends of lines; short strings; what `redis-protocol` decodes |
//!
//! Both versions of the protocol are read by one grammar: RESP2 is RESP3's with `$-1` and `*-1`
//! for nil.

mod decode;
mod element;
mod error;
mod foreign;
mod levels;
mod limits;
mod line;
#[cfg(test)]
mod oracle;
mod plain;
#[cfg(test)]
pub(crate) mod recorded;
mod small;

pub use decode::{Decoder, Reply};
pub use error::ProtocolError;
pub use limits::ReplyLimits;
