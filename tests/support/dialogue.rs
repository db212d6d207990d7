//! What a fake node hears, and what it does about it.

use std::time::Duration;

use bytes::Bytes;

/// One command as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The number of the connection, from 0 in the order in which they were accepted.
    pub connection: usize,
    /// The number of the command on its connection, from 0.
    pub nth: usize,
    /// Its name and arguments.
    pub args: Vec<Bytes>,
}

impl Received {
    /// The name, in upper case.
    pub fn name(&self) -> String {
        self.text(0).to_uppercase()
    }

    /// Name (0) or an argument, as text; empty where there is none.
    pub fn text(&self, index: usize) -> String {
        let arg = self.args.get(index).map(|arg| &arg[..]);
        String::from_utf8_lossy(arg.unwrap_or_default()).into_owned()
    }

    /// The whole command as words, for assertions.
    pub fn line(&self) -> String {
        let words: Vec<String> = (0..self.args.len()).map(|index| self.text(index)).collect();
        words.join(" ")
    }
}

/// What a node does next on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Sends a reply.
    Reply(Bytes),
    /// Sends bytes that belong to no command.
    Push(Bytes),
    /// Does nothing.
    Silence,
    /// Waits. Commands that arrive in the meantime wait, too, as with a busy server.
    Delay(Duration),
    /// Closes the connection (FIN).
    Close,
    /// Resets it (RST, by SO_LINGER 0).
    Reset,
}

impl Action {
    /// The common case: one reply.
    pub fn reply(bytes: impl Into<Bytes>) -> Vec<Self> {
        vec![Self::Reply(bytes.into())]
    }

    /// A reply, then the end of the connection.
    pub fn reply_then_close(bytes: impl Into<Bytes>) -> Vec<Self> {
        vec![Self::Reply(bytes.into()), Self::Close]
    }

    /// A reply after a while.
    pub fn delayed(delay: Duration, bytes: impl Into<Bytes>) -> Vec<Self> {
        vec![Self::Delay(delay), Self::Reply(bytes.into())]
    }
}

/// A script. It runs on the background runtime; a panic in it ends that connection.
pub type Handler = dyn Fn(&Received) -> Vec<Action> + Send + Sync;
