//! Connections of a simulation: dialling, the client's end, and the node at the other end.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use rand::RngExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::time::{Instant, sleep, timeout};

use super::world::{Conn, Fate, NODES, World, node_at};
use super::{COMMAND_TIMEOUT, TICK, ms};
use crate::endpoint::Endpoint;
use crate::exit::{Cause, CauseKind};
use crate::redis::connection::Dialer;
use crate::redis::resp::{Decoder, Reply, ReplyLimits};
use crate::redis::value::Value;

/// For the links of one arbiter.
pub(super) fn dialer(world: &World, arbiter: u64) -> Dialer {
    let world = world.clone();
    Dialer::new(move |endpoint| {
        let world = world.clone();
        Box::pin(async move { Ok(Box::new(dial(world, arbiter, endpoint).await?) as _) })
    })
}

async fn dial(world: World, arbiter: u64, endpoint: Endpoint) -> Result<ClientEnd, Cause> {
    let pause = world.quietly().rng.random_range(0..5);
    sleep(ms(pause)).await;
    let link = node_at(&endpoint);
    let (node, hangs) = {
        let mut state = world.quietly();
        // A seed's name leads to any of them.
        let node = link.unwrap_or_else(|| state.rng.random_range(0..NODES));
        let unlucky = !state.calm && state.rng.random_ratio(1, 40);
        (node, unlucky || state.nodes[node].unreachable)
    };
    if hangs {
        std::future::pending::<()>().await;
    }
    if !world.state().nodes[node].up {
        return Err(CauseKind::Refused.into());
    }
    let size = world.quietly().rng.random_range(16..2000);
    let (ours, theirs) = tokio::io::duplex(size);
    let id = world.change(|state| {
        state.next_conn += 1;
        let fate = Fate::Live;
        state.conns.insert(state.next_conn, Conn { node, fate });
        state.open += 1;
        state.next_conn
    });
    let link = link.map(|_| (arbiter, endpoint));
    if let Some(link) = &link {
        let sockets = {
            let mut state = world.quietly();
            let sockets = state.sockets.entry(link.clone()).or_default();
            *sockets += 1;
            *sockets
        };
        if sockets > 1 {
            world.violated(format!("{link:?} has {sockets} sockets"));
        }
    }
    // Not here: a node outlives the arbiters that dial it.
    world.let_run(serve(world.clone(), id, node, theirs));
    Ok(ClientEnd {
        world,
        id,
        link,
        stream: ours,
        waiting_since: None,
    })
}

/// The client's end of a connection, which sees how long the client bears silence.
struct ClientEnd {
    world: World,
    id: u64,
    /// None for a scout.
    link: Option<(u64, Endpoint)>,
    stream: DuplexStream,
    /// The first byte written since the last one that was read.
    waiting_since: Option<Instant>,
}

impl AsyncRead for ClientEnd {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Poll::Ready(Ok(())) = polled {
            if buf.filled().len() > before {
                self.waiting_since = None;
            } else if let Some(conn) = self.world.state().conns.get(&self.id)
                && let Fate::Cut { reset: true, .. } = conn.fate
            {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
        }
        polled
    }
}

impl AsyncWrite for ClientEnd {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        if let Poll::Ready(Ok(1..)) = polled {
            self.waiting_since.get_or_insert_with(Instant::now);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for ClientEnd {
    fn drop(&mut self) {
        let silence = self.waiting_since.map_or(Duration::ZERO, |at| at.elapsed());
        if silence > COMMAND_TIMEOUT * 3 / 2 + TICK {
            let what = format!("{:?} bore silence for {silence:?}", self.link);
            self.world.violated(what);
        }
        self.world.change(|state| {
            state.open -= 1;
            if let Some(link) = &self.link {
                *state.sockets.entry(link.clone()).or_default() -= 1;
            }
        });
    }
}

/// A node's end: reads, executes and answers as the state of the world lets it.
async fn serve(world: World, id: u64, node: usize, stream: DuplexStream) {
    let end = converse(&world, id, node, stream);
    if let Some((stream, unread, decoder)) = end.await {
        execute_rest(&world, node, stream, unread, decoder).await;
    }
    // Kept while the client may still ask how it ended.
    sleep(ms(5000)).await;
    world.change(|state| state.conns.remove(&id));
}

type Rest = (DuplexStream, BytesMut, Decoder);

/// Until the connection ends; then what is to be executed all the same.
async fn converse(world: &World, id: u64, node: usize, mut stream: DuplexStream) -> Option<Rest> {
    let mut decoder = Decoder::new(ReplyLimits::default());
    let mut unread = BytesMut::new();
    let mut asking = false;
    loop {
        let mut changed = pin!(world.changed());
        let (fate, up, paused) = {
            let state = world.state();
            let (conn, node) = (&state.conns[&id], &state.nodes[node]);
            (conn.fate, node.up, node.paused)
        };
        match fate {
            _ if !up => return None,
            Fate::Cut { execute, .. } => return execute.then_some((stream, unread, decoder)),
            Fate::Silent => {
                changed.await;
                continue;
            }
            Fate::Live if paused => {
                changed.await;
                continue;
            }
            Fate::Live => {}
        }
        tokio::select! {
            biased;
            () = &mut changed => continue,
            read = stream.read_buf(&mut unread) => {
                if !matches!(read, Ok(1..)) {
                    return None;
                }
            }
        }
        let mut reply = Vec::new();
        while let Some(command) = decoder.decode(&mut unread).expect("well formed") {
            reply.extend_from_slice(answer(world, node, &command, &mut asking).as_bytes());
        }
        if !say(world, &mut stream, &mut reply).await {
            return None;
        }
    }
}

fn answer(world: &World, node: usize, command: &Reply, asking: &mut bool) -> String {
    let Reply::Value(Value::Array(words)) = command else {
        panic!("no command: {command:?}");
    };
    let words: Vec<_> = words
        .iter()
        .map(|word| std::str::from_utf8(word.as_bytes().expect("bytes")).expect("text"))
        .collect();
    world.quietly().answer(node, &words, asking)
}

/// Writes a reply, in pieces, late, or not as a server should. False: the connection is over.
async fn say(world: &World, stream: &mut DuplexStream, reply: &mut Vec<u8>) -> bool {
    let chance = |one_in| {
        let mut state = world.quietly();
        !state.calm && state.rng.random_ratio(1, one_in)
    };
    if chance(15) {
        let pause = world.quietly().rng.random_range(1..80);
        sleep(ms(pause)).await;
    }
    if chance(300) {
        let pause = world.quietly().rng.random_range(300..900);
        sleep(ms(pause)).await;
    }
    let mut goes_on = true;
    if chance(400) {
        let cut = world.quietly().rng.random_range(0..=reply.len());
        reply.truncate(cut);
        goes_on = false;
    } else if chance(500) {
        reply.extend_from_slice(b"?garbage\r\n");
    } else if chance(50) {
        // Between replies, where nobody asked for it.
        reply.splice(0..0, *b">1\r\n+news\r\n");
    }
    while !reply.is_empty() {
        let cut = world.quietly().rng.random_range(1..=reply.len());
        if stream.write_all(&reply[..cut]).await.is_err() {
            return false;
        }
        reply.drain(..cut);
    }
    goes_on
}

/// What the kernel had taken is executed, and nobody is told.
async fn execute_rest(
    world: &World,
    node: usize,
    rest: DuplexStream,
    unread: BytesMut,
    decoder: Decoder,
) {
    let (mut stream, mut unread, mut decoder) = (rest, unread, decoder);
    // It takes no more than what is there now.
    let _ = timeout(Duration::ZERO, stream.read_buf(&mut unread)).await;
    drop(stream);
    let mut asking = false;
    while let Some(command) = decoder.decode(&mut unread).expect("well formed") {
        answer(world, node, &command, &mut asking);
    }
}
