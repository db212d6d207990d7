//! A scriptable Redis node on a real loopback socket: it answers what a test says, and records
//! what it was asked.
//!
//! The script is a function from one received command to [`Action`]s. [`super::answers`] has
//! scripts of well-behaved nodes, [`super::replies`] builds the bytes. Actions of one connection
//! are carried out in order; an empty list is silence.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::background::{self, locked};
pub use super::dialogue::{Action, Handler, Received};
use super::ports::Port;
use super::raw::take_command;
use super::sockets::{close, listen, reset_at_end};
use super::waiting::{Failure, Result};

const WAIT_LIMIT: Duration = Duration::from_secs(10);

/// A fake node. Dropping it closes everything.
pub struct FakeNode {
    port: Port,
    shared: Arc<Shared>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    handler: Mutex<Arc<Handler>>,
    log: Mutex<Log>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct Log {
    received: Vec<Received>,
    accepted: usize,
    open: BTreeMap<usize, mpsc::UnboundedSender<Action>>,
}

impl FakeNode {
    /// Listens on a free port and answers by `handler`.
    ///
    /// # Errors
    /// No free port.
    pub fn start(
        handler: impl Fn(&Received) -> Vec<Action> + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::start_on(Port::reserve()?, handler)
    }

    /// The same on a reserved port, where the handler has to know the port before.
    ///
    /// # Errors
    /// The port is in use.
    pub fn start_on(
        port: Port,
        handler: impl Fn(&Received) -> Vec<Action> + Send + Sync + 'static,
    ) -> Result<Self> {
        let node = Self {
            port,
            shared: Arc::new(Shared {
                handler: Mutex::new(Arc::new(handler)),
                log: Mutex::default(),
                changed: watch::Sender::new(()),
            }),
            accepting: Mutex::new(None),
        };
        node.start_again()?;
        Ok(node)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Host and port to dial.
    pub fn endpoint(&self) -> (String, u16) {
        ("127.0.0.1".to_owned(), self.port())
    }

    /// Answers by another script from the next command on, on the open connections too.
    pub fn retarget(&self, handler: impl Fn(&Received) -> Vec<Action> + Send + Sync + 'static) {
        *locked(&self.shared.handler) = Arc::new(handler);
    }

    /// Stops listening, so that dials are refused, and resets all connections. Returns when both
    /// are done; what was recorded stays.
    ///
    /// # Errors
    /// A connection does not end within 10 s.
    pub async fn stop(&self) -> Result<()> {
        let accepting = locked(&self.accepting).take();
        if let Some(accepting) = accepting {
            accepting.abort();
            // The listener is closed once its task is gone; "cancelled" is the expected answer.
            let _ = accepting.await;
        }
        self.end_all(Action::Reset).await
    }

    /// Listens on the same port again. Nothing happens while it listens already.
    ///
    /// # Errors
    /// The port is in use.
    pub fn start_again(&self) -> Result<()> {
        let mut accepting = locked(&self.accepting);
        if accepting.is_some() {
            return Ok(());
        }
        let listener = listen(self.port())?;
        let shared = Arc::clone(&self.shared);
        *accepting = Some(background::handle().spawn(accept(listener, shared)));
        Ok(())
    }

    /// Closes all open connections and goes on listening.
    ///
    /// # Errors
    /// A connection does not end within 10 s.
    pub async fn close_all(&self) -> Result<()> {
        self.end_all(Action::Close).await
    }

    /// Resets all open connections and goes on listening.
    ///
    /// # Errors
    /// A connection does not end within 10 s.
    pub async fn reset_all(&self) -> Result<()> {
        self.end_all(Action::Reset).await
    }

    async fn end_all(&self, ending: Action) -> Result<()> {
        for orders in locked(&self.shared.log).open.values() {
            // A connection that has just ended needs no order.
            let _ = orders.send(ending.clone());
        }
        self.wait_until("the connections to end", |node| {
            node.open_connections() == 0
        })
        .await
    }

    /// Sends bytes unasked on every open connection.
    pub fn push_all(&self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        for orders in locked(&self.shared.log).open.values() {
            // A connection that has just ended gets nothing.
            let _ = orders.send(Action::Push(bytes.clone()));
        }
    }

    /// Everything received so far, in order.
    pub fn received(&self) -> Vec<Received> {
        locked(&self.shared.log).received.clone()
    }

    /// The commands of this name received so far.
    pub fn received_named(&self, name: &str) -> Vec<Received> {
        let mut received = self.received();
        received.retain(|command| command.name() == name);
        received
    }

    /// How many connections were ever accepted.
    pub fn connections(&self) -> usize {
        locked(&self.shared.log).accepted
    }

    /// How many are open now.
    pub fn open_connections(&self) -> usize {
        locked(&self.shared.log).open.len()
    }

    /// Waits until `holds` of this node; looked at after each change, without polling.
    ///
    /// # Errors
    /// It does not hold after 10 s: with what was received so far.
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
            let lines: Vec<String> = self.received().iter().map(Received::line).collect();
            let (all, open) = (self.connections(), self.open_connections());
            Failure::new(format!(
                "waited 10 s for {what}: {all} connections, {open} open, received {lines:?}"
            ))
        })
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        if let Some(accepting) = locked(&self.accepting).take() {
            accepting.abort();
        }
        for orders in locked(&self.shared.log).open.values() {
            // A connection that has just ended needs no order.
            let _ = orders.send(Action::Reset);
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        // A dial that is gone before it is accepted is none of the node's concern.
        let Ok((stream, _)) = listener.accept().await else {
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
        tokio::spawn(serve(stream, inbox, entry));
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

impl Entry {
    fn record(&self, nth: usize, args: Vec<Bytes>) -> (Received, Arc<Handler>) {
        let received = Received {
            connection: self.connection,
            nth,
            args,
        };
        locked(&self.shared.log).received.push(received.clone());
        self.shared.changed.send_replace(());
        let handler = Arc::clone(&locked(&self.shared.handler));
        (received, handler)
    }
}

// The entry is the last to be dropped: "not open" must mean that the socket is closed.
async fn serve(stream: TcpStream, inbox: mpsc::UnboundedReceiver<Action>, entry: Entry) {
    let mut stream = stream;
    let (outgoing, unasked) = mpsc::unbounded_channel();
    // An order to end comes through even while the script delays or a write is stuck.
    let ending = tokio::select! {
        ending = answer(&mut stream, unasked, &entry) => ending,
        ending = orders(inbox, outgoing) => ending,
    };
    match ending {
        Ending::Reset => reset_at_end(&stream),
        Ending::Close => close(&mut stream).await,
    }
    drop(stream);
    drop(entry);
}

enum Ending {
    Close,
    Reset,
}

/// Passes on what is to be sent unasked; returns at the order to end.
async fn orders(
    mut inbox: mpsc::UnboundedReceiver<Action>,
    outgoing: mpsc::UnboundedSender<Action>,
) -> Ending {
    while let Some(action) = inbox.recv().await {
        match action {
            Action::Close => return Ending::Close,
            Action::Reset => return Ending::Reset,
            Action::Reply(_) | Action::Push(_) | Action::Silence | Action::Delay(_) => {
                // The receiver lives as long as the connection does.
                let _ = outgoing.send(action);
            }
        }
    }
    Ending::Reset
}

async fn answer(
    stream: &mut TcpStream,
    mut unasked: mpsc::UnboundedReceiver<Action>,
    entry: &Entry,
) -> Ending {
    let mut buffer = BytesMut::new();
    let mut nth = 0;
    loop {
        loop {
            let args = match take_command(&mut buffer) {
                Ok(Some(args)) => args,
                Ok(None) => break,
                Err(_) => return Ending::Close,
            };
            let (received, handler) = entry.record(nth, args);
            nth += 1;
            for action in handler(&received) {
                if let ControlFlow::Break(ending) = perform(stream, action).await {
                    return ending;
                }
            }
        }
        tokio::select! {
            read = stream.read_buf(&mut buffer) => {
                if !matches!(read, Ok(1..)) {
                    return Ending::Close;
                }
            }
            Some(action) = unasked.recv() => {
                if let ControlFlow::Break(ending) = perform(stream, action).await {
                    return ending;
                }
            }
        }
    }
}

async fn perform(stream: &mut TcpStream, action: Action) -> ControlFlow<Ending> {
    match action {
        Action::Reply(bytes) | Action::Push(bytes) => match stream.write_all(&bytes).await {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(Ending::Close),
        },
        Action::Silence => ControlFlow::Continue(()),
        Action::Delay(delay) => {
            sleep(delay).await;
            ControlFlow::Continue(())
        }
        Action::Close => ControlFlow::Break(Ending::Close),
        Action::Reset => ControlFlow::Break(Ending::Reset),
    }
}
