//! The handshake and the stream in memory, against a server of rustls.

use std::fs;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::sleep;
use tokio_rustls::{TlsAcceptor, server};

use super::*;
use crate::exit::{Cause, CauseKind};
use crate::tls::{ClientIdentity, Pem, TlsSettings};

/// A stream to the kernel of a test's own, which has room for so many bytes and then fails.
struct Narrow {
    stream: DuplexStream,
    room: Arc<AtomicUsize>,
}

impl AsyncRead for Narrow {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Narrow {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let room = self.room.load(Ordering::Relaxed);
        if room == 0 {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let bytes = &bytes[..bytes.len().min(room)];
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.room.fetch_sub(written, Ordering::Relaxed);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

fn issued() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["here.test".to_owned()]).expect("a certificate")
}

/// The server of this certificate, and settings that trust it.
fn both() -> (TlsAcceptor, TlsSettings) {
    let CertifiedKey { cert, signing_key } = issued();
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("they belong together");
    let settings = TlsSettings::default().root(Pem::text(cert.pem()));
    (Arc::new(config).into(), settings)
}

/// A client, whose stream has room for `buffer` bytes unread, and its server.
async fn connected(buffer: usize) -> (TlsStream<Narrow>, server::TlsStream<DuplexStream>) {
    let (acceptor, settings) = both();
    let (stream, peer) = duplex(buffer);
    let room = Arc::new(AtomicUsize::new(usize::MAX));
    let narrow = Narrow { stream, room };
    let (client, server) =
        tokio::join!(settings.connect(narrow, "here.test"), acceptor.accept(peer));
    (client.expect("connected"), server.expect("accepted"))
}

#[tokio::test]
async fn what_a_server_can_read_was_reported_as_written_wherever_the_stream_breaks() {
    let flood = vec![7; 300_000];
    for room in (0..200_000).step_by(6_007) {
        let (mut client, mut server) = connected(1 << 20).await;
        let narrow = &client.stream.get_ref().0.room;
        narrow.store(room, Ordering::Relaxed);
        let mut reported = 0;
        let error = loop {
            // In two pieces, of which the first is short.
            let (first, second) = flood[reported..].split_at(100.min(flood.len() - reported));
            let pieces = [first, second].map(IoSlice::new);
            let write = poll_fn(|cx| Pin::new(&mut client).poll_write_vectored(cx, &pieces));
            match write.await {
                Ok(taken) => reported += taken,
                Err(error) => break error,
            }
        };
        assert_eq!(Cause::from_io(&error).kind(), CauseKind::Reset);
        drop(client);
        let mut read = Vec::new();
        // It ends without a farewell.
        let end = server.read_to_end(&mut read).await.expect_err("cut");
        assert_eq!(Cause::from_io(&end).kind(), CauseKind::Closed);
        assert!(
            read.len() <= reported,
            "{room}: {} of {reported}",
            read.len()
        );
        // No more is in doubt than what TLS holds.
        assert!(reported - read.len() <= 64 * 1024, "{room}");
    }
}

#[tokio::test]
async fn pieces_that_are_written_at_once_leave_at_once() {
    let (mut client, mut server) = connected(1 << 20).await;
    let pieces = [&b"*1\r\n$4\r\n"[..], b"PING", b"\r\n"];
    let slices = pieces.map(IoSlice::new);
    let taken = poll_fn(|cx| Pin::new(&mut client).poll_write_vectored(cx, &slices)).await;
    assert_eq!(taken.expect("written"), 14);
    let mut read = [0; 100];
    let count = server.read(&mut read).await.expect("a record");
    assert_eq!(read[..count], pieces.concat());
}

#[tokio::test]
async fn a_flush_hands_over_everything_and_waits_for_room_until_then() {
    let (mut client, mut server) = connected(1000).await;
    let sent = vec![7; 100_000];
    let write = async {
        client.write_all(&sent).await.expect("written");
        client.flush().await.expect("flushed");
    };
    let mut read = vec![0; sent.len()];
    let (received, ()) = tokio::join!(server.read_exact(&mut read), write);
    received.expect("all of it");
    assert!(read == sent);
}

#[tokio::test]
async fn an_end_without_a_farewell_is_closed_and_one_with_it_is_the_end() {
    let (mut client, server) = connected(1 << 20).await;
    drop(server);
    let error = client.read_u8().await.expect_err("ended");
    assert_eq!(Cause::from_io(&error).kind(), CauseKind::Closed);
    let (mut client, mut server) = connected(1 << 20).await;
    server.shutdown().await.expect("a farewell");
    assert_eq!(client.read(&mut [0]).await.expect("the end"), 0);
}

#[tokio::test]
async fn what_is_no_tls_is_said_to_be_none() {
    let (_, settings) = both();
    let (stream, mut peer) = duplex(1024);
    peer.write_all(b"-ERR unknown command\r\n")
        .await
        .expect("room");
    let cause = settings.connect(stream, "here.test").await.expect_err("no");
    assert_eq!(cause.kind(), CauseKind::Protocol);
    assert!(cause.detail().contains("answered without TLS"), "{cause}");
    let (stream, _peer) = duplex(1024);
    let cause = settings.connect(stream, "no name").await.expect_err("no");
    assert_eq!(cause.kind(), CauseKind::Misconfigured);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_replaced_a_moment_after_its_certificate_is_waited_for() {
    let (acceptor, settings) = both();
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let (new, old) = (issued(), issued());
    fs::write(path("client.pem"), new.cert.pem()).expect("written");
    fs::write(path("client.key"), old.signing_key.serialize_pem()).expect("written");
    let client = ClientIdentity::new(Pem::file(path("client.pem")), Pem::file(path("client.key")));
    let settings = settings.client(client);
    let (stream, _peer) = duplex(1 << 20);
    let cause = settings
        .connect(stream, "here.test")
        .await
        .expect_err("unfit");
    assert_eq!(cause.kind(), CauseKind::Certificate);
    let (stream, peer) = duplex(1 << 20);
    let replace = async {
        // Between two readings of a pair that does not fit, which are 100 ms apart.
        sleep(Duration::from_millis(50)).await;
        fs::write(path("client.key"), new.signing_key.serialize_pem()).expect("written");
    };
    let (connected, accepted, ()) = tokio::join!(
        settings.connect(stream, "here.test"),
        acceptor.accept(peer),
        replace
    );
    connected.expect("connected");
    accepted.expect("accepted");
}
