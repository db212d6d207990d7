//! From bytes to replies: [`Decoder`].

use bytes::BytesMut;

use super::element::{Element, Elements};
use super::error::ProtocolError;
use super::levels::Levels;
use super::limits::ReplyLimits;
use crate::redis::{ServerError, Value};

/// One thing a server says.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// The answer to a command. Errors of single commands may stand inside it, as in `EXEC`'s.
    Value(Value),
    /// The answer to a command: an error.
    Error(ServerError),
    /// Not the answer to a command: an out-of-band message (RESP3).
    Push(Vec<Value>),
}

impl From<Value> for Reply {
    #[inline]
    fn from(value: Value) -> Self {
        match value {
            Value::Error(error) => Self::Error(error),
            Value::Push(items) => Self::Push(items),
            value => Self::Value(value),
        }
    }
}

/// Takes replies off a read buffer, one at a time.
///
/// What of a reply has come is taken off as far as its elements are complete, and never looked at
/// again: the cost of a reply does not depend on the pieces it comes in, and a large one needs no
/// buffer of its size. Attributes (RESP3) are dropped.
///
/// ```
/// use bytes::BytesMut;
/// use everlink::redis::Value;
/// use everlink::redis::resp::{Decoder, Reply, ReplyLimits};
///
/// let mut decoder = Decoder::new(ReplyLimits::default());
/// let mut buf = BytesMut::from("*2\r\n:1\r\n");
/// assert_eq!(decoder.decode(&mut buf), Ok(None));
/// buf.extend_from_slice(b":2\r\n+OK\r\n");
/// let pair = Value::Array(vec![Value::Int(1), Value::Int(2)]);
/// assert_eq!(decoder.decode(&mut buf), Ok(Some(Reply::Value(pair))));
/// assert_eq!(&buf[..], b"+OK\r\n");
/// ```
#[derive(Debug)]
pub struct Decoder {
    elements: Elements,
    levels: Levels,
}

impl Decoder {
    /// At the beginning of a stream. A depth above [`ReplyLimits::MAX_DEPTH`] counts as that.
    pub fn new(limits: ReplyLimits) -> Self {
        Self {
            elements: Elements::new(sane(limits)),
            levels: Levels::default(),
        }
    }

    /// The next reply, if all of it has arrived. Until then `buf` may only be appended to, and goes
    /// with this decoder: a part of the reply may be in each of them.
    ///
    /// # Errors
    /// The peer broke the protocol or exceeded a limit. Nothing that follows can be trusted:
    /// neither decoder nor buffer may be used any further.
    #[inline]
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Option<Reply>, ProtocolError> {
        let reply = match self.next_single(buf) {
            Some(value) => Some(value),
            None => self.next_any(buf)?,
        };
        Ok(reply.map(Reply::from))
    }

    /// The next reply, if it is what most are: a single element that came whole. Else it is
    /// [`Decoder::next_any`]'s. Errors and out-of-band messages are values here.
    #[inline]
    pub(crate) fn next_single(&mut self, buf: &mut BytesMut) -> Option<Value> {
        self.elements.single(buf)
    }

    /// As [`Decoder::decode`].
    pub(crate) fn next_any(&mut self, buf: &mut BytesMut) -> Result<Option<Value>, ProtocolError> {
        loop {
            let Self { elements, levels } = self;
            levels.put_all_but_one(|| elements.next_plain(buf));
            let whole = match self.elements.next(buf)? {
                None => return Ok(None),
                Some(Element::Value(value)) => self.levels.put(value),
                Some(Element::Begin(aggregate, count)) => {
                    let limits = self.elements.limits();
                    self.levels.begin(aggregate, count, buf.len(), limits)?
                }
            };
            if let Some(value) = whole {
                self.elements.begin_reply();
                return Ok(Some(value));
            }
        }
    }

    /// How many more bytes the next reply needs at least: exactly what a string whose length is
    /// known still lacks, else 1. At most [`ReplyLimits::bulk_bytes`] and two, on the word of the
    /// peer alone: a reader that reserves it at once should do so within bounds of its own.
    pub fn missing(&self) -> usize {
        self.elements.missing()
    }

    /// What it holds of a reply that is not complete, in bytes: as they came, and the 40 that each
    /// element takes beside, a verbatim string 80.
    pub fn pending(&self) -> usize {
        self.elements.taken() + self.elements.boxed() + self.levels.bytes()
    }

    /// From here on these limits hold.
    pub(crate) fn set_limits(&mut self, limits: ReplyLimits) {
        self.elements.set_limits(sane(limits));
    }

    /// Gives back what it keeps for replies to come.
    pub(crate) fn release(&mut self) {
        self.elements.release();
        self.levels.release();
    }
}

fn sane(limits: ReplyLimits) -> ReplyLimits {
    limits.depth(limits.depth.min(ReplyLimits::MAX_DEPTH))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::redis::Verbatim;
    use crate::redis::resp::line::LINE_MAX;
    use crate::redis::resp::plain::COPY_MAX;

    fn decode_all(bytes: &[u8]) -> Result<Vec<Reply>, ProtocolError> {
        let mut decoder = Decoder::new(ReplyLimits::default());
        let mut buf = BytesMut::from(bytes);
        let mut replies = Vec::new();
        while let Some(reply) = decoder.decode(&mut buf)? {
            replies.push(reply);
        }
        Ok(replies)
    }

    fn decode_one(bytes: &[u8]) -> Result<Value, ProtocolError> {
        let mut replies = decode_all(bytes)?;
        assert_eq!(replies.len(), 1, "{}", bytes.escape_ascii());
        match replies.remove(0) {
            Reply::Value(value) => Ok(value),
            Reply::Error(error) => Ok(Value::Error(error)),
            Reply::Push(items) => Ok(Value::Push(items)),
        }
    }

    fn bulk(text: &'static str) -> Value {
        Value::Bulk(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn each_type_becomes_its_value() {
        let big = "1".repeat(40);
        let error = |line: &'static str| Value::Error(ServerError::new(line.into()));
        let cases: Vec<(String, Value)> = vec![
            ("+OK\r\n".into(), Value::Simple("OK".into())),
            ("+PONG\r\n".into(), Value::Simple("PONG".into())),
            ("+\r\n".into(), Value::Simple("".into())),
            ("+a\rb\nc\r\n".into(), Value::Simple("a\rb\nc".into())),
            ("-ERR no\r\n".into(), error("ERR no")),
            (":-5\r\n".into(), Value::Int(-5)),
            (":+5\r\n".into(), Value::Int(5)),
            ("$3\r\nfoo\r\n".into(), bulk("foo")),
            ("$0\r\n\r\n".into(), bulk("")),
            ("$2\r\n\r\n\r\n".into(), bulk("\r\n")),
            ("$-1\r\n".into(), Value::Nil),
            ("*-1\r\n".into(), Value::Nil),
            ("_\r\n".into(), Value::Nil),
            ("#t\r\n".into(), Value::Bool(true)),
            ("#f\r\n".into(), Value::Bool(false)),
            (",3.25\r\n".into(), Value::Double(3.25)),
            (",10\r\n".into(), Value::Double(10.0)),
            (",1e-7\r\n".into(), Value::Double(1e-7)),
            (",inf\r\n".into(), Value::Double(f64::INFINITY)),
            (",-inf\r\n".into(), Value::Double(f64::NEG_INFINITY)),
            (format!("({big}\r\n"), Value::BigNumber(big.into())),
            ("!7\r\nERR\r\nno\r\n".into(), error("ERR\r\nno")),
            ("*0\r\n".into(), Value::Array(vec![])),
            ("%0\r\n".into(), Value::Map(vec![])),
            (
                "*3\r\n*1\r\n:1\r\n-ERR no\r\n*-1\r\n".into(),
                Value::Array(vec![
                    Value::Array(vec![Value::Int(1)]),
                    error("ERR no"),
                    Value::Nil,
                ]),
            ),
            ("~1\r\n:1\r\n".into(), Value::Set(vec![Value::Int(1)])),
            (
                ">1\r\n+subscribe\r\n".into(),
                Value::Push(vec![Value::Simple("subscribe".into())]),
            ),
        ];
        for (bytes, value) in cases {
            assert_eq!(decode_one(bytes.as_bytes()), Ok(value), "{bytes:?}");
        }
        for nan in [",nan\r\n", ",-nan\r\n"] {
            let value = decode_one(nan.as_bytes()).expect("valid");
            assert!(matches!(value, Value::Double(n) if n.is_nan()));
        }
    }

    #[test]
    fn verbatim_strings_keep_any_format() {
        let format = *b"md5";
        let text = Bytes::from_static(b"a:b");
        let verbatim = Value::Verbatim(Box::new(Verbatim { format, text }));
        assert_eq!(decode_one(b"=7\r\nmd5:a:b\r\n"), Ok(verbatim));
        let refused = Err(ProtocolError::InvalidContent(b'='));
        assert_eq!(decode_one(b"=4\r\ntext\r\n"), refused);
    }

    #[test]
    fn maps_keep_the_order_duplicates_and_any_key() {
        let bytes = b"%4\r\n+z\r\n:1\r\n+a\r\n$-1\r\n+z\r\n*-1\r\n*1\r\n:1\r\n:4\r\n";
        let simple = |text: &'static str| Value::Simple(text.into());
        let expected = vec![
            (simple("z"), Value::Int(1)),
            (simple("a"), Value::Nil),
            (simple("z"), Value::Nil),
            (Value::Array(vec![Value::Int(1)]), Value::Int(4)),
        ];
        assert_eq!(decode_one(bytes), Ok(Value::Map(expected)));
    }

    #[test]
    fn attributes_are_dropped_wherever_they_stand() {
        let bytes = b"|1\r\n+ttl\r\n*1\r\n:9\r\n|0\r\n*2\r\n|1\r\n$1\r\na\r\n:0\r\n:1\r\n:2\r\n";
        let items = vec![Value::Int(1), Value::Int(2)];
        assert_eq!(decode_one(bytes), Ok(Value::Array(items)));
        let error = ServerError::new("ERR no".into());
        let replies = decode_all(b"|1\r\n+a\r\n:0\r\n-ERR no\r\n");
        assert_eq!(replies, Ok(vec![Reply::Error(error)]));
    }

    #[test]
    fn an_integer_beyond_64_bits_is_refused() {
        let refused = Err(ProtocolError::InvalidContent(b':'));
        assert_eq!(decode_one(b":9223372036854775808\r\n"), refused);
        assert_eq!(decode_one(b"*1\r\n:-9223372036854775809\r\n"), refused);
    }

    #[test]
    fn malformed_content_is_refused() {
        for bytes in ["#x\r\n", "#\r\n", "_x\r\n", ",\r\n", ",1,5\r\n", "(x\r\n"] {
            let refused = Err(ProtocolError::InvalidContent(bytes.as_bytes()[0]));
            assert_eq!(decode_one(bytes.as_bytes()), refused, "{bytes:?}");
            let nested = format!("*1\r\n{bytes}");
            assert_eq!(decode_one(nested.as_bytes()), refused, "{bytes:?}");
        }
    }

    #[test]
    fn the_limits_hold_on_the_short_way_too() {
        let refuses = |limits: ReplyLimits, bytes: &str| {
            let mut buf = BytesMut::from(bytes);
            Decoder::new(limits).decode(&mut buf).is_err()
        };
        let limits = ReplyLimits::default().bulk_bytes(4).reply_bytes(12);
        assert!(!refuses(limits, "$4\r\nfour\r\n"));
        assert!(refuses(limits, "$5\r\nfifth\r\n"));
        assert!(refuses(limits, "+ten and three\r\n"));
        assert!(refuses(limits, "-ten and three\r\n"));
        assert!(refuses(limits, "$9999999999\r\n"));
        assert!(refuses(limits, "*1000000000\r\n"));
        let limits = ReplyLimits::default().reply_bytes(13);
        assert!(!refuses(limits, "$7\r\nseventh\r\n"));
        assert!(refuses(limits, "$8\r\nnumber 8\r\n"));
        assert!(refuses(limits, "*1\r\n$4\r\nfour\r\n"));
        let long = format!("+{}\r\n", "x".repeat(LINE_MAX + 1));
        assert!(refuses(ReplyLimits::default(), &long));
    }

    #[test]
    fn a_small_string_is_copied_and_a_large_one_shares_the_buffer() {
        let reply = |length: usize| format!("${length}\r\n{}\r\n", "x".repeat(length));
        for nested in [false, true] {
            for (length, shared) in [(COPY_MAX, false), (COPY_MAX + 1, true)] {
                let prefix = if nested { "*1\r\n" } else { "" };
                let mut buf = BytesMut::from(format!("{prefix}{}", reply(length)).as_str());
                let range = buf.as_ptr_range();
                let decoded = Decoder::new(ReplyLimits::default()).decode(&mut buf);
                let payload = match decoded.expect("valid").expect("complete") {
                    Reply::Value(Value::Bulk(payload)) => payload,
                    Reply::Value(Value::Array(items)) => items[0].as_bytes().expect("text").clone(),
                    other => panic!("{other:?}"),
                };
                assert_eq!(payload.len(), length);
                assert_eq!(range.contains(&payload.as_ptr()), shared, "{length}");
            }
        }
    }

    #[test]
    fn what_is_missing_is_told_until_the_reply_is_complete() {
        let mut decoder = Decoder::new(ReplyLimits::default());
        let mut buf = BytesMut::from("$600\r\nx");
        assert_eq!(decoder.decode(&mut buf), Ok(None));
        assert_eq!(decoder.missing(), 601);
        buf.extend_from_slice(&[b'x'; 599]);
        assert_eq!(decoder.decode(&mut buf), Ok(None));
        assert_eq!(decoder.missing(), 2);
        buf.extend_from_slice(b"\r\n:1\r\n");
        let text = Bytes::from(vec![b'x'; 600]);
        let reply = Reply::Value(Value::Bulk(text));
        assert_eq!(decoder.decode(&mut buf), Ok(Some(reply)));
        assert_eq!(decoder.missing(), 1);
        assert_eq!(
            decoder.decode(&mut buf),
            Ok(Some(Reply::Value(Value::Int(1))))
        );
        assert!(buf.is_empty());
    }
}
