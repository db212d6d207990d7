//! Certificates for tests: authorities, and what they issue.

use std::fs;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};

use super::waiting::{Failure, Result};

/// A certificate authority of a test's own.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM form.
#[derive(Debug, Clone)]
pub struct Issued {
    pub certificate: String,
    pub key: String,
}

/// When a certificate is valid.
#[derive(Debug, Clone, Copy)]
pub enum Validity {
    Now,
    Past,
    Future,
}

impl Authority {
    /// A new one; its key is like no other's.
    ///
    /// # Errors
    /// Never with a plain name.
    pub fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().map_err(failure)?;
        let issuer = CertifiedIssuer::self_signed(params, key);
        Ok(Self(issuer.map_err(failure)?))
    }

    /// Its own certificate.
    pub fn certificate(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names and addresses.
    ///
    /// # Errors
    /// A name that is none.
    pub fn issue(&self, names: &[&str], validity: Validity) -> Result<Issued> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).map_err(failure)?;
        let years = match validity {
            Validity::Now => (2020, 2999),
            Validity::Past => (2020, 2021),
            Validity::Future => (2998, 2999),
        };
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate().map_err(failure)?;
        let certificate = params.signed_by(&key, &self.0).map_err(failure)?;
        Ok(Issued {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

impl Issued {
    /// Writes or replaces `<name>.pem` and `<name>.key`.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, folder: &Path, name: &str) -> Result<()> {
        fs::write(folder.join(format!("{name}.pem")), &self.certificate)?;
        fs::write(folder.join(format!("{name}.key")), &self.key)?;
        Ok(())
    }
}

fn failure(error: rcgen::Error) -> Failure {
    Failure::new(format!("a certificate: {error}"))
}
