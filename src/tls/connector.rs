//! The handshake: [`TlsSettings::connect`].

#[cfg(feature = "elasticsearch")]
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_rustls::TlsConnector;

use super::danger::AcceptAny;
use super::identity::Identity;
use super::material::Material;
use super::settings::TlsSettings;
use super::stream::TlsStream;
use super::verdict::cause_of_io;
use crate::exit::{Cause, CauseKind};

/// A rotation replaces two files one after the other: what does not fit is read again so often …
const READINGS: u32 = 3;
/// … after so long, before the link is parked for it.
const BETWEEN_READINGS: Duration = Duration::from_millis(100);

/// Settings as they are at this moment.
pub(crate) struct Prepared {
    pub(crate) config: ClientConfig,
    identity: Arc<Identity>,
}

#[cfg(feature = "elasticsearch")]
impl Prepared {
    /// By which no handshake succeeds.
    ///
    /// # Errors
    /// Never, with the provider that is built in.
    pub(crate) fn trusts_nobody() -> Result<ClientConfig, Cause> {
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Cause::new(CauseKind::Misconfigured, error.to_string()))?;
        let roots = rustls::RootCertStore::empty();
        Ok(builder.with_root_certificates(roots).with_no_client_auth())
    }

    /// What an error of a stream that was secured by it means for the link.
    pub(crate) fn cause_of(&self, error: &io::Error) -> Cause {
        cause_of_io(error, &self.identity)
    }
}

impl TlsSettings {
    /// Secures a connected stream to `host`, the name or IP address that was dialled. Reads files
    /// and the system's roots anew, on a thread for blocking work. Without a deadline of its own.
    ///
    /// # Errors
    /// `Certificate`, which parks a link: a certificate or key, the server's or the client's, was
    /// refused by either side, or cannot be read. `Misconfigured`: the host is no valid name.
    /// Everything else is transient.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn connect<S>(&self, stream: S, host: &str) -> Result<TlsStream<S>, Cause>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = self.name_for(host)?;
        let Prepared { config, identity } = self.prepared().await?;
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
        match connecting.await {
            Ok(stream) => Ok(TlsStream::new(stream, identity)),
            Err(error) => Err(cause_of_io(&error, &identity)),
        }
    }

    /// What a driver needs that shakes hands itself. Reads files and the system's roots anew.
    ///
    /// # Errors
    /// As [`TlsSettings::connect`], before the handshake.
    pub(crate) async fn prepared(&self) -> Result<Prepared, Cause> {
        let mut reading = 1;
        loop {
            let settings = self.clone();
            let read = spawn_blocking(move || prepare(&settings)).await;
            match read.map_err(|_| Cause::from(CauseKind::Unexplained))? {
                Err(_) if reading < READINGS => {
                    reading += 1;
                    sleep(BETWEEN_READINGS).await;
                }
                prepared => return prepared,
            }
        }
    }

    fn name_for(&self, host: &str) -> Result<ServerName<'static>, Cause> {
        let name = self.server_name.as_deref().unwrap_or(host);
        // The zone of an IPv6 address is this machine's own business.
        let name = match name.split_once('%') {
            Some((address, _)) if address.contains(':') => address,
            _ => name,
        };
        ServerName::try_from(name.to_owned()).map_err(|_| {
            Cause::new(
                CauseKind::Misconfigured,
                "the host is no name that a certificate could be for; set tls.server_name",
            )
        })
    }
}

fn prepare(settings: &TlsSettings) -> Result<Prepared, Cause> {
    let provider = Arc::new(default_provider());
    let material = Material::read(settings, &provider)?;
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Cause::new(CauseKind::Misconfigured, error.to_string()))?;
    let builder = if settings.danger_accept_any_certificate {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AcceptAny(algorithms)))
    } else {
        builder.with_root_certificates(material.roots)
    };
    let identity = Arc::new(Identity::new(material.identity));
    let mut config = builder.with_client_cert_resolver(Arc::clone(&identity) as Arc<_>);
    // It would pass over certificates that changed in the meantime; and this configuration, with
    // its memory of sessions, is of one connection only.
    config.resumption = Resumption::disabled();
    Ok(Prepared { config, identity })
}
