//! The server's certificate: whom it is from, for whom, and when.

use everlink::redis::Config;
use everlink::tls::{Pem, TlsSettings};

use crate::application::{SOON, TestResult};
use crate::support::certificates::{Authority, Validity};
use crate::support::redis_configuration::can_test_tls;
use crate::{Ground, HERE, parks, serves, serving};

#[actix::test]
async fn a_good_certificate_connects_by_address_by_name_and_by_url() -> TestResult {
    if !can_test_tls() {
        return Ok(());
    }
    let ground = Ground::new();
    let server = ground.server().await;
    let port = server.tls_port().expect("with TLS");
    serves(serving(&server, ground.settings())).await?;
    for scheme in ["rediss", "valkeys"] {
        let text = format!(
            "url = '{scheme}://localhost:{port}'\n[tls]\nroots = ['{}']",
            ground.path("ca.pem").display()
        );
        let config: Config = toml::from_str(&text)?;
        serves(config.command_timeout(SOON)).await?;
    }
    let roots = TlsSettings::default()
        .root(Pem::text(Authority::new("another")?.certificate()))
        .root(Pem::text(ground.authority.certificate()));
    serves(serving(&server, roots)).await
}

#[actix::test]
async fn a_bad_certificate_parks_the_link_and_says_what_is_wrong_with_it() -> TestResult {
    if !can_test_tls() {
        return Ok(());
    }
    let ground = Ground::new();
    for (names, validity, expected) in [
        (
            &HERE[..],
            Validity::Past,
            ["has expired", "not valid after"],
        ),
        (&HERE, Validity::Future, ["is not valid yet", "clock"]),
        (
            &["elsewhere.example"],
            Validity::Now,
            ["for another host", "elsewhere.example"],
        ),
    ] {
        ground.issue("server", names, validity);
        let server = ground.server().await;
        parks(serving(&server, ground.settings()), &expected).await?;
        // It is the verification that refuses it, and nothing else.
        let danger = ground.settings().danger_accept_any_certificate(true);
        serves(serving(&server, danger)).await?;
    }
    Ok(())
}

#[actix::test]
async fn a_certificate_of_a_foreign_authority_parks_the_link() -> TestResult {
    if !can_test_tls() {
        return Ok(());
    }
    let ground = Ground::new();
    let server = ground.server().await;
    // Also one of the same name, but with another key.
    for name in ["another", "everlink tests"] {
        let foreign = Pem::text(Authority::new(name)?.certificate());
        let settings = TlsSettings::default().root(foreign);
        let expected = ["is not signed by an authority", "tls.roots"];
        parks(serving(&server, settings), &expected).await?;
    }
    // The system knows nothing of an authority of this test.
    parks(serving(&server, TlsSettings::default()), &["tls.roots"]).await
}

#[actix::test]
async fn a_fixed_server_name_is_what_the_certificate_must_be_for() -> TestResult {
    if !can_test_tls() {
        return Ok(());
    }
    let ground = Ground::new();
    ground.issue("server", &["cache.example"], Validity::Now);
    let server = ground.server().await;
    let named = |name: &str| serving(&server, ground.settings().server_name(name));
    serves(named("cache.example")).await?;
    parks(named("other.example"), &["for another host"]).await
}

#[actix::test]
async fn roots_that_cannot_be_read_park_the_link_and_name_their_file() -> TestResult {
    if !can_test_tls() {
        return Ok(());
    }
    let ground = Ground::new();
    let server = ground.server().await;
    let missing = TlsSettings::default().root(Pem::file(ground.path("missing.pem")));
    let expected = ["tls.roots", "missing.pem", "cannot be read"];
    parks(serving(&server, missing), &expected).await?;
    let empty = TlsSettings::default().root(Pem::file(ground.path("server.key")));
    parks(serving(&server, empty), &["server.key", "no certificate"]).await
}
