//! What a failure of TLS means for the link: refused certificates are permanent and said in clear
//! words, everything else may pass by itself.

use std::io;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

use super::identity::Identity;
use crate::exit::{Cause, CauseKind};

/// The cause behind an error of a TLS stream.
pub(super) fn cause_of_io(error: &io::Error, identity: &Identity) -> Cause {
    let inner = error.get_ref().and_then(|it| it.downcast_ref::<Error>());
    match inner {
        Some(error) => cause_of(error, identity.is_missing()),
        None => Cause::from_io(error),
    }
}

/// `is_missing`: the server asked for a client certificate, and there was none to show.
fn cause_of(error: &Error, is_missing: bool) -> Cause {
    let certificate = |detail: &str| Cause::new(CauseKind::Certificate, detail);
    match error {
        Error::InvalidCertificate(error) => certificate(&wrong(error)),
        Error::NoCertificatesPresented => certificate("the server showed no certificate"),
        Error::AlertReceived(alert) => match refusal(*alert, is_missing) {
            Some(detail) => certificate(detail),
            None => Cause::new(
                CauseKind::Protocol,
                format!("the server ended TLS: {error}"),
            ),
        },
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => Cause::new(
            CauseKind::Protocol,
            "the server answered without TLS; is this its port for TLS?",
        ),
        error => Cause::new(CauseKind::Protocol, format!("TLS failed: {error}")),
    }
}

/// What is wrong with the server's certificate, and what helps.
fn wrong(error: &CertificateError) -> String {
    let what = match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "has expired (renew it; or does this clock go wrong?)"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet (does one of the clocks go wrong?)"
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "is not signed by an authority that is trusted (give that of the server in tls.roots)"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "is for another host (dial that one, or set tls.server_name)"
        }
        CertificateError::Revoked => "is revoked",
        _ => "cannot be used",
    };
    format!("the server's certificate {what}: {error}")
}

/// Why the server refuses the client's certificate, if that is what the alert says.
fn refusal(alert: AlertDescription, is_missing: bool) -> Option<&'static str> {
    match alert {
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
            Some("the server requires a client certificate; set tls.client")
        }
        // What servers say where there is no word of its own for a missing one: TLS 1.2.
        AlertDescription::HandshakeFailure | AlertDescription::BadCertificate if is_missing => {
            Some("the server requires a client certificate; set tls.client")
        }
        AlertDescription::CertificateExpired => Some(
            "the server refused the client certificate (tls.client): it has expired, or is not \
             valid yet",
        ),
        AlertDescription::CertificateRevoked => {
            Some("the server refused the client certificate (tls.client): it is revoked")
        }
        AlertDescription::UnknownCA => Some(
            "the server refused the client certificate (tls.client): it is not signed by an \
             authority that the server trusts",
        ),
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown => Some(
            "the server refused the client certificate (tls.client): it is damaged, not valid, or \
             not of a kind that the server can use",
        ),
        AlertDescription::AccessDenied => Some(
            "the server refused the client certificate (tls.client): whoever it is for may not \
             connect",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
