//! A reply as the server sent it: [`Value`].

use std::fmt;

use bytes::Bytes;

/// A reply, RESP2 or RESP3. Cheap to clone: text and bytes are shared.
///
/// A text of at most 128 bytes stands in a block of a kilobyte with others of its connection, one
/// of more than 512 in the block it was read into: to keep a few of many for long, copy them.
///
/// Most users never look at it: `Client::query` converts it into what they ask for, by
/// [`FromValue`](crate::redis::FromValue).
// The tag is a word, so that what follows it begins at one. Beside a tag of one byte the compiler moves
// the other 39 on their own, from where none was stored as a whole: the processor then waits for each
// of a dozen moves until what was stored has reached its cache, 10 % of a `GET` (docs/decisions.md).
#[derive(Clone, PartialEq)]
#[repr(u64)]
#[non_exhaustive]
pub enum Value {
    /// No value: RESP3 null, RESP2 null bulk string or null array.
    Nil,
    /// A simple string, such as `OK` or `PONG`.
    Simple(Bytes),
    /// A string of bytes.
    Bulk(Bytes),
    /// A 64-bit integer.
    Int(i64),
    /// A floating point number (RESP3).
    Double(f64),
    /// A truth value (RESP3).
    Bool(bool),
    /// An integer beyond 64 bits, in decimal digits (RESP3).
    BigNumber(Bytes),
    /// Text with a format (RESP3): boxed, since it is rare.
    Verbatim(Box<Verbatim>),
    /// A list.
    Array(Vec<Value>),
    /// Keys and values, in the order of the reply (RESP3).
    Map(Vec<(Value, Value)>),
    /// Members without an order (RESP3).
    Set(Vec<Value>),
    /// An out-of-band message: invalidation or pub/sub (RESP3).
    Push(Vec<Value>),
    /// An error inside another reply, such as one of `EXEC`. At the top level an error is an
    /// [`Error`](crate::redis::Error) instead.
    Error(ServerError),
}

/// Text with its format (RESP3), as of `INFO`, `CLUSTER NODES` and `LATENCY DOCTOR`.
#[derive(Clone, PartialEq, Eq)]
pub struct Verbatim {
    /// Three letters, such as `txt` or `mkd`.
    pub format: [u8; 3],
    /// The text.
    pub text: Bytes,
}

/// An error reply: a code word and a message, such as `WRONGTYPE Operation against …`. `Display`
/// and `Debug` show its [`line`](ServerError::line).
#[derive(Clone, PartialEq, Eq)]
pub struct ServerError(Bytes);

impl ServerError {
    /// From the line of the reply, without its `-`.
    pub fn new(line: Bytes) -> Self {
        Self(line)
    }

    /// The first word, such as `WRONGTYPE`, `MOVED` or `ERR`.
    pub fn code(&self) -> &str {
        let end = self
            .0
            .iter()
            .position(|b| *b == b' ')
            .unwrap_or(self.0.len());
        std::str::from_utf8(&self.0[..end]).unwrap_or("")
    }

    /// The line as text; bytes that are not UTF-8 are replaced. Where the server quotes arguments
    /// of the command they are cut off: they may be secrets, and this goes into logs.
    pub fn line(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.0[..self.unquoted()])
    }

    /// Where the server begins to quote arguments: `ERR unknown command 'X', with args beginning
    /// with: …` and `ERR unknown subcommand '…'`.
    fn unquoted(&self) -> usize {
        const UNKNOWN: &[u8] = b"ERR unknown ";
        let line = &self.0;
        let kind = line.get(..UNKNOWN.len()).unwrap_or_default();
        if !kind.eq_ignore_ascii_case(UNKNOWN) {
            return line.len();
        }
        let is_subcommand = line[UNKNOWN.len()..].starts_with(b"subcommand");
        let end: &[u8] = if is_subcommand { b" '" } else { b", with args" };
        line.windows(end.len())
            .position(|window| window == end)
            .unwrap_or(line.len())
    }

    /// The whole line, as it came, quoted arguments included.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line())
    }
}

impl fmt::Debug for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.line())
    }
}

impl Value {
    /// What it is, in words for error messages: `integer`, `bulk string`, …
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Simple(_) => "simple string",
            Self::Bulk(_) => "bulk string",
            Self::Int(_) => "integer",
            Self::Double(_) => "double",
            Self::Bool(_) => "boolean",
            Self::BigNumber(_) => "big number",
            Self::Verbatim(_) => "verbatim string",
            Self::Array(_) => "array",
            Self::Map(_) => "map",
            Self::Set(_) => "set",
            Self::Push(_) => "push",
            Self::Error(_) => "error",
        }
    }

    /// The bytes of a string of any sort; none for the rest.
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Simple(bytes) | Self::Bulk(bytes) | Self::BigNumber(bytes) => Some(bytes),
            Self::Verbatim(verbatim) => Some(&verbatim.text),
            Self::Nil
            | Self::Int(_)
            | Self::Double(_)
            | Self::Bool(_)
            | Self::Array(_)
            | Self::Map(_)
            | Self::Set(_)
            | Self::Push(_)
            | Self::Error(_) => None,
        }
    }
}

/// Shows the shape, and at most 64 bytes of a string: replies may be large and private.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("Nil"),
            Self::Int(n) => write!(f, "Int({n})"),
            Self::Double(n) => write!(f, "Double({n})"),
            Self::Bool(b) => write!(f, "Bool({b})"),
            Self::Simple(b) => write_short(f, "Simple", b),
            Self::Bulk(b) => write_short(f, "Bulk", b),
            Self::BigNumber(b) => write_short(f, "BigNumber", b),
            Self::Verbatim(verbatim) => verbatim.fmt(f),
            Self::Array(items) => f.debug_tuple("Array").field(items).finish(),
            Self::Map(pairs) => f.debug_tuple("Map").field(pairs).finish(),
            Self::Set(items) => f.debug_tuple("Set").field(items).finish(),
            Self::Push(items) => f.debug_tuple("Push").field(items).finish(),
            Self::Error(error) => f.debug_tuple("Error").field(error).finish(),
        }
    }
}

/// As that of [`Value`].
impl fmt::Debug for Verbatim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_short(f, "Verbatim", &self.text)
    }
}

fn write_short(f: &mut fmt::Formatter<'_>, kind: &str, bytes: &[u8]) -> fmt::Result {
    const SHOWN: usize = 64;
    let shown = &bytes[..bytes.len().min(SHOWN)];
    write!(f, "{kind}(\"{}\"", shown.escape_ascii())?;
    if bytes.len() > SHOWN {
        write!(f, "… {} bytes", bytes.len())?;
    }
    f.write_str(")")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::request::Answer;

    #[test]
    fn it_is_five_words_wherever_it_is_and_the_first_is_its_tag() {
        let bytes = [
            size_of::<Value>(),
            size_of::<Answer>(),
            size_of::<Option<Value>>(),
        ];
        assert_eq!(bytes, [5 * size_of::<u64>(); 3]);
        // What would stand right behind a tag of a byte.
        let value = Value::Bool(true);
        let Value::Bool(flag) = &value else {
            unreachable!("just made")
        };
        let (begin, flag) = (&raw const value, &raw const *flag);
        assert_eq!(flag.addr() - begin.addr(), size_of::<u64>());
    }

    #[test]
    fn an_error_shows_none_of_the_arguments_that_the_server_quotes() {
        let replies = [
            "ERR unknown command 'FOO', with args beginning with: 's3cret' 'x'",
            "ERR unknown command `HELLO`, with args beginning with: `3` `AUTH` `s3cret`, ",
            "ERR Unknown subcommand or wrong number of arguments for 's3cret'. Try CONFIG HELP.",
            "ERR unknown subcommand 's3cret'. Try CLIENT HELP.",
        ];
        for reply in replies {
            let error = ServerError::new(Bytes::from(reply));
            assert_eq!(error.code(), "ERR");
            for shown in [error.to_string(), format!("{error:?}"), error.line().into()] {
                assert!(!shown.contains("s3cret"), "{shown}");
            }
            assert!(error.as_bytes().ends_with(&reply.as_bytes()[20..]));
        }
        let error = ServerError::new(Bytes::from_static(b"WRONGTYPE Operation against a key"));
        assert_eq!(error.line(), "WRONGTYPE Operation against a key");
    }
}
