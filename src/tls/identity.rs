//! The client's certificate, and whether the server asked for it: [`Identity`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

/// What this connection shows of itself.
#[derive(Debug)]
pub(super) struct Identity {
    shown: Option<Arc<CertifiedKey>>,
    asked: AtomicBool,
}

impl Identity {
    pub(super) fn new(shown: Option<Arc<CertifiedKey>>) -> Self {
        Self {
            shown,
            asked: AtomicBool::new(false),
        }
    }

    /// The server asked for a certificate, and there was none to show. Older servers then end the
    /// handshake without saying why.
    pub(super) fn is_missing(&self) -> bool {
        self.shown.is_none() && self.asked.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.shown.clone()
    }

    fn has_certs(&self) -> bool {
        self.shown.is_some()
    }
}
