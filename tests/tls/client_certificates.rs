//! The client's certificate, where the server asks for one.

use everlink::redis::ErrorKind;
use everlink::tls::{ClientIdentity, Pem, TlsSettings};

use crate::application::{Application, TestResult};
use crate::support::certificates::{Authority, Validity};
use crate::support::redis_configuration::can_test_tls;
use crate::support::redis_server::RedisServer;
use crate::{Ground, parks, serves, serving};

/// A server of that version of TLS which asks for certificates.
async fn asking(ground: &Ground, version: &str) -> RedisServer {
    let options = ground
        .options()
        .config("tls-auth-clients yes")
        .config(&format!("tls-protocols {version}"));
    RedisServer::start(options).await.expect("a server")
}

fn showing(ground: &Ground, certificate: &str, key: &str) -> TlsSettings {
    let pem = |file: &str| Pem::file(ground.path(file));
    ground
        .settings()
        .client(ClientIdentity::new(pem(certificate), pem(key)))
}

#[actix::test]
async fn a_client_certificate_lets_in_and_a_missing_or_bad_one_parks_the_link() -> TestResult {
    if !can_test_tls() {
        return Ok(());
    }
    let ground = Ground::new();
    ground.issue("client", &["client.example"], Validity::Now);
    ground.issue("old", &["client.example"], Validity::Past);
    let foreign = Authority::new("foreign")?.issue(&["client.example"], Validity::Now)?;
    ground.write("foreign", &foreign);
    for version in ["TLSv1.3", "TLSv1.2"] {
        let server = asking(&ground, version).await;
        serves(serving(
            &server,
            showing(&ground, "client.pem", "client.key"),
        ))
        .await?;
        let missing = ["requires a client certificate", "tls.client"];
        parks(serving(&server, ground.settings()), &missing).await?;
        for (name, expected) in [
            ("old", "has expired"),
            ("foreign", "not signed by an authority"),
        ] {
            let shown = showing(&ground, &format!("{name}.pem"), &format!("{name}.key"));
            let expected = ["the server refused the client certificate", expected];
            parks(serving(&server, shown), &expected).await?;
        }
    }
    Ok(())
}

#[actix::test]
async fn a_key_that_does_not_fit_is_found_before_anything_is_dialled_or_parks_the_link()
-> TestResult {
    if !can_test_tls() {
        return Ok(());
    }
    let ground = Ground::new();
    ground.issue("client", &["client.example"], Validity::Now);
    let server = asking(&ground, "TLSv1.3").await;
    let unfit = showing(&ground, "client.pem", "server.key");
    let expected = ["tls.client.key", "server.key", "does not belong"];
    parks(serving(&server, unfit), &expected).await?;
    let text = |file: &str| Pem::text(std::fs::read_to_string(ground.path(file)).expect("read"));
    let identity = |certificate, key| {
        let client = ClientIdentity::new(text(certificate), text(key));
        serving(&server, ground.settings().client(client))
    };
    let good = identity("client.pem", "client.key");
    let shown = format!("{good:?} {good:#?} {}", serde_json::to_string(&good)?);
    assert!(shown.contains("***") && !shown.contains("BEGIN"), "{shown}");
    serves(good).await?;
    for (certificate, key, expected) in [
        ("client.pem", "server.key", "does not belong"),
        ("client.pem", "client.pem", "no private key"),
        ("client.key", "client.key", "no certificate"),
    ] {
        let opened = Application::open(identity(certificate, key)).await;
        let error = opened.err().expect("refused");
        assert!(matches!(error.kind(), ErrorKind::Config(_)), "{error}");
        let shown = format!("{error} {error:?}");
        assert!(
            shown.contains(expected) && !shown.contains("BEGIN"),
            "{shown}"
        );
    }
    Ok(())
}
