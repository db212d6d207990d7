//! One way through the fault proxy: forwards bytes, with the faults that are set.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

const CHUNK: usize = 16 * 1024;

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// FIN, after everything that was forwarded.
    Close,
    /// RST by SO_LINGER 0. What the peer has not read yet may be lost to it.
    Reset,
}

/// What is wrong with one way; nothing by default.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Each chunk waits so long.
    pub delay: Option<Duration>,
    /// The most bytes of one write.
    pub split: Option<usize>,
    /// Nothing passes.
    pub stalled: bool,
    /// After so many bytes the connection ends.
    pub cut: Option<(usize, Ending)>,
}

/// One way, for all connections of a proxy.
#[derive(Debug, Default)]
pub struct Lane {
    faults: watch::Sender<Faults>,
    forwarded: AtomicU64,
}

impl Lane {
    /// Sets or takes back faults, for the open connections too.
    pub fn change(&self, change: impl FnOnce(&mut Faults)) {
        self.faults.send_modify(change);
    }

    /// How many bytes went through.
    pub fn forwarded(&self) -> u64 {
        self.forwarded.load(Ordering::SeqCst)
    }

    /// Forwards until the end of the stream, which it passes on; an `Err` ends both ways.
    pub async fn pump(
        &self,
        mut from: ReadHalf<'_>,
        mut to: WriteHalf<'_>,
        mut injections: mpsc::UnboundedReceiver<Bytes>,
    ) -> Result<(), Ending> {
        let mut faults = self.faults.subscribe();
        let mut chunk = BytesMut::new();
        loop {
            chunk.clear();
            chunk.reserve(CHUNK);
            let read = tokio::select! {
                read = from.read_buf(&mut chunk) => read.map_err(ending_of)?,
                Some(bytes) = injections.recv() => {
                    to.write_all(&bytes).await.map_err(ending_of)?;
                    continue;
                }
            };
            let delay = faults.borrow().delay;
            if let Some(delay) = delay {
                sleep(delay).await;
            }
            while_stalled(&mut faults).await;
            if read == 0 {
                to.shutdown().await.map_err(ending_of)?;
                return Ok(());
            }
            let mut rest: &[u8] = &chunk;
            while !rest.is_empty() {
                // A stall holds also between two pieces.
                while_stalled(&mut faults).await;
                let piece = faults.borrow().split.unwrap_or(rest.len());
                let (admitted, ending) = self.admit(piece.min(rest.len()));
                let (now, later) = rest.split_at(admitted);
                // Counted before it is written: who has read it must find it counted.
                self.forwarded.fetch_add(now.len() as u64, Ordering::SeqCst);
                to.write_all(now).await.map_err(ending_of)?;
                if let Some(ending) = ending {
                    return Err(ending);
                }
                rest = later;
            }
        }
    }

    /// How many of `wanted` bytes may pass, and how the connection ends after them, if it does.
    fn admit(&self, wanted: usize) -> (usize, Option<Ending>) {
        let mut admitted = (wanted, None);
        self.faults.send_if_modified(|faults| {
            if let Some((left, ending)) = faults.cut {
                if left > wanted {
                    faults.cut = Some((left - wanted, ending));
                } else {
                    admitted = (left, Some(ending));
                    faults.cut = None;
                }
            }
            // Nobody waits for this.
            false
        });
        admitted
    }
}

async fn while_stalled(faults: &mut watch::Receiver<Faults>) {
    // An error means that the proxy is gone, and this task soon.
    let _ = faults.wait_for(|faults| !faults.stalled).await;
}

/// A reset on one side becomes a reset on the other.
fn ending_of(error: io::Error) -> Ending {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Ending::Reset,
        _ => Ending::Close,
    }
}
