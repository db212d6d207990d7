//! The same over TLS.

use std::net::Ipv4Addr;
use std::sync::Arc;

use everlink::elasticsearch::{ElasticSettings, ErrorKind, Outcome, Request};
use everlink::event::EventKind;
use everlink::exit::CauseKind;
use everlink::tls::{Pem, TlsSettings};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::library::{Library, TestResult};
use crate::scripted::{Reply, Scripted};
use crate::support::background;
use crate::support::certificates::{Authority, Validity};
use crate::support::sockets::listen;

/// Takes TLS off, in front of a node; gives its port and what is to be trusted.
fn front(node: &Scripted, name: &str, validity: Validity) -> (u16, Pem) {
    let authority = Authority::new("test").expect("an authority");
    let issued = authority.issue(&[name], validity).expect("a certificate");
    let certificate = CertificateDer::from_pem_slice(issued.certificate.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.expect("one")], key)
        .expect("they belong together");
    let listener = listen(0).expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    background::handle().spawn(carry(listener, acceptor, node.port()));
    (port, Pem::text(authority.certificate()))
}

async fn carry(listener: TcpListener, acceptor: TlsAcceptor, target: u16) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let mut client = acceptor.accept(stream).await?;
            let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await?;
            tokio::io::copy_bidirectional(&mut client, &mut server).await
        });
    }
}

fn settings(port: u16, tls: TlsSettings) -> ElasticSettings {
    let url = format!("https://127.0.0.1:{port}");
    let mut settings = ElasticSettings::from_urls([url]).expect("valid");
    settings.tls = tls;
    settings
}

#[actix::test]
async fn a_node_whose_certificate_is_trusted_answers() -> TestResult {
    let node = Scripted::start(|_| Reply::ok())?;
    let (port, root) = front(&node, "127.0.0.1", Validity::Now);
    let library = Library::ready(settings(port, TlsSettings::default().root(root))).await;
    library
        .client
        .send(Request::get("/a"))
        .await?
        .into_result()?;
    // Plain text is not spoken there.
    let plain = ElasticSettings::from_urls([format!("http://127.0.0.1:{port}")])?;
    let library = Library::open(plain).await;
    library.told("connect_failed", 1).await;
    Ok(())
}

#[actix::test]
async fn a_server_name_in_place_of_the_host_is_checked_and_sent() -> TestResult {
    let node = Scripted::start(|_| Reply::ok())?;
    let (port, root) = front(&node, "search.example", Validity::Now);
    let tls = TlsSettings::default()
        .root(root)
        .server_name("search.example");
    let library = Library::ready(settings(port, tls)).await;
    library
        .client
        .send(Request::get("/a"))
        .await?
        .into_result()?;
    let head = node.asked()[0].head.to_lowercase();
    assert!(head.contains("host: search.example"), "{head}");
    Ok(())
}

#[actix::test]
async fn a_certificate_that_is_refused_parks_the_link_and_says_why() -> TestResult {
    let node = Scripted::start(|_| Reply::ok())?;
    let (trusted, root) = front(&node, "127.0.0.1", Validity::Now);
    let (other, other_root) = front(&node, "other.example", Validity::Now);
    let (expired, expired_root) = front(&node, "127.0.0.1", Validity::Past);
    let with = |root: &Pem| TlsSettings::default().root(root.clone());
    for (port, tls, why) in [
        (trusted, with(&other_root), "not signed by an authority"),
        (other, with(&other_root), "is for another host"),
        (expired, with(&expired_root), "has expired"),
    ] {
        let library = Library::open(settings(port, tls)).await;
        let EventKind::GaveUp { cause, .. } = library.told("gave_up", 1).await else {
            panic!("another kind");
        };
        assert_eq!(cause.kind(), CauseKind::Certificate, "{cause}");
        assert!(cause.detail().contains(why), "{cause}");
        let error = library.client.send(Request::get("/")).await.expect_err(why);
        assert!(matches!(error.kind(), ErrorKind::Parked(_)), "{error}");
        assert_eq!(error.outcome(), Outcome::NotSent);
    }
    drop(root);
    assert!(node.asked().is_empty() && node.checks().is_empty());
    Ok(())
}
