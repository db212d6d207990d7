//! TLS as the driver takes it: [`options`].

use std::path::PathBuf;

use mysql_async::{ClientIdentity, SslOpts};
use rustls::crypto::{CryptoProvider, ring};

use crate::exit::{Cause, CauseKind};
use crate::tls::{Pem, TlsSettings};

/// What the driver is told. Files are named, and read by it anew at each connect; the system's
/// roots are read here: not for an async thread.
///
/// # Errors
/// `Certificate`: there are no roots.
pub(super) fn options(tls: &TlsSettings) -> Result<SslOpts, Cause> {
    // The driver asks rustls for the one of the process; where the program has chosen none, ours.
    if CryptoProvider::get_default().is_none() {
        // An error means that somebody was faster.
        drop(ring::default_provider().install_default());
    }
    let mut options = SslOpts::default();
    if tls.danger_accept_any_certificate {
        options = options
            .with_danger_accept_invalid_certs(true)
            .with_danger_skip_domain_validation(true);
    } else {
        let mut roots = Vec::new();
        for root in &tls.roots {
            roots.push(match file_or_text(root) {
                Ok(path) => path.into(),
                Err(text) => text.into(),
            });
        }
        if roots.is_empty() {
            let found = rustls_native_certs::load_native_certs().certs;
            roots.extend(found.into_iter().map(|root| root.to_vec().into()));
        }
        if roots.is_empty() {
            let detail = "the system has no root certificates (give some in tls.roots)";
            return Err(Cause::new(CauseKind::Certificate, detail));
        }
        options = options
            .with_disable_built_in_roots(true)
            .with_root_certs(roots);
    }
    if let Some(client) = &tls.client {
        let certificate = match file_or_text(&client.certificate) {
            Ok(path) => path.into(),
            Err(text) => text.into(),
        };
        let key = match file_or_text(&client.key) {
            Ok(path) => path.into(),
            Err(text) => text.into(),
        };
        options = options.with_client_identity(Some(ClientIdentity::new(certificate, key)));
    }
    if let Some(name) = &tls.server_name {
        options = options.with_danger_tls_hostname_override(Some(name.clone()));
    }
    Ok(options)
}

/// The driver's own type for it has no name outside of it.
fn file_or_text(pem: &Pem) -> Result<PathBuf, Vec<u8>> {
    match pem {
        Pem::File(path) => Ok(path.clone()),
        Pem::Text(text) => Err(text.expose().as_bytes().to_vec()),
    }
}

/// What a failure of TLS means for the link.
pub(super) fn cause_of(error: &rustls::Error) -> Cause {
    use rustls::AlertDescription as Alert;
    use rustls::Error;
    let kind = match error {
        Error::InvalidCertificate(_)
        | Error::NoCertificatesPresented
        | Error::AlertReceived(
            Alert::CertificateRequired
            | Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnknownCA
            | Alert::CertificateExpired
            | Alert::CertificateRevoked
            | Alert::CertificateUnknown
            | Alert::UnsupportedCertificate,
        ) => CauseKind::Certificate,
        _ => CauseKind::Protocol,
    };
    Cause::new(kind, format!("TLS failed: {error}"))
}
