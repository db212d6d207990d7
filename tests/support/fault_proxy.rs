//! An in-process TCP proxy that injects network faults between a client and a server.
//!
//! ```text
//! client ── proxy.port() ──► FaultProxy ──► target
//! ```
//!
//! Faults apply to all connections, the open ones included, until they are taken back.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::background::{self, locked};
pub use super::lane::Ending;
use super::lane::{Faults, Lane};
use super::ports::Port;
use super::sockets::{close, listen, reset_at_end};
use super::waiting::{Failure, Result};

const WAIT_LIMIT: Duration = Duration::from_secs(10);

/// One way through the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    ToServer,
    ToClient,
}

/// A running proxy. Dropping it resets all its connections.
pub struct FaultProxy {
    port: Port,
    shared: Arc<Shared>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    target: Mutex<u16>,
    to_server: Lane,
    to_client: Lane,
    log: Mutex<Log>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct Log {
    accepted: usize,
    open: BTreeMap<usize, mpsc::UnboundedSender<Order>>,
}

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
            port: Port::reserve()?,
            shared: Arc::new(Shared {
                target: Mutex::new(target),
                to_server: Lane::default(),
                to_client: Lane::default(),
                log: Mutex::default(),
                changed: watch::Sender::new(()),
            }),
            accepting: Mutex::new(None),
        };
        proxy.accept()?;
        Ok(proxy)
    }

    /// The port to dial instead of the target's.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Host and port to dial.
    pub fn endpoint(&self) -> (String, u16) {
        ("127.0.0.1".to_owned(), self.port())
    }

    /// New connections go to another port; open ones stay where they are.
    pub fn retarget(&self, target: u16) {
        *locked(&self.shared.target) = target;
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
    /// A connection does not end within 10 s.
    pub async fn end_all(&self, ending: Ending) -> Result<()> {
        for orders in locked(&self.shared.log).open.values() {
            // A connection that has just ended needs no order.
            let _ = orders.send(Order::End(ending));
        }
        self.wait_until("the connections to end", |proxy| {
            proxy.open_connections() == 0
        })
        .await
    }

    /// Sends bytes to the clients of all open connections that no server has sent. They may fall
    /// into the middle of a reply under way.
    pub fn inject(&self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        for orders in locked(&self.shared.log).open.values() {
            // A connection that has just ended gets nothing.
            let _ = orders.send(Order::Inject(bytes.clone()));
        }
    }

    /// Refuses new connections (the port is closed); open ones stay. Returns when it is closed.
    pub async fn refuse(&self) {
        let accepting = locked(&self.accepting).take();
        if let Some(accepting) = accepting {
            accepting.abort();
            // The listener is closed once its task is gone; "cancelled" is the expected answer.
            let _ = accepting.await;
        }
    }

    /// Accepts connections again.
    ///
    /// # Errors
    /// The port is in use.
    pub fn accept(&self) -> Result<()> {
        let mut accepting = locked(&self.accepting);
        if accepting.is_none() {
            let listener = listen(self.port())?;
            let shared = Arc::clone(&self.shared);
            *accepting = Some(background::handle().spawn(accept(listener, shared)));
        }
        Ok(())
    }

    /// How many connections were ever accepted.
    pub fn connections(&self) -> usize {
        locked(&self.shared.log).accepted
    }

    /// How many are open now.
    pub fn open_connections(&self) -> usize {
        locked(&self.shared.log).open.len()
    }

    /// How many bytes were forwarded this way.
    pub fn forwarded(&self, way: Way) -> u64 {
        self.shared.lane(way).forwarded()
    }

    /// Waits until `holds` of this proxy; looked at after each change, without polling.
    ///
    /// # Errors
    /// It does not hold after 10 s.
    pub async fn wait_until(&self, what: &str, holds: impl Fn(&Self) -> bool) -> Result<()> {
        let mut changes = self.shared.changed.subscribe();
        let wait = async {
            while !holds(self) {
                if changes.changed().await.is_err() {
                    break;
                }
            }
        };
        timeout(WAIT_LIMIT, wait).await.map_err(|_| {
            let (all, open) = (self.connections(), self.open_connections());
            Failure::new(format!(
                "waited 10 s for {what}: {all} connections, {open} open"
            ))
        })
    }

    fn change(&self, way: Way, change: impl FnOnce(&mut Faults)) {
        self.shared.lane(way).change(change);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        if let Some(accepting) = locked(&self.accepting).take() {
            accepting.abort();
        }
        for orders in locked(&self.shared.log).open.values() {
            // A connection that has just ended needs no order.
            let _ = orders.send(Order::End(Ending::Reset));
        }
    }
}

impl Shared {
    fn lane(&self, way: Way) -> &Lane {
        match way {
            Way::ToServer => &self.to_server,
            Way::ToClient => &self.to_client,
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        // A dial that is gone before it is accepted is none of the proxy's concern.
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        let (orders, inbox) = mpsc::unbounded_channel();
        let connection = {
            let mut log = locked(&shared.log);
            let connection = log.accepted;
            log.accepted += 1;
            log.open.insert(connection, orders);
            connection
        };
        shared.changed.send_replace(());
        let entry = Entry {
            connection,
            shared: Arc::clone(&shared),
        };
        tokio::spawn(carry(client, inbox, entry));
    }
}

/// A connection's place in the list of open ones, freed when its task ends in any manner.
struct Entry {
    connection: usize,
    shared: Arc<Shared>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        locked(&self.shared.log).open.remove(&self.connection);
        self.shared.changed.send_replace(());
    }
}

async fn carry(mut client: TcpStream, mut inbox: mpsc::UnboundedReceiver<Order>, entry: Entry) {
    let shared = Arc::clone(&entry.shared);
    let target = *locked(&shared.target);
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
                shared.to_server.pump(from_client, to_server, nothing),
                shared.to_client.pump(from_server, to_client, injections),
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
    drop(entry);
}
