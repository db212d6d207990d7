//! From the settings of a feed to a WebSocket, or to the reason why there is none.

use data_encoding::BASE64;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue, StatusCode, Uri};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, error::CapacityError};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::exit::{Cause, CauseKind};
use crate::link::dial_tcp;
use crate::websocket::settings::FeedSettings;

/// A connected byte stream.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

pub(crate) type Socket = WebSocketStream<Box<dyn Stream>>;

/// Room for pings, pongs and headers beside the message that is being written.
const BESIDE: usize = 64 * 1024;
/// What is read at once; allocated for each connection.
const READ_BUFFER: usize = 32 * 1024;

/// Dials and shakes hands; the connect deadline is the supervisor's.
pub(crate) async fn dial(settings: &FeedSettings) -> Result<Socket, Cause> {
    let request = request(settings)?;
    let stream = connect(settings).await?;
    let limits = settings.limits;
    // All but the pongs is flushed at once; unset, the write buffer would have no bound.
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(limits.write_buffer.saturating_add(BESIDE))
        .max_frame_size(Some(limits.frame))
        .max_message_size(Some(limits.message));
    let shaken = client_async_with_config(request, stream, Some(config)).await;
    let (socket, _) = shaken.map_err(|error| cause_of(&error))?;
    Ok(socket)
}

async fn connect(settings: &FeedSettings) -> Result<Box<dyn Stream>, Cause> {
    let (host, port) = (settings.url.host(), settings.url.port());
    let stream = dial_tcp(host, port).await?;
    stream.set_nodelay(true)?;
    if !settings.url.is_secure() {
        return Ok(Box::new(stream));
    }
    #[cfg(feature = "tls")]
    return Ok(Box::new(settings.tls.connect(stream, host).await?));
    #[cfg(not(feature = "tls"))]
    return Err(Cause::new(
        CauseKind::Misconfigured,
        "wss:// needs the feature tls",
    ));
}

fn request(settings: &FeedSettings) -> Result<Request, Cause> {
    // No detail: it might quote what is secret.
    let wrong = || {
        Cause::new(
            CauseKind::Misconfigured,
            "the URL or a header cannot be sent",
        )
    };
    let uri: Uri = settings
        .url
        .request_uri()
        .expose()
        .parse()
        .map_err(|_| wrong())?;
    let mut request = uri.into_client_request().map_err(|_| wrong())?;
    if let Some(credentials) = settings.url.credentials() {
        let basic = format!("Basic {}", BASE64.encode(credentials.expose().as_bytes()));
        let mut value = HeaderValue::from_str(&basic).map_err(|_| wrong())?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    for (name, value) in &settings.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        let mut value = HeaderValue::from_str(value.expose()).map_err(|_| wrong())?;
        value.set_sensitive(true);
        request.headers_mut().insert(name, value);
    }
    Ok(request)
}

/// What a failure of the handshake or of the stream means for the link.
pub(crate) fn cause_of(error: &Error) -> Cause {
    match error {
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(
            ProtocolError::ResetWithoutClosingHandshake | ProtocolError::HandshakeIncomplete,
        ) => Cause::new(CauseKind::Closed, "without a close frame"),
        Error::Io(error) => Cause::from_io(error),
        Error::Http(response) => refusal(response.status()),
        Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => Cause::new(
            CauseKind::Protocol,
            format!("{size} bytes in a frame or message, {max_size} are allowed"),
        ),
        Error::HttpFormat(_) | Error::Url(_) => {
            Cause::new(CauseKind::Misconfigured, "the request cannot be made")
        }
        Error::Tls(_)
        | Error::Capacity(_)
        | Error::Protocol(_)
        | Error::WriteBufferFull(_)
        | Error::Utf8(_)
        | Error::AttackAttempt => Cause::new(CauseKind::Protocol, error.to_string()),
    }
}

/// Not the server's words: a page that it answers with is no reason.
fn refusal(status: StatusCode) -> Cause {
    let kind = match status.as_u16() {
        401 | 403 | 407 => CauseKind::Denied,
        // Credentials go only to where the configuration says.
        300..=399 => CauseKind::Misconfigured,
        // A path that is not there may be one that is being deployed.
        _ => CauseKind::Unavailable,
    };
    Cause::new(
        kind,
        format!("the server answered the handshake with {status}"),
    )
}
