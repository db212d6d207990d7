//! TLS on real servers: certificates good and bad, of both sides, and every byte through it.
#![cfg(all(feature = "redis", feature = "tls"))]

mod application;
#[path = "tls/certificates.rs"]
mod certificates;
#[path = "tls/client_certificates.rs"]
mod client_certificates;
#[path = "tls/cluster.rs"]
mod cluster;
#[path = "tls/farewell.rs"]
mod farewell;
#[path = "tls/names.rs"]
mod names;
#[path = "tls/plain_text.rs"]
mod plain_text;
#[path = "tls/rotation.rs"]
mod rotation;
#[path = "tls/streams.rs"]
mod streams;
mod support;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use everlink::event::EventKind;
use everlink::exit::{CauseKind, Class};
use everlink::redis::config::Timeouts;
use everlink::redis::{Config, ErrorKind, Outcome, cmd};
use everlink::tls::{Pem, TlsSettings};
use tempfile::TempDir;

use crate::application::{Application, SOON, TestResult, standalone};
use crate::support::certificates::{Authority, Issued, Validity};
use crate::support::redis_server::{RedisServer, RedisServerOptions};

/// Where the servers of the tests are, as a certificate of theirs says.
pub(crate) const HERE: [&str; 2] = ["localhost", "127.0.0.1"];

/// An authority, and the folder in which servers and clients have their files.
pub(crate) struct Ground {
    pub(crate) authority: Authority,
    folder: TempDir,
}

impl Ground {
    /// With the certificate of the authority, `ca.pem`, and a good one for a server.
    pub(crate) fn new() -> Self {
        let ground = Self {
            authority: Authority::new("everlink tests").expect("an authority"),
            folder: tempfile::tempdir().expect("a folder"),
        };
        ground.trust("ca.pem", &ground.authority);
        ground.issue("server", &HERE, Validity::Now);
        ground
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Writes or replaces a file of what is trusted.
    pub(crate) fn trust(&self, file: &str, authority: &Authority) {
        fs::write(self.path(file), authority.certificate()).expect("the folder can be written");
    }

    /// Writes or replaces a certificate of the authority, and its key.
    pub(crate) fn issue(&self, file: &str, names: &[&str], validity: Validity) {
        let issued = self.authority.issue(names, validity).expect("issued");
        self.write(file, &issued);
    }

    pub(crate) fn write(&self, file: &str, issued: &Issued) {
        let written = issued.write(self.folder.path(), file);
        written.expect("the folder can be written");
    }

    /// The options of a server with TLS.
    pub(crate) fn options(&self) -> RedisServerOptions {
        RedisServerOptions::default()
            .volatile()
            .tls(self.folder.path())
    }

    pub(crate) async fn server(&self) -> RedisServer {
        let started = RedisServer::start(self.options()).await;
        started.expect("a server with TLS")
    }

    /// What trusts this authority alone.
    pub(crate) fn settings(&self) -> TlsSettings {
        TlsSettings::default().root(Pem::file(self.path("ca.pem")))
    }
}

/// The configuration for the TLS port of a server.
pub(crate) fn serving(server: &RedisServer, tls: TlsSettings) -> Config {
    // A reconnect waits so long for a link that does not come up.
    let timeouts = Timeouts::default()
        .command(SOON)
        .drain(Duration::from_millis(200));
    standalone(server.tls_port().expect("with TLS"))
        .timeouts(timeouts)
        .tls(tls)
}

/// The link must park at once, for a certificate, and say so in these words, to all who ask.
pub(crate) async fn parks(config: Config, expected: &[&str]) -> TestResult {
    let application = Application::open(config).await?;
    is_parked(&application, expected).await?;
    assert_eq!(application.count("connect_failed"), 1);
    Ok(())
}

/// The same of a client that runs.
pub(crate) async fn is_parked(application: &Application, expected: &[&str]) -> TestResult {
    let EventKind::GaveUp { cause, .. } = application.told("gave_up", 1).await else {
        panic!("{:#?}", application.lines());
    };
    assert_eq!(cause.kind(), CauseKind::Certificate, "{cause}");
    assert_eq!(cause.class(), Class::Permanent, "{cause}");
    let error = application.error(cmd("GET").arg("k")).await;
    assert!(matches!(error.kind(), ErrorKind::Parked(_)), "{error}");
    assert_eq!(error.outcome(), Outcome::NotSent);
    for words in expected {
        assert!(cause.detail().contains(words), "{cause}");
        assert!(error.to_string().contains(words), "{error}");
    }
    Ok(())
}

/// Commands come through.
pub(crate) async fn serves(config: Config) -> TestResult {
    let application = Application::ready(config).await?;
    let client = &application.client;
    client.query::<()>(cmd("SET").arg("k").arg("v")).await?;
    assert_eq!(client.query::<String>(cmd("GET").arg("k")).await?, "v");
    assert_eq!(application.count("connect_failed"), 0);
    Ok(())
}
