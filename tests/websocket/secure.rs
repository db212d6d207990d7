//! The same over TLS.

use std::net::Ipv4Addr;
use std::sync::Arc;

use everlink::exit::CauseKind;
use everlink::tls::{Pem, TlsSettings};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::rig::{Rig, quick};
use crate::server::{Order, Server};
use crate::support::background;
use crate::support::sockets::listen;

/// Takes TLS off, in front of a server; gives its port and what is to be trusted.
fn front(server: &Server) -> (u16, Pem) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let trusted = Pem::text(made.cert.pem());
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("they belong together");
    let listener = listen(0).expect("a port");
    let port = listener.local_addr().expect("bound").port();
    background::handle().spawn(carry(
        listener,
        TlsAcceptor::from(Arc::new(config)),
        server.port(),
    ));
    (port, trusted)
}

async fn carry(listener: TcpListener, acceptor: TlsAcceptor, target: u16) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await?;
            let mut client = acceptor.accept(stream).await?;
            tokio::io::copy_bidirectional(&mut client, &mut server).await
        });
    }
}

#[actix::test]
async fn a_feed_over_tls_heals_like_any_other() {
    let server = Server::start();
    let (port, trusted) = front(&server);
    let mut settings = quick(&format!("wss://localhost:{port}/feed"));
    settings.tls = TlsSettings::default().root(trusted);
    let mut rig = Rig::open(settings).await;
    rig.feed.subscribe("a");
    rig.told("connected").await;
    server.order(Order::Drop);
    rig.told("reconnected").await;
    rig.gap().await;
    server.say("secured");
    assert_eq!(rig.text().await, "secured");
    assert!(server.look(|it| it.only() == Some(vec!["a"])));
}

#[actix::test]
async fn a_certificate_that_is_not_trusted_parks_the_feed() {
    let server = Server::start();
    let (port, _) = front(&server);
    let mut rig = Rig::open(quick(&format!("wss://localhost:{port}/feed"))).await;
    assert_eq!(rig.failed().await.0, CauseKind::Certificate);
    rig.told("gave_up").await;
    assert_eq!(server.look(|it| it.topics.len()), 0);
}
