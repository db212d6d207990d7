//! Certificates and keys as they are at this moment: [`Material`]. Reads files: not for an async
//! thread.

use std::borrow::Cow;
use std::fs;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::pem::Pem;
use super::settings::{ClientIdentity, TlsSettings};
use crate::exit::{Cause, CauseKind};

const ROOT: &str = "the root certificate (tls.roots)";
const CERTIFICATE: &str = "the client certificate (tls.client.certificate)";
const KEY: &str = "the client key (tls.client.key)";

/// What is trusted and what is shown, read and parsed.
#[derive(Debug)]
pub(super) struct Material {
    pub(super) roots: RootCertStore,
    pub(super) identity: Option<Arc<CertifiedKey>>,
}

impl Material {
    /// Reads it all anew.
    ///
    /// # Errors
    /// `Certificate`: something cannot be read or is not what it should be; which, and why.
    pub(super) fn read(settings: &TlsSettings, provider: &CryptoProvider) -> Result<Self, Cause> {
        let roots = if settings.danger_accept_any_certificate {
            RootCertStore::empty()
        } else if settings.roots.is_empty() {
            roots_of_the_system()?
        } else {
            given_roots(&settings.roots)?
        };
        let identity = match &settings.client {
            Some(client) => Some(Arc::new(identity(client, provider)?)),
            None => None,
        };
        Ok(Self { roots, identity })
    }
}

/// Whether what is given as text can be used; files are not looked at.
///
/// # Errors
/// What is wrong with which setting.
pub(super) fn check_texts(settings: &TlsSettings) -> Result<(), Cause> {
    let is_text = |pem: &&Pem| matches!(pem, Pem::Text(_));
    given_roots(settings.roots.iter().filter(is_text))?;
    let Some(client) = &settings.client else {
        return Ok(());
    };
    match (&client.certificate, &client.key) {
        (Pem::Text(_), Pem::Text(_)) => identity(client, &default_provider()).map(drop),
        (Pem::Text(_), Pem::File(_)) => certificates(&client.certificate, CERTIFICATE).map(drop),
        (Pem::File(_), Pem::Text(_)) => private_key(&client.key).map(drop),
        (Pem::File(_), Pem::File(_)) => Ok(()),
    }
}

fn refuse(detail: impl AsRef<str>) -> Cause {
    Cause::new(CauseKind::Certificate, detail)
}

fn roots_of_the_system() -> Result<RootCertStore, Cause> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A system may hold some that are too old to be understood.
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added > 0 {
        return Ok(roots);
    }
    let why = found.errors.first().map(|error| format!(": {error}"));
    Err(refuse(format!(
        "the system has no root certificates{}; install them or give tls.roots",
        why.unwrap_or_default()
    )))
}

fn given_roots<'a>(pems: impl IntoIterator<Item = &'a Pem>) -> Result<RootCertStore, Cause> {
    let mut roots = RootCertStore::empty();
    for pem in pems {
        for certificate in certificates(pem, ROOT)? {
            let added = roots.add(certificate);
            added.map_err(|error| refuse(format!("{ROOT} {pem} cannot be used: {error}")))?;
        }
    }
    Ok(roots)
}

fn identity(client: &ClientIdentity, provider: &CryptoProvider) -> Result<CertifiedKey, Cause> {
    let ClientIdentity { certificate, key } = client;
    let chain = certificates(certificate, CERTIFICATE)?;
    CertifiedKey::from_der(chain, private_key(key)?, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => refuse(format!(
            "{KEY} {key} does not belong to {CERTIFICATE} {certificate}"
        )),
        error => refuse(format!(
            "{CERTIFICATE} {certificate} or its key cannot be used: {error}"
        )),
    })
}

fn private_key(key: &Pem) -> Result<PrivateKeyDer<'static>, Cause> {
    // The parser's own words could repeat what it read.
    PrivateKeyDer::from_pem_slice(&read(key, KEY)?).map_err(|_| {
        refuse(format!(
            "{KEY} {key} holds no private key in PEM form that is not encrypted"
        ))
    })
}

/// At least one.
fn certificates(pem: &Pem, what: &str) -> Result<Vec<CertificateDer<'static>>, Cause> {
    let text = read(pem, what)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(refuse(format!(
            "{what} {pem} holds no certificate in PEM form"
        ))),
        Err(_) => Err(refuse(format!("{what} {pem} is damaged PEM"))),
    }
}

fn read<'a>(pem: &'a Pem, what: &str) -> Result<Cow<'a, [u8]>, Cause> {
    match pem {
        Pem::Text(text) => Ok(text.expose().as_bytes().into()),
        Pem::File(path) => match fs::read(path) {
            Ok(bytes) => Ok(bytes.into()),
            Err(error) => Err(refuse(format!("{what} {pem} cannot be read: {error}"))),
        },
    }
}
