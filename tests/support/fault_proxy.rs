//! An in-process TCP proxy that injects network faults between a client and a server.
//!
//! ```text
//! client ── proxy.port() ──► FaultProxy ──► target
//! ```
//!
//! Faults apply to all connections, the open ones included, until they are taken back.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::background::locked;
pub use super::lane::Ending;
use super::lane::{Faults, Lane};
use super::listening::{Inbox, Listening, Seat};
use super::ports::Port;
use super::sockets::{close, reset_at_end};
use super::waiting::Result;

/// One way through the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    ToServer,
    ToClient,
}

/// A running proxy. Dropping it resets all its connections.
pub struct FaultProxy {
    listening: Listening<Order>,
    lanes: Arc<Lanes>,
}

struct Lanes {
    target: Mutex<u16>,
    to_server: Lane,
    to_client: Lane,
}

#[derive(Clone)]
enum Order {
    End(Ending),
    Inject(Bytes),
}

impl FaultProxy {
    /// Forwards a free port of 127.0.0.1 to the port `target` there.
    ///
    /// # Errors
    /// No free port.
    pub fn start(target: u16) -> Result<Self> {
        let proxy = Self {
            listening: Listening::on(Port::reserve()?),
            lanes: Arc::new(Lanes {
                target: Mutex::new(target),
                to_server: Lane::default(),
                to_client: Lane::default(),
            }),
        };
        proxy.accept()?;
        Ok(proxy)
    }

    /// The port to dial instead of the target's.
    pub fn port(&self) -> u16 {
        self.listening.port()
    }

    /// Host and port to dial.
    pub fn endpoint(&self) -> (String, u16) {
        ("127.0.0.1".to_owned(), self.port())
    }

    /// New connections go to another port; open ones stay where they are.
    pub fn retarget(&self, target: u16) {
        *locked(&self.lanes.target) = target;
    }

    /// Each chunk (what one read gives, 16 KiB at most) waits this long before it is forwarded.
    pub fn delay(&self, way: Way, delay: Duration) {
        self.change(way, |faults| faults.delay = Some(delay));
    }

    /// Forwards in pieces of at most so many bytes, each in a packet of its own: 1 splits at every
    /// byte.
    pub fn split(&self, way: Way, bytes: usize) {
        self.change(way, |faults| faults.split = Some(bytes.max(1)));
    }

    /// Forwards nothing this way and keeps everything open, as a half-open connection does. What
    /// comes in the meantime is forwarded after [`FaultProxy::resume`].
    pub fn stall(&self, way: Way) {
        self.change(way, |faults| faults.stalled = true);
    }

    /// Ends a stall.
    pub fn resume(&self, way: Way) {
        self.change(way, |faults| faults.stalled = false);
    }

    /// Forwards exactly so many more bytes this way, over all connections together, and then ends
    /// the connection that carried the last of them. Works once.
    pub fn cut_after(&self, way: Way, bytes: usize, ending: Ending) {
        self.change(way, |faults| faults.cut = Some((bytes, ending)));
    }

    /// Takes all faults back except a refusal.
    pub fn heal(&self) {
        for way in [Way::ToServer, Way::ToClient] {
            self.change(way, |faults| *faults = Faults::default());
        }
    }

    /// Ends all open connections; new ones are accepted. Returns when they are gone.
    ///
    /// # Errors
    /// A connection does not end within [`SOON`](super::waiting::SOON).
    pub async fn end_all(&self, ending: Ending) -> Result<()> {
        self.listening.end_all(Order::End(ending)).await
    }

    /// Sends bytes to the clients of all open connections that no server has sent. They may fall
    /// into the middle of a reply under way.
    pub fn inject(&self, bytes: impl Into<Bytes>) {
        self.listening.order(Order::Inject(bytes.into()));
    }

    /// Refuses new connections (the port is closed); open ones stay. Returns when it is closed.
    pub async fn refuse(&self) {
        self.listening.down().await;
    }

    /// Accepts connections again.
    ///
    /// # Errors
    /// The port is in use.
    pub fn accept(&self) -> Result<()> {
        let lanes = Arc::clone(&self.lanes);
        self.listening
            .up(move |stream, inbox, seat| carry(stream, inbox, Arc::clone(&lanes), seat))
    }

    /// How many connections were ever accepted.
    pub fn connections(&self) -> usize {
        self.listening.accepted()
    }

    /// How many are open now.
    pub fn open_connections(&self) -> usize {
        self.listening.open()
    }

    /// How many bytes were forwarded this way.
    pub fn forwarded(&self, way: Way) -> u64 {
        self.lanes.lane(way).forwarded()
    }

    /// Waits until `holds` of this proxy; looked at after each change, without polling.
    ///
    /// # Errors
    /// It does not hold within [`SOON`](super::waiting::SOON).
    pub async fn wait_until(&self, what: &str, holds: impl Fn(&Self) -> bool) -> Result<()> {
        self.listening
            .wait_until(what, String::new, || holds(self))
            .await
    }

    fn change(&self, way: Way, change: impl FnOnce(&mut Faults)) {
        self.lanes.lane(way).change(change);
    }
}

impl Lanes {
    fn lane(&self, way: Way) -> &Lane {
        match way {
            Way::ToServer => &self.to_server,
            Way::ToClient => &self.to_client,
        }
    }
}

async fn carry(
    mut client: TcpStream,
    mut inbox: Inbox<Order>,
    lanes: Arc<Lanes>,
    seat: Seat<Order>,
) {
    let target = *locked(&lanes.target);
    let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await else {
        // A dead target looks to the client like a connection that dies at once.
        reset_at_end(&client);
        drop(client);
        return;
    };
    // Pieces must travel as packets of their own. An error means that a peer is gone already.
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let ending = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let (injected, injections) = mpsc::unbounded_channel();
        let (_, nothing) = mpsc::unbounded_channel();
        let both = async {
            tokio::try_join!(
                lanes.to_server.pump(from_client, to_server, nothing),
                lanes.to_client.pump(from_server, to_client, injections),
            )
        };
        let ordered = async {
            loop {
                match inbox.recv().await {
                    Some(Order::End(ending)) => break ending,
                    // The receiver lives as long as the connection does.
                    Some(Order::Inject(bytes)) => drop(injected.send(bytes)),
                    None => break Ending::Reset,
                }
            }
        };
        tokio::select! {
            ended = both => ended.err().unwrap_or(Ending::Close),
            ending = ordered => ending,
        }
    };
    match ending {
        Ending::Reset => {
            reset_at_end(&client);
            reset_at_end(&server);
        }
        Ending::Close => {
            close(&mut client).await;
            close(&mut server).await;
        }
    }
    drop((client, server));
    drop(seat);
}
