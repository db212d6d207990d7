//! What lies between client and server: [`Transport`], and which of them this version has.

use super::address::{check_host, check_port};
use crate::endpoint::Endpoint;
use crate::redis::error::{Error, Result};

/// What lies between client and server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    Tls,
    Unix,
}

impl Transport {
    /// The one place that knows which transports this version has.
    ///
    /// # Errors
    /// For those it has not.
    pub(super) fn require(self) -> Result<()> {
        match self {
            Self::Tcp => Ok(()),
            Self::Tls if cfg!(feature = "tls") => Ok(()),
            Self::Tls => Err(Error::config(
                "TLS needs the feature `tls` of the crate everlink",
            )),
            Self::Unix => Err(Error::config(
                "unix sockets are not supported by this version",
            )),
        }
    }
}

/// Whether an endpoint can be dialled. The message never repeats it.
pub(super) fn check_endpoint(endpoint: &Endpoint) -> Result<()> {
    if endpoint.path().is_some() {
        return Transport::Unix.require();
    }
    let (Some(host), Some(port)) = (endpoint.host(), endpoint.port()) else {
        return Err(Error::config(
            "endpoints take host:port; a URL belongs into `url` or Config::from_url",
        ));
    };
    check_host(host)
        .and_then(|()| check_port(port))
        .map_err(|problem| Error::config(format!("endpoints: {problem}")))?;
    Transport::Tcp.require()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_this_version_cannot_dial_without_repeating_it() {
        for (endpoint, expected) in [
            (
                Endpoint::unix("/run/hunter2"),
                "unix sockets are not supported",
            ),
            (
                Endpoint::other("redis://h:1/hunter2"),
                "endpoints take host:port",
            ),
            (Endpoint::tcp("hunter2@h", 1), "endpoints: a host must be"),
            (Endpoint::tcp("", 1), "endpoints: a host must be"),
            (Endpoint::tcp("h", 0), "endpoints: a port must be"),
        ] {
            let error = check_endpoint(&endpoint).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        check_endpoint(&Endpoint::tcp("::1", 1)).expect("can be dialled");
    }
}
