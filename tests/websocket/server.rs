//! A WebSocket server that misbehaves on demand. It speaks lines: `+topic` and `-topic`, answered by
//! `ok +topic`, `ok -topic` or `no +topic`; everything else is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::support::background::locked;
use crate::support::listening::{Inbox, Listening, Seat};
use crate::support::ports::Port;
use crate::support::sockets::{close, reset_at_end};

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
    /// Subscriptions of each open WebSocket.
    pub(crate) topics: BTreeMap<usize, BTreeSet<String>>,
    pub(crate) received: Vec<String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) target: String,
    pub(crate) closed_with: Vec<u16>,
}

impl State {
    /// The subscriptions of the only WebSocket.
    pub(crate) fn only(&self) -> Option<Vec<&str>> {
        let mut all = self.topics.values();
        let topics = all.next()?.iter().map(String::as_str).collect();
        all.next().is_none().then_some(topics)
    }
}

/// What there is to be seen of it at a moment.
pub(crate) struct Seen<'a> {
    /// Sockets that were ever accepted.
    pub(crate) accepted: usize,
    /// Sockets that are open.
    pub(crate) sockets: usize,
    state: &'a State,
}

impl Deref for Seen<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        self.state
    }
}

/// Dropping it resets all connections.
pub(crate) struct Server {
    listening: Listening<Order>,
    state: Arc<Mutex<State>>,
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
            listening: Listening::on(Port::reserve().expect("a port")),
            state: Arc::default(),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.listening.port()
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/feed", self.port())
    }

    pub(crate) fn up(&self) {
        let state = Arc::clone(&self.state);
        let up = self.listening.up(move |stream, inbox, seat| {
            let state = Arc::clone(&state);
            serve(Place { state, seat }, stream, inbox)
        });
        up.expect("the port is free");
    }

    /// Refuses, and ends all connections in this manner.
    pub(crate) async fn down(&self, order: Order) {
        self.listening.down().await;
        let ended = self.listening.end_all(order).await;
        ended.expect("all sockets close");
    }

    pub(crate) fn manner(&self, change: impl FnOnce(&mut Manner)) {
        change(&mut locked(&self.state).manner);
    }

    /// To all that are connected.
    pub(crate) fn order(&self, order: Order) {
        self.listening.order(order);
    }

    pub(crate) fn say(&self, text: impl Into<String>) {
        self.order(Order::Say(text.into()));
    }

    pub(crate) fn look<T>(&self, look: impl FnOnce(&Seen<'_>) -> T) -> T {
        let state = locked(&self.state);
        look(&Seen {
            accepted: self.listening.accepted(),
            sockets: self.listening.open(),
            state: &state,
        })
    }

    /// Waits until this holds; looked at after each change.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Seen<'_>) -> bool) {
        let seen = || format!(", {:?}", self.look(|it| it.topics.clone()));
        let waited = self.listening.wait_until(what, seen, || self.look(&holds));
        waited.await.expect("it comes to hold");
    }
}

/// A connection's own: its topics, and then its seat, end with it. It is dropped last.
struct Place {
    state: Arc<Mutex<State>>,
    seat: Seat<Order>,
}

impl Place {
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut locked(&self.state));
        self.seat.changed();
        changed
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.change(|state| state.topics.remove(&self.seat.number));
    }
}

async fn serve(place: Place, mut stream: TcpStream, mut inbox: Inbox<Order>) {
    let handshake = locked(&place.state).manner.handshake;
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
        place.change(|state| {
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
    let number = place.seat.number;
    place.change(|state| state.topics.insert(number, BTreeSet::new()));
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
                Some(Order::Drop) => return close(socket.get_mut()).await,
                Some(Order::Reset) | None => return reset_at_end(socket.get_ref()),
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
                    place.change(|state| state.closed_with.push(code));
                }
                let Some(answer) = answer(&frame, &place) else { continue };
                if place.change(|state| state.manner.withholds) {
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
    place.change(|state| {
        let Some((sign @ ('+' | '-'), topic)) = split(text) else {
            state.received.push(text.to_string());
            return None;
        };
        if state.manner.refuses.contains(topic) {
            return Some(format!("no {sign}{topic}"));
        }
        let ignored = state.manner.ignores.contains(topic);
        let topics = state.topics.entry(place.seat.number).or_default();
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
