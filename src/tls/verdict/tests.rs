use std::sync::Arc;

use rustls::pki_types::{ServerName, UnixTime};
use rustls::{OtherError, PeerMisbehaved};

use super::*;
use crate::exit::Class;

fn told(error: impl Into<Error>, is_missing: bool) -> Cause {
    cause_of(&error.into(), is_missing)
}

#[test]
fn a_refused_certificate_of_the_server_parks_and_says_what_is_wrong() {
    let time = |secs| UnixTime::since_unix_epoch(std::time::Duration::from_secs(secs));
    let expired = CertificateError::ExpiredContext {
        time: time(20),
        not_after: time(10),
    };
    let early = CertificateError::NotValidYetContext {
        time: time(10),
        not_before: time(20),
    };
    let other_host = CertificateError::NotValidForNameContext {
        expected: ServerName::try_from("wanted.example").expect("a name"),
        presented: vec!["DnsName(\"other.example\")".into()],
    };
    for (error, expected) in [
        (CertificateError::Expired, "has expired"),
        (expired, "has expired"),
        (CertificateError::NotValidYet, "not valid yet"),
        (early, "not valid yet"),
        (CertificateError::UnknownIssuer, "tls.roots"),
        (CertificateError::BadSignature, "tls.roots"),
        (CertificateError::NotValidForName, "tls.server_name"),
        (other_host, "other.example"),
        (CertificateError::Revoked, "is revoked"),
        (CertificateError::BadEncoding, "cannot be used"),
        (
            CertificateError::Other(OtherError(Arc::new(io::Error::other("odd")))),
            "cannot be used",
        ),
    ] {
        let cause = told(error, false);
        assert_eq!(cause.kind(), CauseKind::Certificate);
        assert_eq!(cause.class(), Class::Permanent);
        assert!(cause.detail().contains(expected), "{cause}");
    }
}

#[test]
fn a_refused_certificate_of_the_client_parks_and_says_what_is_wrong() {
    for (alert, is_missing, expected) in [
        (
            AlertDescription::CertificateRequired,
            false,
            "set tls.client",
        ),
        (AlertDescription::HandshakeFailure, true, "set tls.client"),
        (AlertDescription::BadCertificate, true, "set tls.client"),
        (AlertDescription::BadCertificate, false, "damaged"),
        (AlertDescription::CertificateExpired, false, "has expired"),
        (AlertDescription::CertificateRevoked, false, "is revoked"),
        (AlertDescription::UnknownCA, false, "not signed by"),
        (AlertDescription::CertificateUnknown, false, "not valid"),
        (AlertDescription::AccessDenied, false, "may not connect"),
    ] {
        let cause = told(Error::AlertReceived(alert), is_missing);
        assert_eq!(cause.kind(), CauseKind::Certificate, "{alert:?}");
        assert!(cause.detail().contains(expected), "{cause}");
    }
}

#[test]
fn everything_else_may_pass_by_itself() {
    let plain = Error::InvalidMessage(InvalidMessage::InvalidContentType);
    for (error, expected) in [
        (plain, "without TLS"),
        (
            Error::AlertReceived(AlertDescription::HandshakeFailure),
            "the server ended TLS",
        ),
        (
            Error::AlertReceived(AlertDescription::InternalError),
            "the server ended TLS",
        ),
        (
            Error::PeerMisbehaved(PeerMisbehaved::TooMuchEarlyDataReceived),
            "TLS failed",
        ),
    ] {
        let cause = told(error, false);
        assert_eq!(cause.kind(), CauseKind::Protocol);
        assert_eq!(cause.class(), Class::Transient);
        assert!(cause.detail().contains(expected), "{cause}");
    }
    let identity = Identity::new(None);
    for (kind, expected) in [
        (io::ErrorKind::ConnectionReset, CauseKind::Reset),
        (io::ErrorKind::UnexpectedEof, CauseKind::Closed),
    ] {
        assert_eq!(cause_of_io(&kind.into(), &identity).kind(), expected);
    }
}
