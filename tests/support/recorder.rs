//! A loopback port that forwards to another, or swallows, and keeps every byte that clients sent.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::background::{self, locked};
use super::ports::Port;
use super::sockets::listen;
use super::waiting::Result;

/// A running recorder. Dropping it accepts no more.
#[derive(Debug)]
pub struct Recorder {
    port: Port,
    seen: Arc<Mutex<Vec<u8>>>,
    accepting: JoinHandle<()>,
}

impl Recorder {
    /// Forwards to the port `target` of 127.0.0.1; without one it answers nothing.
    ///
    /// # Errors
    /// No free port.
    pub fn start(target: Option<u16>) -> Result<Self> {
        let port = Port::reserve()?;
        let seen = Arc::default();
        let listener = listen(port.number())?;
        let accepting = accept(listener, target, Arc::clone(&seen));
        Ok(Self {
            port,
            seen,
            accepting: background::handle().spawn(accepting),
        })
    }

    /// The port to dial.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Every byte that came from clients so far.
    pub fn seen(&self) -> Vec<u8> {
        locked(&self.seen).clone()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, target: Option<u16>, seen: Arc<Mutex<Vec<u8>>>) {
    // A dial that is gone before it is accepted ends the recording, and the test that needs it.
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(record(client, target, Arc::clone(&seen)));
    }
}

/// Ends when either side does.
async fn record(client: TcpStream, target: Option<u16>, seen: Arc<Mutex<Vec<u8>>>) {
    let (mut from_client, mut to_client) = client.into_split();
    let mut server = None;
    if let Some(port) = target {
        let Ok(stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else {
            return;
        };
        let (mut from_server, to_server) = stream.into_split();
        server = Some(to_server);
        tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    }
    let mut chunk = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from_client.read(&mut chunk).await {
        locked(&seen).extend_from_slice(&chunk[..read]);
        if let Some(server) = &mut server
            && server.write_all(&chunk[..read]).await.is_err()
        {
            return;
        }
    }
}
