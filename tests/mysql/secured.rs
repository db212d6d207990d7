//! TLS to the server.

use everlink::exit::CauseKind;
use everlink::registry::NotReady;
use everlink::tls::{Pem, TlsSettings};
use tempfile::TempDir;

use crate::shop::{SOON, Shop, TestResult, server, settings};
use crate::support::certificates::{Authority, Validity};

#[actix::test]
async fn it_trusts_the_given_authority_and_parks_before_any_other() -> TestResult {
    let folder = TempDir::new()?;
    let authority = Authority::new("shop")?;
    let issued = authority.issue(&["127.0.0.1"], Validity::Now)?;
    issued.write(folder.path(), "server")?;
    let file = |name: &str| folder.path().join(name).display().to_string();
    let certificate = format!("--ssl-cert={}", file("server.pem"));
    let key = format!("--ssl-key={}", file("server.key"));
    let server = server!(&certificate, &key);

    let mut secured = settings(&server);
    secured.tls = Some(TlsSettings::default().root(Pem::text(authority.certificate())));
    let shop = Shop::ready(secured.clone()).await;
    let cipher: Option<(String, String)> = shop
        .pool
        .query("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
        .await?
        .first()?;
    assert!(!cipher.expect("a row").1.is_empty(), "it is plain text");

    let stranger = Authority::new("stranger")?;
    let mut other = secured.clone();
    other.tls = Some(TlsSettings::default().root(Pem::text(stranger.certificate())));
    let mut other_name = secured.clone();
    let tls = TlsSettings::default().root(Pem::text(authority.certificate()));
    other_name.tls = Some(tls.server_name("db.example"));
    let mut system = secured;
    system.tls = Some(TlsSettings::default());
    for settings in [other, other_name, system] {
        let shop = Shop::open(settings).await;
        let error = shop.pool.ready(SOON).await.expect_err("not trusted");
        let NotReady::Parked { cause, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(cause.kind(), CauseKind::Certificate, "{cause}");
    }
    Ok(())
}
