//! A node that answers what a test says, over HTTP on a real socket.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use everlink::elasticsearch::ElasticSettings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::support::background::locked;
use crate::support::listening::{Inbox, Listening, Seat};
use crate::support::ports::Port;
use crate::support::sockets::{close, reset_at_end};
use crate::support::waiting::Result;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) head: String,
    pub(crate) body: String,
    /// Of this node, from 0.
    pub(crate) connection: usize,
}

impl Asked {
    pub(crate) fn is_check(&self) -> bool {
        self.path.starts_with("/_cluster/health")
    }
}

/// What the node does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Status, further header lines, and body.
    Answer(u16, &'static str, String),
    /// An answer, after a while.
    Slowly(Duration),
    /// That, once it is told so.
    When(Arc<Notify>, Box<Reply>),
    /// An answer; then the connection is closed, unannounced. [`Scripted::closed`] counts it once
    /// the client has closed its end too.
    AndClose,
    /// These bytes, and the connection stays open.
    Raw(&'static str),
    /// Nothing, and the connection stays open.
    Hang,
    /// The node's half of the connection is closed; it goes on to read.
    HalfClose,
    /// The connection is closed.
    Close,
    /// The connection is reset.
    Reset,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self::Answer(status, "", "{}".to_owned())
    }

    pub(crate) fn ok() -> Self {
        Self::status(200)
    }

    pub(crate) fn body(body: impl Into<String>) -> Self {
        Self::Answer(200, "", body.into())
    }

    /// What a node answers that is well.
    pub(crate) fn healthy() -> Self {
        Self::body(r#"{"status":"green"}"#)
    }
}

type Script = dyn Fn(&Asked) -> Reply + Send + Sync;

struct State {
    script: Mutex<Arc<Script>>,
    asked: Mutex<Vec<Asked>>,
    closed: AtomicUsize,
}

/// All that a connection is ever told.
#[derive(Clone)]
struct Reset;

/// A running node. Dropping it closes its port and all its connections.
pub(crate) struct Scripted {
    listening: Listening<Reset>,
    state: Arc<State>,
}

impl Scripted {
    /// It is well, and answers everything else as the script says.
    pub(crate) fn start(script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Result<Self> {
        Self::raw(move |asked| match asked.is_check() {
            true => Reply::healthy(),
            false => script(asked),
        })
    }

    /// The script answers checks, too.
    pub(crate) fn raw(script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Result<Self> {
        let node = Self {
            listening: Listening::on(Port::reserve()?),
            state: Arc::new(State {
                script: Mutex::new(Arc::new(script)),
                asked: Mutex::default(),
                closed: AtomicUsize::new(0),
            }),
        };
        node.up()?;
        Ok(node)
    }

    /// From now on it does this; checks included.
    pub(crate) fn script(&self, script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) {
        *locked(&self.state.script) = Arc::new(script);
    }

    /// Its port refuses connections, and those that were open are reset.
    pub(crate) async fn down(&self) -> Result<()> {
        self.listening.down().await;
        self.listening.end_all(Reset).await
    }

    pub(crate) fn up(&self) -> Result<()> {
        let state = Arc::clone(&self.state);
        self.listening
            .up(move |stream, inbox, seat| attend(stream, inbox, Arc::clone(&state), seat))
    }

    pub(crate) fn port(&self) -> u16 {
        self.listening.port()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// Every request that came, but for checks.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        let asked = locked(&self.state.asked);
        asked.iter().filter(|it| !it.is_check()).cloned().collect()
    }

    /// How many connections have ended on both sides after [`Reply::AndClose`].
    pub(crate) fn closed(&self) -> usize {
        self.state.closed.load(Ordering::SeqCst)
    }

    /// The checks that came.
    pub(crate) fn checks(&self) -> Vec<Asked> {
        let asked = locked(&self.state.asked);
        asked.iter().filter(|it| it.is_check()).cloned().collect()
    }
}

/// Settings for these nodes.
pub(crate) fn settings(nodes: &[&Scripted]) -> ElasticSettings {
    let urls = nodes.iter().map(|node| node.url());
    ElasticSettings::from_urls(urls).expect("valid settings")
}

/// However it ends, the connection is reset, unless that was closed in an orderly way.
async fn attend(
    mut stream: TcpStream,
    mut inbox: Inbox<Reset>,
    state: Arc<State>,
    seat: Seat<Reset>,
) {
    reset_at_end(&stream);
    tokio::select! {
        // Nobody can tell it anything any more once the node is dropped.
        Some(Reset) | None = inbox.recv() => {}
        // An error means that the client has ended it.
        _ = serve(&mut stream, &state, seat.number) => {}
    }
    drop(stream);
    drop(seat);
}

async fn serve(stream: &mut TcpStream, state: &State, connection: usize) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let asked = loop {
            if let Some(asked) = parse(&mut buffer, connection) {
                break asked;
            }
            let mut chunk = [0; 16 * 1024];
            match stream.read(&mut chunk).await? {
                0 => return Ok(()),
                read => buffer.extend_from_slice(&chunk[..read]),
            }
        };
        locked(&state.asked).push(asked.clone());
        let script = Arc::clone(&locked(&state.script));
        let is_head = asked.method == "HEAD";
        let mut reply = script(&asked);
        while let Reply::When(told, then) = reply {
            told.notified().await;
            reply = *then;
        }
        match reply {
            Reply::When(..) => {}
            Reply::Answer(status, headers, body) => {
                answer(stream, status, headers, &body, is_head).await?;
            }
            Reply::Slowly(time) => {
                sleep(time).await;
                answer(stream, 200, "", "{}", is_head).await?;
            }
            Reply::AndClose => {
                answer(stream, 200, "", "{}", is_head).await?;
                stream.shutdown().await?;
                while stream.read(&mut [0; 1024]).await? > 0 {}
                state.closed.fetch_add(1, Ordering::SeqCst);
                return Ok(());
            }
            Reply::Raw(bytes) => stream.write_all(bytes.as_bytes()).await?,
            Reply::Hang => {}
            Reply::HalfClose => stream.shutdown().await?,
            Reply::Close => {
                rustix::net::sockopt::set_socket_linger(&*stream, None)?;
                close(stream).await;
                return Ok(());
            }
            Reply::Reset => return Ok(()),
        }
    }
}

async fn answer(
    stream: &mut TcpStream,
    status: u16,
    headers: &str,
    body: &str,
    is_head: bool,
) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    let body = if is_head { "" } else { body };
    stream.write_all(format!("{head}{body}").as_bytes()).await?;
    stream.flush().await
}

/// Takes a whole request from the front, if there is one.
fn parse(buffer: &mut Vec<u8>, connection: usize) -> Option<Asked> {
    let end = buffer.windows(4).position(|it| it == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, value)| value.trim().parse().expect("a length"));
    let body = String::from_utf8_lossy(buffer.get(end..end + length)?).into_owned();
    buffer.drain(..end + length);
    let mut words = head.split(' ');
    let mut word = || words.next().unwrap_or_default().to_owned();
    Some(Asked {
        method: word(),
        path: word(),
        body,
        connection,
        head,
    })
}
