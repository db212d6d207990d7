//! From a host and a port to a connected socket: [`dial_tcp`].

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::exit::{Cause, CauseKind};

/// The next address of a name is tried too when the one before has had so long: what RFC 8305
/// recommends (section 5).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// Connects to a host, by name or address. The name is looked up anew each time. Its addresses are
/// tried in the order of the answer, the next one as soon as one fails or has not answered for
/// 250 ms, and the first that takes the connection counts. It has no deadline of its own: that of
/// the link bounds the attempt.
///
/// # Errors
/// The name is not known, or no address takes the connection: why the last one did not.
pub async fn dial_tcp(host: &str, port: u16) -> Result<TcpStream, Cause> {
    let addresses = tokio::net::lookup_host((host, port))
        .await
        .map_err(|error| Cause::new(CauseKind::Unresolved, error.to_string()))?;
    dial_any(addresses).await
}

async fn dial_any(mut addresses: impl Iterator<Item = SocketAddr>) -> Result<TcpStream, Cause> {
    let mut last = Cause::new(CauseKind::Unresolved, "the name has no address");
    let mut dials = FuturesUnordered::new();
    loop {
        let dialled = if let Some(address) = addresses.next() {
            dials.push(TcpStream::connect(address));
            timeout(NEXT_ADDRESS_AFTER, dials.next())
                .await
                .unwrap_or_default()
        } else {
            match dials.next().await {
                Some(dialled) => Some(dialled),
                None => return Err(last),
            }
        };
        match dialled {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => last = Cause::from_io(&error),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    /// Long enough for a busy machine.
    const SOON: Duration = Duration::from_secs(20);

    fn local() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    async fn good() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind(local()).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        (listener, address)
    }

    /// One whose queue of connections is full: it answers nothing.
    async fn silent() -> (TcpListener, Vec<TcpStream>, SocketAddr) {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(local()).expect("a free port");
        let listener = socket.listen(1).expect("it is bound");
        let address = listener.local_addr().expect("it is bound");
        let mut queued = Vec::new();
        let full = Duration::from_millis(200);
        while let Ok(connected) = timeout(full, TcpStream::connect(address)).await {
            queued.push(connected.expect("there is room"));
        }
        (listener, queued, address)
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_holds_up_no_other() {
        let (_listener, _queued, silent) = silent().await;
        let (_good, good) = good().await;
        let dialled = timeout(SOON, dial_any([silent, good].into_iter()));
        let stream = dialled.await.expect("soon").expect("the other answers");
        assert_eq!(stream.peer_addr().expect("connected"), good);
    }

    #[tokio::test]
    async fn an_address_that_refuses_is_passed_over_and_the_last_refusal_told() {
        let (closed, gone) = good().await;
        drop(closed);
        let (_good, good) = good().await;
        let stream = dial_any([gone, good].into_iter()).await;
        let peer = stream.expect("the other answers").peer_addr();
        assert_eq!(peer.expect("connected"), good);
        let cause = dial_any([gone, gone].into_iter()).await.expect_err("none");
        assert_eq!(cause.kind(), CauseKind::Refused);
        let none = dial_any(std::iter::empty()).await.expect_err("none");
        assert_eq!(none.kind(), CauseKind::Unresolved);
    }
}
