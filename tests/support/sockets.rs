//! Sockets of the fake nodes and proxies: listening, and the two ways to end.

use std::net::{Ipv4Addr, TcpListener as StdListener};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::background;
use super::waiting::Result;

/// A listener on the background runtime.
///
/// # Errors
/// The port is in use.
pub fn listen(port: u16) -> Result<TcpListener> {
    let listener = StdListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    let _context = background::handle().enter();
    Ok(TcpListener::from_std(listener)?)
}

/// Makes the end of this stream a reset.
pub fn reset_at_end(stream: &TcpStream) {
    // It fails only on a socket that is closed already, which needs no reset.
    let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
}

/// Ends with FIN. What the client has sent is read first: Linux answers the close of a socket
/// with unread bytes by RST.
pub async fn close(stream: &mut TcpStream) {
    // An error means that the client has ended it before.
    let _ = stream.shutdown().await;
    let mut scrap = [0; 4096];
    while matches!(stream.try_read(&mut scrap), Ok(1..)) {}
}
