//! What is trusted and what is shown: [`TlsSettings`].

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::pem::Pem;

/// How connections are secured by TLS 1.2 or 1.3, for every kind of link.
///
/// By default the server's certificate must be signed by one of the system's roots and be valid
/// for the host that is dialled, and the client shows none. Files, and the system's roots, are
/// read anew at each connect. `Debug` and `Serialize` mask certificates and keys that are given as
/// text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct TlsSettings {
    /// The certificates of the authorities that are trusted, in place of the system's. Default
    /// none: the system's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roots: Vec<Pem>,
    /// What the client shows when the server asks for a certificate (mTLS). Default nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientIdentity>,
    /// The name, or the IP address, that the certificate of every server must be valid for, and
    /// that is sent as SNI. Default none: the host that is dialled, for each node its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// **Danger:** accept whatever certificate a server shows, from whoever, for whatever name.
    /// Anybody on the way can read and change everything, passwords included. Default false.
    pub danger_accept_any_certificate: bool,
}

/// A client's certificate and its private key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ClientIdentity {
    /// The certificate, followed by those of intermediate authorities.
    pub certificate: Pem,
    /// The private key of the certificate: PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: Pem,
}

impl ClientIdentity {
    /// A certificate with its key.
    pub fn new(certificate: Pem, key: Pem) -> Self {
        Self { certificate, key }
    }
}

/// A setting of TLS that cannot work; says which and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TlsSettingsError(String);

impl TlsSettings {
    /// Adds one of [`roots`](Self::roots); default none: the system's.
    #[must_use]
    pub fn root(mut self, root: Pem) -> Self {
        self.roots.push(root);
        self
    }

    /// Sets [`client`](Self::client); default none.
    #[must_use]
    pub fn client(mut self, client: ClientIdentity) -> Self {
        self.client = Some(client);
        self
    }

    /// Sets [`server_name`](Self::server_name); default none: the host that is dialled. What is
    /// neither a host name nor an IP address is refused by `validate`.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Sets [`danger_accept_any_certificate`](Self::danger_accept_any_certificate); default false.
    #[must_use]
    pub fn danger_accept_any_certificate(mut self, accept: bool) -> Self {
        self.danger_accept_any_certificate = accept;
        self
    }

    /// Checks the values, with the feature `tls` also certificates and keys given as text. Files
    /// are not looked at: they may come and change while it runs.
    ///
    /// # Errors
    /// An empty path or text, a text that holds no certificate or key, a key that does not belong
    /// to its certificate, or a server name that is none.
    pub fn validate(&self) -> Result<(), TlsSettingsError> {
        let refuse = |problem: &str| Err(TlsSettingsError(problem.to_owned()));
        if self.roots.iter().any(Pem::is_empty) {
            return refuse("tls.roots must not have empty entries");
        }
        if let Some(client) = &self.client {
            if client.certificate.is_empty() {
                return refuse("tls.client.certificate must not be empty");
            }
            if client.key.is_empty() {
                return refuse("tls.client.key must not be empty");
            }
        }
        if self.server_name.as_ref().is_some_and(|it| !is_name(it)) {
            return refuse("tls.server_name must be a host name or an IP address");
        }
        #[cfg(feature = "tls")]
        super::material::check_texts(self)
            .map_err(|cause| TlsSettingsError(cause.detail().to_owned()))?;
        Ok(())
    }
}

/// Letters, digits, `-` and `_` in parts of 1 to 63, 253 in all (RFC 1035, 2.3.4); or an address.
fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(plain)
    };
    name.parse::<IpAddr>().is_ok() || (name.len() <= 253 && name.split('.').all(is_label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_refuses_unknown_fields() {
        let settings = TlsSettings::default()
            .root(Pem::file("/tls/ca.pem"))
            .client(ClientIdentity::new(
                Pem::file("/tls/client.pem"),
                Pem::file("/tls/client.key"),
            ))
            .server_name("cache.example")
            .danger_accept_any_certificate(true);
        let text = toml::to_string(&settings).expect("can be written");
        let read: TlsSettings = toml::from_str(&text).expect(&text);
        assert_eq!(read, settings);
        let empty: TlsSettings = toml::from_str("").expect("all has a default");
        assert_eq!(empty, TlsSettings::default());
        for text in [
            "surprise = 1",
            "client = { certificate = 'a' }",
            "client = { certificate = 'a', key = 'b', surprise = 1 }",
        ] {
            toml::from_str::<TlsSettings>(text).expect_err(text);
        }
    }

    #[test]
    fn no_key_is_shown() {
        let key = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n";
        let client = ClientIdentity::new(Pem::file("/tls/client.pem"), Pem::text(key));
        let settings = TlsSettings::default().client(client);
        let shown = format!(
            "{settings:?} {settings:#?} {}",
            serde_json::to_string(&settings).expect("can be written")
        );
        assert!(shown.contains("/tls/client.pem") && shown.contains("***"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn validation_names_the_setting_that_cannot_work() {
        let plain = TlsSettings::default;
        let identity = |certificate, key| {
            plain().client(ClientIdentity::new(Pem::file(certificate), Pem::file(key)))
        };
        for (settings, expected) in [
            (plain().root(Pem::text("")), "tls.roots"),
            (identity("", "k"), "tls.client.certificate"),
            (identity("c", ""), "tls.client.key"),
            (plain().server_name(""), "tls.server_name"),
            (plain().server_name("a b"), "tls.server_name"),
            (plain().server_name("h:6379"), "tls.server_name"),
        ] {
            let error = settings.validate().expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
        for name in ["cache_1.example", "localhost", "10.0.0.1", "::1"] {
            plain().server_name(name).validate().expect(name);
        }
    }
}
