//! A small RESP2 client that is independent of everlink, and the parsers behind it.

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::waiting::{Failure, Result};

/// How long a reply may take.
const REPLY_LIMIT: Duration = Duration::from_secs(5);

/// A RESP2 reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Simple(String),
    Error(String),
    Int(i64),
    Bulk(Bytes),
    Nil,
    Array(Vec<Reply>),
}

impl Reply {
    /// The text of a simple or bulk reply.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Simple(text) => Some(text.clone()),
            Self::Bulk(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Self::Error(_) | Self::Int(_) | Self::Nil | Self::Array(_) => None,
        }
    }

    /// The bytes of a bulk reply.
    pub fn bytes(&self) -> Option<Bytes> {
        match self {
            Self::Bulk(bytes) => Some(bytes.clone()),
            Self::Simple(_) | Self::Error(_) | Self::Int(_) | Self::Nil | Self::Array(_) => None,
        }
    }

    /// The number of an integer reply.
    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Simple(_) | Self::Error(_) | Self::Bulk(_) | Self::Nil | Self::Array(_) => None,
        }
    }

    /// The elements of an array reply.
    pub fn elements(&self) -> Option<&[Reply]> {
        match self {
            Self::Array(elements) => Some(elements),
            Self::Simple(_) | Self::Error(_) | Self::Int(_) | Self::Bulk(_) | Self::Nil => None,
        }
    }

    /// The reply itself, or a failure if the server answered with an error.
    ///
    /// # Errors
    /// An error reply.
    pub fn refused(self) -> Result<Self> {
        match self {
            Self::Error(text) => Err(Failure::new(text)),
            Self::Simple(_) | Self::Int(_) | Self::Bulk(_) | Self::Nil | Self::Array(_) => Ok(self),
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(text) => write!(f, "-{text}"),
            Self::Int(number) => write!(f, "{number}"),
            Self::Nil => f.write_str("nil"),
            Self::Array(elements) => f.debug_list().entries(elements).finish(),
            Self::Simple(text) => f.write_str(text),
            Self::Bulk(bytes) => f.write_str(&String::from_utf8_lossy(bytes)),
        }
    }
}

/// A command as the array of bulk strings that a client sends.
pub fn encode_command<A: AsRef<[u8]>>(args: &[A]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        let arg = arg.as_ref();
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// Takes one complete reply off the front of `buffer`; `None` if it is not complete yet.
///
/// # Errors
/// Bytes that are no RESP2.
pub fn take_reply(buffer: &mut BytesMut) -> io::Result<Option<Reply>> {
    let mut rest: &[u8] = buffer;
    let Some(reply) = parse_reply(&mut rest)? else {
        return Ok(None);
    };
    let used = buffer.len() - rest.len();
    buffer.advance(used);
    Ok(Some(reply))
}

/// Takes one complete command off the front of `buffer`: an array of bulk strings, or a line of
/// words. `None` if it is not complete yet.
///
/// # Errors
/// Bytes that are no command.
pub fn take_command(buffer: &mut BytesMut) -> io::Result<Option<Vec<Bytes>>> {
    if buffer.first().is_some_and(|byte| *byte != b'*') {
        let mut rest: &[u8] = buffer;
        let Some(line) = take_line(&mut rest) else {
            return Ok(None);
        };
        let words = line
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty())
            .map(Bytes::copy_from_slice)
            .collect();
        let used = buffer.len() - rest.len();
        buffer.advance(used);
        return Ok(Some(words));
    }
    match take_reply(buffer)? {
        None => Ok(None),
        Some(Reply::Array(elements)) => elements
            .into_iter()
            .map(|element| match element {
                Reply::Bulk(bytes) => Ok(bytes),
                other => Err(malformed(&format!("a command argument is {other:?}"))),
            })
            .collect::<io::Result<_>>()
            .map(Some),
        Some(other) => Err(malformed(&format!("a command is {other:?}"))),
    }
}

fn parse_reply(rest: &mut &[u8]) -> io::Result<Option<Reply>> {
    let Some(line) = take_line(rest) else {
        return Ok(None);
    };
    let Some((kind, line)) = line.split_first() else {
        return Err(malformed("an empty line"));
    };
    let text = String::from_utf8_lossy(line).into_owned();
    match kind {
        b'+' => Ok(Some(Reply::Simple(text))),
        b'-' => Ok(Some(Reply::Error(text))),
        b':' => number(&text).map(|number| Some(Reply::Int(number))),
        b'$' => {
            let Ok(length) = usize::try_from(number(&text)?) else {
                return Ok(Some(Reply::Nil));
            };
            if rest.len() < length + 2 {
                return Ok(None);
            }
            let bulk = Bytes::copy_from_slice(&rest[..length]);
            *rest = &rest[length + 2..];
            Ok(Some(Reply::Bulk(bulk)))
        }
        b'*' => {
            let Ok(length) = usize::try_from(number(&text)?) else {
                return Ok(Some(Reply::Nil));
            };
            let mut elements = Vec::new();
            for _ in 0..length {
                match parse_reply(rest)? {
                    Some(element) => elements.push(element),
                    None => return Ok(None),
                }
            }
            Ok(Some(Reply::Array(elements)))
        }
        other => Err(malformed(&format!(
            "a reply begins with {:?}",
            char::from(*other)
        ))),
    }
}

fn take_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let line = &rest[..end];
    *rest = &rest[end + 2..];
    Some(line)
}

fn number(text: &str) -> io::Result<i64> {
    text.parse()
        .map_err(|_| malformed(&format!("not a number: {text:?}")))
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// One plain connection that sends commands and reads RESP2 replies in order.
#[derive(Debug)]
pub struct RawClient {
    stream: TcpStream,
    buffer: BytesMut,
}

impl RawClient {
    /// Connects to a port of 127.0.0.1.
    ///
    /// # Errors
    /// Refused, or not connected within 5 s.
    pub async fn connect(port: u16) -> Result<Self> {
        let dial = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
        let stream = timeout(REPLY_LIMIT, dial)
            .await
            .map_err(|_| Failure::new(format!("no connection to port {port} in 5 s")))??;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: BytesMut::new(),
        })
    }

    /// Authenticates as `user`.
    ///
    /// # Errors
    /// The server refuses, or does not answer.
    pub async fn auth(&mut self, user: &str, password: &str) -> Result<()> {
        let reply = self.command(&["AUTH", user, password]).await?;
        reply.refused().map(drop)
    }

    /// Sends one command and waits for its reply. An error reply is a reply: see
    /// [`Reply::refused`].
    ///
    /// # Errors
    /// The connection ends, or no reply comes within 5 s.
    pub async fn command<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Result<Reply> {
        self.send(&encode_command(args)).await?;
        self.reply().await
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// The connection is gone, or takes nothing for 5 s.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        timeout(REPLY_LIMIT, self.stream.write_all(bytes))
            .await
            .map_err(|_| Failure::new("nothing could be written for 5 s"))??;
        Ok(())
    }

    /// Reads the next reply.
    ///
    /// # Errors
    /// The connection ends, or no reply comes within 5 s.
    pub async fn reply(&mut self) -> Result<Reply> {
        timeout(REPLY_LIMIT, self.next_reply())
            .await
            .map_err(|_| Failure::new("no reply in 5 s"))?
            .map_err(Failure::from)
    }

    async fn next_reply(&mut self) -> io::Result<Reply> {
        loop {
            if let Some(reply) = take_reply(&mut self.buffer)? {
                return Ok(reply);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The bytes that arrive next, as they are; empty at the end of the stream.
    ///
    /// # Errors
    /// A reset, or nothing at all for 5 s.
    pub async fn bytes(&mut self) -> io::Result<Bytes> {
        if self.buffer.is_empty() {
            timeout(REPLY_LIMIT, self.stream.read_buf(&mut self.buffer)).await??;
        }
        Ok(self.buffer.split().freeze())
    }

    /// Whether nothing at all arrives for `time`: neither bytes nor an end.
    pub async fn is_silent_for(&mut self, time: Duration) -> bool {
        self.buffer.is_empty()
            && timeout(time, self.stream.read_buf(&mut self.buffer))
                .await
                .is_err()
    }
}
