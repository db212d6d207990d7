//! TLS for connections of any kind: [`TlsSettings`], and with the feature `tls` the
//! `connect` that acts by them (rustls on ring).
//!
//! The settings are always there, so that a configuration can name them and be refused clearly
//! where the feature is missing.
//!
//! Certificates and keys that are given as files, and the system's roots, are read anew at each
//! connect: one that was rotated counts from the next connection on. For the same reason no
//! session is resumed.
//!
//! | module | what is there | pure |
//! | --- | --- | --- |
//! | `settings`, `pem` | what is trusted and shown | yes |
//! | `material` | certificates and keys, read and parsed | |
//! | `connector` | the handshake | |
//! | `identity` | the client's certificate, and whether the server asked for it | |
//! | `danger` | no verification at all | |
//! | `verdict` | what a failure of TLS means for the link | |
//! | `stream` | the secured stream, and when its bytes count as sent | |

#[cfg(feature = "tls")]
mod connector;
#[cfg(feature = "tls")]
mod danger;
#[cfg(feature = "tls")]
mod identity;
#[cfg(feature = "tls")]
mod material;
mod pem;
mod settings;
#[cfg(feature = "tls")]
mod stream;
#[cfg(feature = "tls")]
mod verdict;

#[cfg(all(feature = "tls", feature = "elasticsearch"))]
pub(crate) use connector::Prepared;
pub use pem::Pem;
pub use settings::{ClientIdentity, TlsSettings, TlsSettingsError};
#[cfg(feature = "tls")]
pub use stream::TlsStream;
