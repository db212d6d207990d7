//! A scriptable Redis node on a real loopback socket: it answers what a test says, and records
//! what it was asked.
//!
//! The script is a function from one received command to [`Action`]s. [`super::answers`] has
//! scripts of well-behaved nodes, [`super::replies`] builds the bytes. Actions of one connection
//! are carried out in order; an empty list is silence.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::background::locked;
pub use super::dialogue::{Action, Handler, Received};
use super::listening::{Inbox, Listening, Seat};
use super::ports::Port;
use super::raw::take_command;
use super::sockets::{close, reset_at_end};
use super::waiting::Result;

/// A fake node. Dropping it closes everything.
pub struct FakeNode {
    listening: Listening<Action>,
    script: Arc<Script>,
}

struct Script {
    handler: Mutex<Arc<Handler>>,
    received: Mutex<Vec<Received>>,
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
            listening: Listening::on(port),
            script: Arc::new(Script {
                handler: Mutex::new(Arc::new(handler)),
                received: Mutex::default(),
            }),
        };
        node.start_again()?;
        Ok(node)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.listening.port()
    }

    /// Host and port to dial.
    pub fn endpoint(&self) -> (String, u16) {
        ("127.0.0.1".to_owned(), self.port())
    }

    /// Answers by another script from the next command on, on the open connections too.
    pub fn retarget(&self, handler: impl Fn(&Received) -> Vec<Action> + Send + Sync + 'static) {
        *locked(&self.script.handler) = Arc::new(handler);
    }

    /// Stops listening, so that dials are refused, and resets all connections. Returns when both
    /// are done; what was recorded stays.
    ///
    /// # Errors
    /// A connection does not end within [`SOON`](super::waiting::SOON).
    pub async fn stop(&self) -> Result<()> {
        self.listening.down().await;
        self.listening.end_all(Action::Reset).await
    }

    /// Listens on the same port again. Nothing happens while it listens already.
    ///
    /// # Errors
    /// The port is in use.
    pub fn start_again(&self) -> Result<()> {
        let script = Arc::clone(&self.script);
        self.listening
            .up(move |stream, inbox, seat| serve(stream, inbox, Arc::clone(&script), seat))
    }

    /// Closes all open connections and goes on listening.
    ///
    /// # Errors
    /// A connection does not end within [`SOON`](super::waiting::SOON).
    pub async fn close_all(&self) -> Result<()> {
        self.listening.end_all(Action::Close).await
    }

    /// Resets all open connections and goes on listening.
    ///
    /// # Errors
    /// A connection does not end within [`SOON`](super::waiting::SOON).
    pub async fn reset_all(&self) -> Result<()> {
        self.listening.end_all(Action::Reset).await
    }

    /// Sends bytes unasked on every open connection.
    pub fn push_all(&self, bytes: impl Into<Bytes>) {
        self.listening.order(Action::Push(bytes.into()));
    }

    /// Everything received so far, in order.
    pub fn received(&self) -> Vec<Received> {
        locked(&self.script.received).clone()
    }

    /// The commands of this name received so far.
    pub fn received_named(&self, name: &str) -> Vec<Received> {
        let mut received = self.received();
        received.retain(|command| command.name() == name);
        received
    }

    /// How many connections were ever accepted.
    pub fn connections(&self) -> usize {
        self.listening.accepted()
    }

    /// How many are open now.
    pub fn open_connections(&self) -> usize {
        self.listening.open()
    }

    /// Waits until `holds` of this node; looked at after each change, without polling.
    ///
    /// # Errors
    /// It does not hold within [`SOON`](super::waiting::SOON): with what was received so far.
    pub async fn wait_until(&self, what: &str, holds: impl Fn(&Self) -> bool) -> Result<()> {
        let seen = || {
            let lines: Vec<String> = self.received().iter().map(Received::line).collect();
            format!(", received {lines:?}")
        };
        self.listening.wait_until(what, seen, || holds(self)).await
    }
}

impl Script {
    fn record(
        &self,
        seat: &Seat<Action>,
        nth: usize,
        args: Vec<Bytes>,
    ) -> (Received, Arc<Handler>) {
        let received = Received {
            connection: seat.number,
            nth,
            args,
        };
        locked(&self.received).push(received.clone());
        seat.changed();
        (received, Arc::clone(&locked(&self.handler)))
    }
}

async fn serve(stream: TcpStream, inbox: Inbox<Action>, script: Arc<Script>, seat: Seat<Action>) {
    let mut stream = stream;
    let (outgoing, unasked) = mpsc::unbounded_channel();
    // An order to end comes through even while the script delays or a write is stuck.
    let ending = tokio::select! {
        ending = answer(&mut stream, unasked, &script, &seat) => ending,
        ending = orders(inbox, outgoing) => ending,
    };
    match ending {
        Ending::Reset => reset_at_end(&stream),
        Ending::Close => close(&mut stream).await,
    }
    drop(stream);
    drop(seat);
}

enum Ending {
    Close,
    Reset,
}

/// Passes on what is to be sent unasked; returns at the order to end.
async fn orders(mut inbox: Inbox<Action>, outgoing: mpsc::UnboundedSender<Action>) -> Ending {
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
    script: &Script,
    seat: &Seat<Action>,
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
            let (received, handler) = script.record(seat, nth, args);
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
