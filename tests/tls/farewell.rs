//! How the client ends a connection, seen from the other end of TLS.

use std::io::ErrorKind;
use std::sync::Arc;

use everlink::redis::cmd;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::application::{Application, SOON, TestResult, standalone};
use crate::support::certificates::{Authority, Validity};
use crate::support::redis_server::{RedisServer, RedisServerOptions};
use everlink::tls::{Pem, TlsSettings};

/// The end of a connection as its server saw it.
#[derive(Debug, PartialEq)]
enum End {
    /// With TLS's own farewell, `close_notify`.
    Farewell,
    /// Without it: whoever was on the way may have cut something off.
    Cut,
}

/// TLS in front of a plain server; tells how each connection ended.
async fn terminate(authority: &Authority, target: u16) -> (u16, mpsc::UnboundedReceiver<End>) {
    let issued = authority
        .issue(&["127.0.0.1"], Validity::Now)
        .expect("issued");
    let certificate = CertificateDer::from_pem_slice(issued.certificate.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes());
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.expect("PEM")], key.expect("PEM"))
        .expect("a certificate with its key");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let (ends, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, ends) = (acceptor.clone(), ends.clone());
            tokio::spawn(async move {
                let stream = acceptor.accept(stream).await.expect("a handshake");
                let (mut from_client, mut to_client) = split(stream);
                let server = TcpStream::connect(("127.0.0.1", target)).await;
                let (mut from_server, mut to_server) = server.expect("a server").into_split();
                tokio::spawn(async move { copy(&mut from_server, &mut to_client).await });
                let mut buffer = [0; 4096];
                let end = loop {
                    match from_client.read(&mut buffer).await {
                        Ok(0) => break End::Farewell,
                        Ok(read) => to_server.write_all(&buffer[..read]).await.expect("taken"),
                        Err(error) => {
                            let kinds = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset];
                            assert!(kinds.contains(&error.kind()), "{error}");
                            break End::Cut;
                        }
                    }
                };
                let _ = ends.send(end);
            });
        }
    });
    (port, told)
}

#[actix::test]
async fn a_connection_that_is_closed_on_request_says_farewell_before_it_ends() -> TestResult {
    let server = RedisServer::start(RedisServerOptions::default().volatile()).await?;
    let authority = Authority::new("everlink tests")?;
    let (port, mut ends) = terminate(&authority, server.port()).await;
    let tls = TlsSettings::default().root(Pem::text(authority.certificate()));
    let application = Application::ready(standalone(port).tls(tls)).await?;
    application.run(cmd("SET").arg("k").arg("v")).await?;
    let mut end = async || timeout(SOON, ends.recv()).await.expect("an end in time");

    application.client.reconnect().await?;
    assert_eq!(end().await, Some(End::Farewell), "replaced by a new one");
    application.run(cmd("GET").arg("k")).await?;
    application.client.shutdown(SOON).await?;
    assert_eq!(end().await, Some(End::Farewell), "shut down");
    Ok(())
}
