//! Question and answer over a fresh stream, one at a time: what the handshake and a scout need
//! before (or without) the machinery of a connection.

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::exit::{Cause, CauseKind, Class};
use crate::redis::command::Command;
use crate::redis::connection::transport::Stream;
use crate::redis::resp::{Decoder, Reply, ReplyLimits};

/// How the record of an alert of TLS begins.
const TLS_ALERT: &[u8] = &[0x15, 0x03];

/// A stream with its decoder.
pub(crate) struct Exchange {
    pub(crate) stream: Box<dyn Stream>,
    pub(crate) decoder: Decoder,
    pub(crate) unread: BytesMut,
    /// Something came, whatever it was.
    pub(crate) heard: bool,
}

impl Exchange {
    pub(crate) fn new(stream: Box<dyn Stream>, limits: ReplyLimits) -> Self {
        Self {
            stream,
            decoder: Decoder::new(small(limits)),
            unread: BytesMut::new(),
            heard: false,
        }
    }

    /// Sends the commands in one write and waits for as many replies; pushes are passed over.
    pub(crate) async fn ask(&mut self, commands: Vec<Command>) -> Result<Vec<Reply>, Cause> {
        let mut replies = Vec::with_capacity(commands.len());
        let wanted = commands.len();
        let mut wire = Vec::new();
        for command in commands {
            wire.extend_from_slice(&command.wire());
        }
        let written = match self.stream.write_all(&wire).await {
            Ok(()) => self.stream.flush().await,
            failed => failed,
        };
        // A server that is full answers before it reads, and closes: its reason is worth reading
        // even when the write failed.
        while replies.len() < wanted {
            match self.next().await {
                Ok(Reply::Push(_)) => {}
                Ok(reply) => {
                    let fatal =
                        matches!(&reply, Reply::Error(error) if is_farewell(error.line().as_ref()));
                    replies.push(reply);
                    if fatal {
                        return Ok(replies);
                    }
                }
                Err(cause) => {
                    // The other way round, what TLS reads may be the reason of a failed write.
                    return Err(match written {
                        Err(error) if cause.class() != Class::Permanent => Cause::from_io(&error),
                        Ok(()) | Err(_) => cause,
                    });
                }
            }
        }
        self.expect_nothing_more()?;
        Ok(replies)
    }

    /// A reply too many would be taken for the answer to the next command.
    fn expect_nothing_more(&mut self) -> Result<(), Cause> {
        while let Some(reply) = self.decode()? {
            match reply {
                Reply::Push(_) => {}
                Reply::Value(_) | Reply::Error(_) => {
                    return Err(Cause::new(
                        CauseKind::Protocol,
                        "a reply came that nobody asked for",
                    ));
                }
            }
        }
        Ok(())
    }

    fn decode(&mut self) -> Result<Option<Reply>, Cause> {
        self.decoder.decode(&mut self.unread).map_err(|error| {
            // An alert is what a server with TLS says to one without (RFC 8446, 5.1 and 6).
            let detail = match self.unread.starts_with(TLS_ALERT) {
                true => "the server speaks TLS, the client does not".to_owned(),
                false => format!("{error}; is this a Redis server?"),
            };
            Cause::new(CauseKind::Protocol, detail)
        })
    }

    async fn next(&mut self) -> Result<Reply, Cause> {
        loop {
            if let Some(reply) = self.decode()? {
                return Ok(reply);
            }
            let read = self
                .stream
                .read_buf(&mut self.unread)
                .await
                .map_err(|error| Cause::from_io(&error))?;
            if read == 0 {
                return Err(Cause::new(CauseKind::Closed, "before an answer came"));
            }
            self.heard = true;
        }
    }
}

/// What is asked here has short answers, topologies included: a fragmented map of a thousand nodes
/// has some 100,000 elements.
fn small(limits: ReplyLimits) -> ReplyLimits {
    let bytes = limits.reply_bytes.min(64 * 1024 * 1024);
    limits
        .reply_bytes(bytes)
        .bulk_bytes(limits.bulk_bytes.min(bytes))
        .elements(limits.elements.min(1024 * 1024))
}

/// The server says so on accepting, and closes.
fn is_farewell(line: &str) -> bool {
    line.starts_with("ERR max number of clients")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::command::cmd;

    #[tokio::test]
    async fn what_is_no_reply_is_said_to_be_tls_or_no_redis_server() {
        for (said, expected) in [
            (
                &b"\x15\x03\x03\x00\x02\x02\x46"[..],
                "the server speaks TLS",
            ),
            (b"HTTP/1.1 400 Bad Request\r\n", "is this a Redis server?"),
        ] {
            let (ours, mut peer) = tokio::io::duplex(1024);
            let mut exchange = Exchange::new(Box::new(ours), ReplyLimits::default());
            peer.write_all(said).await.expect("there is room");
            let cause = exchange.ask(vec![cmd("PING")]).await.expect_err(expected);
            assert_eq!(cause.kind(), CauseKind::Protocol);
            assert!(cause.detail().contains(expected), "{cause}");
        }
    }
}
