//! A port that may be listened to or not, and the connections that came in by it: what every fake
//! server stands on.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};

use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::background::{self, locked};
use super::ports::Port;
use super::sockets::listen;
use super::waiting::{Failure, Result, SOON};

/// What a connection is told; it ends when nobody can tell it anything any more.
pub type Inbox<Order> = mpsc::UnboundedReceiver<Order>;

/// Dropping it closes the port, and the inbox of each connection.
pub struct Listening<Order> {
    port: Port,
    shared: Arc<Shared<Order>>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

struct Shared<Order> {
    log: Mutex<Log<Order>>,
    changed: watch::Sender<()>,
}

struct Log<Order> {
    accepted: usize,
    open: BTreeMap<usize, mpsc::UnboundedSender<Order>>,
}

/// A connection's place in the list of open ones, freed when its task ends in any manner. Whoever
/// serves it drops it last: "not open" must mean that the socket is closed.
pub struct Seat<Order> {
    /// Counted from 0.
    pub number: usize,
    shared: Arc<Shared<Order>>,
}

impl<Order: Clone + Send + 'static> Listening<Order> {
    /// Not yet: see [`Listening::up`].
    pub fn on(port: Port) -> Self {
        Self {
            port,
            shared: Arc::new(Shared {
                log: Mutex::new(Log {
                    accepted: 0,
                    open: BTreeMap::new(),
                }),
                changed: watch::Sender::new(()),
            }),
            accepting: Mutex::new(None),
        }
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Accepts connections, each of which is served in a task of its own. Nothing happens while it
    /// does so already.
    ///
    /// # Errors
    /// The port is in use.
    pub fn up<Served>(
        &self,
        serve: impl Fn(TcpStream, Inbox<Order>, Seat<Order>) -> Served + Send + 'static,
    ) -> Result<()>
    where
        Served: Future<Output = ()> + Send + 'static,
    {
        let mut accepting = locked(&self.accepting);
        if accepting.is_some() {
            return Ok(());
        }
        let listener = listen(self.port())?;
        let shared = Arc::clone(&self.shared);
        let accept = async move {
            loop {
                // A dial that is gone before it is accepted is nobody's concern.
                if let Ok((stream, _)) = listener.accept().await {
                    let (inbox, seat) = shared.seat();
                    tokio::spawn(serve(stream, inbox, seat));
                }
            }
        };
        *accepting = Some(background::handle().spawn(accept));
        Ok(())
    }

    /// Refuses new connections (the port is closed); open ones stay. Returns when it is closed.
    pub async fn down(&self) {
        let accepting = locked(&self.accepting).take();
        if let Some(accepting) = accepting {
            accepting.abort();
            // The listener is closed once its task is gone; "cancelled" is the expected answer.
            let _ = accepting.await;
        }
    }

    /// To every open connection.
    pub fn order(&self, order: Order) {
        for orders in locked(&self.shared.log).open.values() {
            // A connection that has just ended needs none.
            let _ = orders.send(order.clone());
        }
    }

    /// The same, and returns when all of them are gone.
    ///
    /// # Errors
    /// A connection does not end within [`SOON`].
    pub async fn end_all(&self, order: Order) -> Result<()> {
        self.order(order);
        self.wait_until("the connections to end", String::new, || self.open() == 0)
            .await
    }

    /// How many connections were ever accepted.
    pub fn accepted(&self) -> usize {
        locked(&self.shared.log).accepted
    }

    /// How many are open now.
    pub fn open(&self) -> usize {
        locked(&self.shared.log).open.len()
    }

    /// Waits until it holds; looked at after each change, without polling.
    ///
    /// # Errors
    /// It does not hold within [`SOON`]: with what was `seen`.
    pub async fn wait_until(
        &self,
        what: &str,
        seen: impl FnOnce() -> String,
        holds: impl Fn() -> bool,
    ) -> Result<()> {
        let mut changes = self.shared.changed.subscribe();
        let wait = async {
            while !holds() {
                if changes.changed().await.is_err() {
                    break;
                }
            }
        };
        timeout(SOON, wait).await.map_err(|_| {
            let (all, open) = (self.accepted(), self.open());
            Failure::new(format!(
                "waited {SOON:?} for {what}: {all} connections, {open} open{}",
                seen()
            ))
        })
    }
}

impl<Order> Shared<Order> {
    fn seat(self: &Arc<Self>) -> (Inbox<Order>, Seat<Order>) {
        let (orders, inbox) = mpsc::unbounded_channel();
        let number = {
            let mut log = locked(&self.log);
            let number = log.accepted;
            log.accepted += 1;
            log.open.insert(number, orders);
            number
        };
        let seat = Seat {
            number,
            shared: Arc::clone(self),
        };
        seat.changed();
        (inbox, seat)
    }
}

impl<Order> Seat<Order> {
    /// Something was recorded for which somebody may wait.
    pub fn changed(&self) {
        self.shared.changed.send_replace(());
    }
}

impl<Order> Drop for Seat<Order> {
    fn drop(&mut self) {
        locked(&self.shared.log).open.remove(&self.number);
        self.changed();
    }
}

impl<Order> Drop for Listening<Order> {
    fn drop(&mut self) {
        if let Some(accepting) = locked(&self.accepting).take() {
            accepting.abort();
        }
        locked(&self.shared.log).open.clear();
    }
}
