//! Sockets: how an [`Endpoint`] is dialled, and what a connection needs of what comes back.
//! Unix sockets join here.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
#[cfg(feature = "tls")]
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
#[cfg(feature = "tls")]
use tokio::time::{Instant, timeout_at};

use crate::endpoint::Endpoint;
use crate::exit::{Cause, CauseKind};
use crate::redis::config::{Config, Tcp};
#[cfg(feature = "tls")]
use crate::tls::TlsSettings;

/// Of the connect deadline, what dialling and the handshake of TLS may take together. A server
/// without TLS mostly says nothing to it; told from here, the reason can be named.
#[cfg(feature = "tls")]
const TLS_PATIENCE: f64 = 0.9;

/// A connected byte stream.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

type Dialling = Pin<Box<dyn Future<Output = Result<Box<dyn Stream>, Cause>>>>;

/// Dials endpoints. By the configuration, unless a test brings streams of its own.
#[derive(Clone)]
pub(crate) struct Dialer(Rc<dyn Fn(Endpoint) -> Dialling>);

impl Dialer {
    /// Dials over TCP, resolving names anew each time, and secures every stream where the
    /// configuration says TLS: there is no way from here to an endpoint in plain text then.
    pub(crate) fn of(config: &Config) -> Self {
        let tcp = config.tcp;
        #[cfg(feature = "tls")]
        let patience = config.timeouts.connect.mul_f64(TLS_PATIENCE);
        match &config.tls {
            #[cfg(feature = "tls")]
            Some(tls) => Self::tls(tcp, Rc::new(tls.clone()), patience),
            // `Config::validate` has refused it before.
            #[cfg(not(feature = "tls"))]
            Some(_) => Self::new(|_| Box::pin(async { Err(CauseKind::Misconfigured.into()) })),
            None => Self::new(move |endpoint| {
                Box::pin(async move {
                    let stream = dial_tcp(&endpoint, &tcp).await?;
                    Ok(Box::new(stream) as Box<dyn Stream>)
                })
            }),
        }
    }

    #[cfg(feature = "tls")]
    fn tls(tcp: Tcp, tls: Rc<TlsSettings>, patience: Duration) -> Self {
        Self::new(move |endpoint| {
            let tls = Rc::clone(&tls);
            Box::pin(async move {
                let deadline = Instant::now() + patience;
                let stream = dial_tcp(&endpoint, &tcp).await?;
                let host = endpoint.host().unwrap_or_default();
                let connecting = timeout_at(deadline, tls.connect(stream, host));
                let stream = connecting.await.map_err(|_| {
                    Cause::new(
                        CauseKind::ConnectTimeout,
                        "the server did not finish the handshake of TLS; is this its port for TLS?",
                    )
                })??;
                Ok(Box::new(stream) as Box<dyn Stream>)
            })
        })
    }

    pub(crate) fn new(dial: impl Fn(Endpoint) -> Dialling + 'static) -> Self {
        Self(Rc::new(dial))
    }

    pub(crate) async fn dial(&self, endpoint: &Endpoint) -> Result<Box<dyn Stream>, Cause> {
        (self.0)(endpoint.clone()).await
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").finish_non_exhaustive()
    }
}

async fn dial_tcp(endpoint: &Endpoint, settings: &Tcp) -> Result<TcpStream, Cause> {
    let (Some(host), Some(port)) = (endpoint.host(), endpoint.port()) else {
        return Err(Cause::new(
            CauseKind::Misconfigured,
            "only host:port can be dialled by this version",
        ));
    };
    let stream = crate::link::dial_tcp(host, port).await?;
    tune(&stream, settings).map_err(|error| Cause::from_io(&error))?;
    Ok(stream)
}

fn tune(stream: &TcpStream, settings: &Tcp) -> io::Result<()> {
    stream.set_nodelay(settings.nodelay)?;
    let socket = SockRef::from(stream);
    if let Some(keepalive) = &settings.keepalive {
        let keepalive = TcpKeepalive::new()
            .with_time(keepalive.idle)
            .with_interval(keepalive.interval)
            .with_retries(keepalive.count);
        socket.set_tcp_keepalive(&keepalive)?;
    }
    // Unacknowledged data ends the connection after this time instead of some 15 minutes.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(settings.user_timeout)?;
    Ok(())
}
