//! From a host and a port to a connected socket: [`dial_tcp`].

use tokio::net::TcpStream;

use crate::exit::{Cause, CauseKind};

/// Connects to a host, by name or address: the name is looked up anew each time, and each of its
/// addresses is tried in turn. It has no deadline of its own: that of the link bounds the attempt.
///
/// # Errors
/// The name is not known, or no address takes the connection: why the last one did not.
pub async fn dial_tcp(host: &str, port: u16) -> Result<TcpStream, Cause> {
    let addresses = tokio::net::lookup_host((host, port))
        .await
        .map_err(|error| Cause::new(CauseKind::Unresolved, error.to_string()))?;
    let mut last = Cause::new(CauseKind::Unresolved, "the name has no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Cause::from_io(&error),
        }
    }
    Err(last)
}
