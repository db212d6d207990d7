//! A WebSocket server that misbehaves on demand. It speaks lines: `+topic` and `-topic`, answered by
//! `ok +topic`, `ok -topic` or `no +topic`; everything else is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::support::background::{self, locked};
use crate::support::ports::Port;
use crate::support::sockets::{close, listen, reset_at_end};

const LIMIT: Duration = Duration::from_secs(20);

/// How the handshake goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Handshake {
    #[default]
    Done,
    /// Answered with this status.
    Status(u16),
    /// Never answered.
    Mute,
    /// Answered with what is no HTTP.
    Garbage,
}

/// What it does with requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manner {
    pub(crate) handshake: Handshake,
    /// Topics it refuses.
    pub(crate) refuses: BTreeSet<&'static str>,
    /// Topics it never answers for.
    pub(crate) ignores: BTreeSet<&'static str>,
    /// It answers only when it is told to: [`Order::Answer`].
    pub(crate) withholds: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Order {
    Say(String),
    Close(u16),
    /// Ends with FIN, without a close frame.
    Drop,
    Reset,
    /// Reads no more, and writes nothing.
    Hang,
    Answer,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) manner: Manner,
    /// Sockets that were ever accepted.
    pub(crate) accepted: usize,
    /// Sockets that are open.
    pub(crate) sockets: usize,
    /// Subscriptions of each open WebSocket.
    pub(crate) topics: BTreeMap<usize, BTreeSet<String>>,
    pub(crate) received: Vec<String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) target: String,
    pub(crate) closed_with: Vec<u16>,
    orders: BTreeMap<usize, mpsc::UnboundedSender<Order>>,
}

impl State {
    /// The subscriptions of the only WebSocket.
    pub(crate) fn only(&self) -> Option<Vec<&str>> {
        let mut all = self.topics.values();
        let topics = all.next()?.iter().map(String::as_str).collect();
        all.next().is_none().then_some(topics)
    }
}

struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

impl Shared {
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut locked(&self.state));
        self.changed.send_replace(());
        changed
    }
}

pub(crate) struct Server {
    port: Port,
    shared: Arc<Shared>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let server = Self::refusing();
        server.up();
        server
    }

    /// One that is down.
    pub(crate) fn refusing() -> Self {
        Self {
            port: Port::reserve().expect("a port"),
            shared: Arc::new(Shared {
                state: Mutex::default(),
                changed: watch::Sender::new(()),
            }),
            accepting: Mutex::default(),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port.number()
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/feed", self.port())
    }

    pub(crate) fn up(&self) {
        let listener = listen(self.port()).expect("the port is free");
        let accepting = accept(listener, Arc::clone(&self.shared));
        *locked(&self.accepting) = Some(background::handle().spawn(accepting));
    }

    /// Refuses, and ends all connections in this manner.
    pub(crate) async fn down(&self, order: Order) {
        let accepting = locked(&self.accepting).take();
        if let Some(accepting) = accepting {
            accepting.abort();
            // "Cancelled" is the expected answer.
            let _ = accepting.await;
        }
        self.order(order);
        self.until("all sockets to close", |state| state.sockets == 0)
            .await;
    }

    pub(crate) fn manner(&self, change: impl FnOnce(&mut Manner)) {
        self.shared.change(|state| change(&mut state.manner));
    }

    /// To all that are connected.
    pub(crate) fn order(&self, order: Order) {
        for orders in locked(&self.shared.state).orders.values() {
            // One that has just ended needs none.
            let _ = orders.send(order.clone());
        }
    }

    pub(crate) fn say(&self, text: impl Into<String>) {
        self.order(Order::Say(text.into()));
    }

    pub(crate) fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&locked(&self.shared.state))
    }

    /// Waits until this holds; looked at after each change.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&State) -> bool) {
        let mut changes = self.shared.changed.subscribe();
        let waiting = async {
            while !self.look(&holds) {
                changes.changed().await.expect("the server lives");
            }
        };
        let waited = tokio::time::timeout(LIMIT, waiting).await;
        waited.unwrap_or_else(|_| {
            panic!("waited for {what}: {:?}", self.look(|it| it.topics.clone()))
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(accepting) = locked(&self.accepting).take() {
            accepting.abort();
        }
        self.order(Order::Reset);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let number = shared.change(|state| {
            state.accepted += 1;
            state.sockets += 1;
            state.accepted
        });
        let (orders, inbox) = mpsc::unbounded_channel();
        shared.change(|state| state.orders.insert(number, orders));
        let place = Place {
            number,
            shared: Arc::clone(&shared),
        };
        tokio::spawn(serve(stream, inbox, place));
    }
}

struct Place {
    number: usize,
    shared: Arc<Shared>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.change(|state| {
            state.sockets -= 1;
            state.topics.remove(&self.number);
            state.orders.remove(&self.number);
        });
    }
}

async fn serve(mut stream: TcpStream, mut inbox: mpsc::UnboundedReceiver<Order>, place: Place) {
    let handshake = locked(&place.shared.state).manner.handshake;
    let status = match handshake {
        Handshake::Done => None,
        Handshake::Status(status) => Some(status),
        Handshake::Mute => {
            let mut scrap = [0; 4096];
            while matches!(stream.read(&mut scrap).await, Ok(1..)) {}
            return;
        }
        Handshake::Garbage => {
            let mut scrap = [0; 4096];
            let _ = stream.read(&mut scrap).await;
            let _ = stream.write_all(b"SSH-2.0-nothing\r\n\r\n").await;
            return close(&mut stream).await;
        }
    };
    #[expect(clippy::result_large_err, reason = "the type is the library's")]
    let seen = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        place.shared.change(|state| {
            state.target = request.uri().to_string();
            let headers = request.headers().iter();
            let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
            state.headers = headers
                .map(|(k, v)| (k.to_string(), text(v.as_bytes())))
                .collect();
        });
        let Some(status) = status else {
            return Ok(response);
        };
        let mut refusal = ErrorResponse::new(Some("no".to_owned()));
        *refusal.status_mut() = StatusCode::from_u16(status).expect("a status");
        Err(refusal)
    };
    let Ok(mut socket) = accept_hdr_async(stream, seen).await else {
        return;
    };
    let number = place.number;
    place
        .shared
        .change(|state| state.topics.insert(number, BTreeSet::new()));
    let (mut hung, mut withheld) = (false, Vec::new());
    loop {
        tokio::select! {
            // What it was told before a request is done before its answer.
            biased;
            order = inbox.recv() => match order {
                Some(Order::Say(text)) => {
                    if socket.send(Message::text(text)).await.is_err() { return; }
                }
                Some(Order::Close(code)) => {
                    let frame = CloseFrame { code: code.into(), reason: "as told".into() };
                    let _ = socket.close(Some(frame)).await;
                }
                Some(Order::Drop) | None => return close(socket.get_mut()).await,
                Some(Order::Reset) => return reset_at_end(socket.get_ref()),
                Some(Order::Hang) => hung = true,
                Some(Order::Answer) => {
                    for answer in withheld.drain(..) {
                        if socket.send(Message::text(answer)).await.is_err() { return; }
                    }
                }
            },
            frame = socket.next(), if !hung => {
                let Some(Ok(frame)) = frame else { return };
                if let Message::Close(frame) = &frame {
                    let code = frame.as_ref().map_or(1005, |frame| frame.code.into());
                    place.shared.change(|state| state.closed_with.push(code));
                }
                let Some(answer) = answer(&frame, &place) else { continue };
                if place.shared.change(|state| state.manner.withholds) {
                    withheld.push(answer);
                } else if socket.send(Message::text(answer)).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn answer(frame: &Message, place: &Place) -> Option<String> {
    let Message::Text(text) = frame else {
        return None;
    };
    place.shared.change(|state| {
        let Some((sign @ ('+' | '-'), topic)) = split(text) else {
            state.received.push(text.to_string());
            return None;
        };
        if state.manner.refuses.contains(topic) {
            return Some(format!("no {sign}{topic}"));
        }
        let ignored = state.manner.ignores.contains(topic);
        let topics = state.topics.entry(place.number).or_default();
        match sign {
            '+' => assert!(
                topics.insert(topic.to_owned()),
                "subscribed twice to {topic}"
            ),
            _ => assert!(topics.remove(topic), "not subscribed to {topic}"),
        }
        (!ignored).then(|| format!("ok {sign}{topic}"))
    })
}

fn split(text: &str) -> Option<(char, &str)> {
    let sign = text.chars().next()?;
    Some((sign, &text[sign.len_utf8()..]))
}
