//! One life's HTTP client for one node: [`Wire`], and what a failure of it proves: [`Fault`].

use std::convert::Infallible;
use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use data_encoding::BASE64;
use http_body::{Frame, SizeHint};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::elasticsearch::error::{ErrorKind, Outcome};
use crate::elasticsearch::request::{Method, Request};
use crate::elasticsearch::response::Response;
use crate::elasticsearch::settings::ElasticSettings;
use crate::elasticsearch::url::NodeUrl;
use crate::endpoint::Endpoint;
use crate::exit::{Cause, CauseKind};
#[cfg(feature = "tls")]
use crate::tls::Prepared;

/// As everywhere (`docs/architecture.md`): keepalive, and how long written bytes may be unanswered.
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;
const USER_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that was idle for so long is closed.
const IDLE: Duration = Duration::from_secs(60);
/// A node that asks for more is looked at all the same after this.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// Whether anything was written on behalf of a request that leaves its outcome open. The caller
/// reads it if the request is dropped unanswered.
#[derive(Debug, Clone, Default)]
pub(super) struct Written(Arc<AtomicBool>);

impl Written {
    pub(super) fn set(&self, written: bool) {
        self.0.store(written, Ordering::Release);
    }

    pub(super) fn outcome(&self) -> Outcome {
        match self.0.load(Ordering::Acquire) {
            true => Outcome::Unknown,
            false => Outcome::NotSent,
        }
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) kind: ErrorKind,
    pub(super) outcome: Outcome,
}

impl Fault {
    fn not_sent(cause: Cause) -> Self {
        Self {
            kind: ErrorKind::Lost(cause),
            outcome: Outcome::NotSent,
        }
    }

    /// What the loss means for the link, if it is one.
    pub(super) fn cause(&self) -> Option<&Cause> {
        match &self.kind {
            ErrorKind::Lost(cause) => Some(cause),
            _ => None,
        }
    }
}

/// All connections to one node, of one life of its link.
pub(super) struct Wire {
    client: reqwest::Client,
    base: String,
    endpoint: Endpoint,
    authorization: Option<HeaderValue>,
    limit: usize,
    #[cfg(feature = "tls")]
    prepared: Option<Prepared>,
}

impl Wire {
    /// Reads what TLS needs anew; it connects to nothing yet.
    ///
    /// # Errors
    /// A setting that cannot work.
    pub(super) async fn open(settings: &ElasticSettings, url: &NodeUrl) -> Result<Self, Cause> {
        let host = url.endpoint().host().unwrap_or_default().to_owned();
        let resolver = Resolver { host };
        let builder = reqwest::Client::builder()
            // Credentials go only to where the configuration says.
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            // Repetitions are decided by what is known of the outcome.
            .retry(reqwest::retry::never())
            .http1_only()
            .dns_resolver(resolver)
            .connect_timeout(settings.timeouts.connect)
            .pool_max_idle_per_host(settings.limits.in_flight)
            .pool_idle_timeout(IDLE)
            .tcp_nodelay(true)
            .tcp_keepalive(KEEPALIVE)
            .tcp_keepalive_interval(KEEPALIVE_INTERVAL)
            .tcp_keepalive_retries(KEEPALIVE_RETRIES)
            .user_agent(concat!("everlink/", env!("CARGO_PKG_VERSION")));
        #[cfg(target_os = "linux")]
        let builder = builder.tcp_user_timeout(USER_TIMEOUT);
        #[cfg(feature = "tls")]
        let prepared = match url.is_secure() {
            true => Some(settings.tls.prepared().await?),
            false => None,
        };
        // The driver wants one for plain text, too, or panics.
        #[cfg(feature = "tls")]
        let builder = builder.tls_backend_preconfigured(match &prepared {
            Some(prepared) => prepared.config.clone(),
            None => Prepared::trusts_nobody()?,
        });
        let wrong = |_| Cause::new(CauseKind::Misconfigured, "no HTTP client can be made");
        let name = settings.tls.server_name.as_deref();
        Ok(Self {
            client: builder.build().map_err(wrong)?,
            base: url.base(name.filter(|_| url.is_secure())),
            endpoint: url.endpoint().clone(),
            authorization: authorization(settings)?,
            limit: settings.limits.answer,
            #[cfg(feature = "tls")]
            prepared,
        })
    }

    /// Sends a request and reads its answer. Without a deadline of its own.
    pub(super) async fn carry(
        &self,
        request: &Request,
        written: &Written,
    ) -> Result<Response, Fault> {
        let prepared = self.prepare(request, written)?;
        // With several threads the driver may ask for the body while this looks whether it did.
        if Handle::current().runtime_flavor() != RuntimeFlavor::CurrentThread {
            written.set(true);
        }
        let answered = match self.client.execute(prepared).await {
            Ok(answered) => answered,
            Err(error) => {
                let fault = self.fault(&error, written);
                written.set(fault.outcome != Outcome::NotSent);
                return Err(fault);
            }
        };
        let status = answered.status().as_u16();
        let retry_after = answered
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(|seconds| Duration::from_secs(seconds).min(LONGEST_REST));
        written.set(true);
        let body = self.read(answered, written).await?;
        Ok(Response {
            status,
            body,
            retry_after,
            node: self.endpoint.clone(),
            target: request.target().clone(),
        })
    }

    fn prepare(&self, request: &Request, written: &Written) -> Result<reqwest::Request, Fault> {
        let wrong = |what: &str| Fault {
            kind: ErrorKind::Request(what.into()),
            outcome: Outcome::NotSent,
        };
        let method = match request.method() {
            Method::Get => reqwest::Method::GET,
            Method::Head => reqwest::Method::HEAD,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Delete => reqwest::Method::DELETE,
        };
        let url = format!("{}{}", self.base, request.path());
        let url: reqwest::Url = url.parse().map_err(|_| wrong("the path is none"))?;
        let mut prepared = reqwest::Request::new(method, url);
        let headers = prepared.headers_mut();
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        if !request.content().is_empty() {
            let kind = HeaderValue::from_static(request.content_type());
            headers.insert(CONTENT_TYPE, kind);
        }
        let reads = matches!(request.method(), Method::Get | Method::Head);
        let body = Body {
            // Of a read without a body no length is said.
            bytes: Some(request.content().clone()).filter(|it| !reads || !it.is_empty()),
            written: written.clone(),
        };
        *prepared.body_mut() = Some(reqwest::Body::wrap(body));
        Ok(prepared)
    }

    async fn read(
        &self,
        mut answered: reqwest::Response,
        written: &Written,
    ) -> Result<Bytes, Fault> {
        let too_large = || Fault {
            kind: ErrorKind::TooLarge(self.limit),
            outcome: Outcome::Answered,
        };
        // Nothing is reserved for what is only announced.
        if answered
            .content_length()
            .is_some_and(|it| it > self.limit as u64)
        {
            return Err(too_large());
        }
        let mut body = BytesMut::new();
        loop {
            match answered.chunk().await {
                Ok(None) => return Ok(body.freeze()),
                Ok(Some(chunk)) if body.len() + chunk.len() > self.limit => {
                    return Err(too_large());
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Err(error) => return Err(self.fault(&error, written)),
            }
        }
    }

    /// Only what is proven: that the driver never connected, that it gave the request back, or that
    /// it never asked for the body.
    fn fault(&self, error: &reqwest::Error, written: &Written) -> Fault {
        let given_back = chain(error)
            .filter_map(|it| it.downcast_ref::<hyper::Error>())
            .any(hyper::Error::is_canceled);
        let cause = self.cause(error);
        let unasked = written.outcome() == Outcome::NotSent;
        match error.is_connect() || error.is_builder() || given_back || unasked {
            true => Fault::not_sent(cause),
            false => Fault {
                kind: ErrorKind::Lost(cause),
                outcome: Outcome::Unknown,
            },
        }
    }

    /// The driver's own texts show URLs: they are not used.
    fn cause(&self, error: &reqwest::Error) -> Cause {
        if error.is_builder() {
            return Cause::new(CauseKind::Misconfigured, "the request cannot be made");
        }
        // The innermost says the most.
        let connecting = error.is_connect();
        let found = chain(error)
            .filter_map(|error| self.known(error, connecting))
            .last();
        match found {
            Some(cause) => cause,
            None if error.is_timeout() && error.is_connect() => CauseKind::ConnectTimeout.into(),
            None if error.is_timeout() => CauseKind::Stalled.into(),
            None if error.is_connect() => CauseKind::Unreachable.into(),
            None => Cause::new(CauseKind::Protocol, "the server broke the protocol"),
        }
    }

    fn known(&self, error: &(dyn StdError + 'static), connecting: bool) -> Option<Cause> {
        if let Some(cause) = error.downcast_ref::<Cause>() {
            return Some(cause.clone());
        }
        if let Some(mut error) = error.downcast_ref::<io::Error>() {
            // One in another does not stand in the chain.
            while let Some(inner) = error.get_ref().and_then(|it| it.downcast_ref()) {
                error = inner;
            }
            if connecting && error.kind() == io::ErrorKind::TimedOut {
                return Some(CauseKind::ConnectTimeout.into());
            }
            #[cfg(feature = "tls")]
            if let Some(prepared) = &self.prepared {
                return Some(prepared.cause_of(error));
            }
            return Some(Cause::from_io(error));
        }
        let error = error.downcast_ref::<hyper::Error>()?;
        if error.is_parse() || error.is_parse_status() {
            return Some(Cause::new(
                CauseKind::Protocol,
                "what came is no HTTP answer",
            ));
        }
        let closed = error.is_incomplete_message() || error.is_canceled() || error.is_closed();
        closed.then(|| CauseKind::Closed.into())
    }
}

/// An error and all that lie behind it.
fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

fn authorization(settings: &ElasticSettings) -> Result<Option<HeaderValue>, Cause> {
    let text = match (&settings.api_key, &settings.username, &settings.password) {
        (Some(key), _, _) if key.expose().contains(':') => {
            format!("ApiKey {}", BASE64.encode(key.expose().as_bytes()))
        }
        (Some(key), _, _) => format!("ApiKey {}", key.expose()),
        (None, Some(user), Some(password)) => {
            let login = format!("{user}:{}", password.expose());
            format!("Basic {}", BASE64.encode(login.as_bytes()))
        }
        _ => return Ok(None),
    };
    let wrong = |_| Cause::new(CauseKind::Misconfigured, "the credentials cannot be sent");
    let mut value = HeaderValue::from_str(&text).map_err(wrong)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// The body of a request, empty or not: by it is known whether anything was written. The driver
/// asks whether there is one when it has a connection, before it writes the head; and for its
/// bytes before it writes them.
struct Body {
    bytes: Option<Bytes>,
    written: Written,
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.written.set(true);
        let bytes = self.bytes.take().filter(|bytes| !bytes.is_empty());
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.written.set(true);
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, Bytes::len) as u64)
    }
}

/// Resolves the host of the node, whatever name stands in the URL in its place.
struct Resolver {
    host: String,
}

impl Resolve for Resolver {
    fn resolve(&self, _: Name) -> Resolving {
        let host = self.host.clone();
        Box::pin(async move {
            let unresolved = |detail: String| Cause::new(CauseKind::Unresolved, detail);
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0))
                .await
                .map_err(|error| unresolved(error.to_string()))?
                .collect();
            if found.is_empty() {
                return Err(unresolved("the name has no address".to_owned()).into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
