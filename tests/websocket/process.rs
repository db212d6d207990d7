//! Feeds of a server that is a process of its own: it is killed, stands still, refuses, moves.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::env;
use std::time::{Duration, SystemTime};

use everlink::exit::CauseKind;
use everlink::websocket::{FeedSettings, News, Payload};
use futures_util::{SinkExt, StreamExt};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;

use crate::rig::{Rig, SOON, ms};
use crate::support::ports::Port;
use crate::support::sockets::listen;
use crate::support::story::in_short;
use crate::support::supervised::Supervised;
use crate::support::waiting::Wait;

const PORT: &str = "EVERLINK_TEST_FEED_PORT";
/// After the server's return: a second, and another for a busy machine. A refused dial waits
/// 100 ms at the most in the first ten seconds.
const SOON_AFTER: Duration = Duration::from_secs(2);

/// This program again, as a server only.
struct Process {
    port: Port,
    running: Option<Supervised>,
    folder: TempDir,
}

impl Process {
    async fn start() -> Self {
        let mut process = Self {
            port: Port::reserve().expect("a port"),
            running: None,
            folder: tempfile::tempdir().expect("a folder"),
        };
        process.up().await;
        process
    }

    /// Starts it, and waits until it listens.
    async fn up(&mut self) {
        let program = env::current_exe().expect("this program");
        let arguments = [
            format!("{PORT}={}", self.port.number()),
            program.display().to_string(),
            "--exact".to_owned(),
            "process::serves_until_it_is_killed".to_owned(),
            "--ignored".to_owned(),
        ];
        let started = Supervised::start(self.folder.path(), "env", &arguments);
        self.running = Some(started.expect("a process"));
        let mut wait = Wait::up_to(SOON, "the server");
        while let Err(error) = TcpStream::connect(("127.0.0.1", self.port.number())).await {
            wait.again(error).await.expect("it listens");
        }
    }

    async fn kill9(&mut self) {
        let mut running = self.running.take().expect("it runs");
        running.kill().expect("a signal");
        running.gone().await.expect("it ends");
    }

    fn signal(&mut self, signal: fn(&mut Supervised) -> crate::support::waiting::Result<()>) {
        signal(self.running.as_mut().expect("it runs")).expect("a signal");
    }

    fn settings(&self, token: &str) -> FeedSettings {
        let port = self.port.number();
        let url = format!("ws://127.0.0.1:{port}/feed?token={token}");
        FeedSettings::new(&url).expect("a URL")
    }
}

/// What the subscriber saw.
#[derive(Default)]
struct Seen {
    ticks: BTreeSet<String>,
    gaps: usize,
}

impl Seen {
    /// Asks the server for its subscriptions, and waits for the answer and for a tick after it.
    async fn topics(&mut self, rig: &mut Rig) -> String {
        rig.feed.send(Payload::text("?")).await.expect("it is up");
        let mut topics = None;
        loop {
            match rig.news().await {
                News::Message(payload) => {
                    let text = payload.as_text().expect("a text").to_owned();
                    if let Some(told) = text.strip_prefix("topics ") {
                        topics = Some(told.to_owned());
                        continue;
                    }
                    assert!(self.ticks.insert(text.clone()), "{text} came twice");
                    if let Some(topics) = topics {
                        return topics;
                    }
                }
                News::Gap(_) => self.gaps += 1,
                other => panic!("{other:?}"),
            }
        }
    }
}

/// The server is back since then: soon the feed is, with all as before, and the outage is told
/// once.
async fn heals(rig: &mut Rig, seen: &mut Seen, back: SystemTime, topics: &str) {
    // All subscriptions are restored by then.
    let told = rig.told("reconnected").await.time;
    // Earlier: it was quicker than the test.
    let took = told.duration_since(back).unwrap_or_default();
    assert!(took < SOON_AFTER, "{took:?}");
    assert_eq!(seen.topics(rig).await, topics);
    let gap = rig.told("notice").await.to_string();
    assert!(gap.contains(": gap of "), "{gap}");
    assert_eq!(seen.gaps, 1);
}

#[actix::test]
async fn a_killed_server_is_told_and_comes_back_with_all_subscriptions() {
    let mut server = Process::start().await;
    let mut rig = Rig::open(server.settings("right")).await;
    let mut seen = Seen::default();
    rig.feed.subscribe("a");
    rig.feed.subscribe("b");
    rig.told("connected").await;
    assert_eq!(seen.topics(&mut rig).await, "a b");
    server.kill9().await;
    let (kind, _) = rig.lost().await;
    assert!(
        matches!(kind, CauseKind::Closed | CauseKind::Reset),
        "{kind}"
    );
    assert_eq!(rig.failed().await.0, CauseKind::Refused);
    assert_eq!(rig.failed().await.0, CauseKind::Refused);
    server.up().await;
    heals(&mut rig, &mut seen, SystemTime::now(), "a b").await;
    assert_eq!(
        in_short(&rig.names),
        "connecting connected disconnected retried reconnecting connecting reconnected notice"
    );
}

#[actix::test]
async fn a_server_that_stands_still_is_left_and_found_again_when_it_goes_on() {
    let mut server = Process::start().await;
    let mut settings = server.settings("right");
    settings.health.ping_interval = Some(ms(100));
    settings.health.ping_timeout = ms(1_000);
    settings.link.connect_timeout = ms(1_000);
    settings.ack_timeout = ms(900);
    let mut rig = Rig::open(settings).await;
    let mut seen = Seen::default();
    rig.feed.subscribe("a");
    rig.told("connected").await;
    assert_eq!(seen.topics(&mut rig).await, "a");
    server.signal(Supervised::pause);
    assert_eq!(rig.lost().await.0, CauseKind::Unhealthy);
    // The kernel still accepts for it.
    assert_eq!(rig.failed().await.0, CauseKind::ConnectTimeout);
    server.signal(Supervised::resume);
    heals(&mut rig, &mut seen, SystemTime::now(), "a").await;
    assert_eq!(
        in_short(&rig.names),
        "connecting connected disconnected retried reconnecting connecting reconnected notice"
    );
}

#[actix::test]
async fn a_server_that_moves_and_changes_its_token_is_followed_by_new_settings() {
    let mut server = Process::start().await;
    let mut rig = Rig::open(server.settings("wrong")).await;
    let mut seen = Seen::default();
    rig.feed.subscribe("a");
    assert_eq!(rig.failed().await.0, CauseKind::Denied);
    rig.told("gave_up").await;
    let right = server.settings("right");
    rig.feed.reconfigure(right).await.expect("valid");
    rig.told("connected").await;
    assert_eq!(seen.topics(&mut rig).await, "a");
    server.kill9().await;
    assert_eq!(rig.failed().await.0, CauseKind::Refused);
    server.port = Port::reserve().expect("a port");
    server.up().await;
    let back = SystemTime::now();
    let moved = server.settings("right");
    rig.feed.reconfigure(moved).await.expect("valid");
    heals(&mut rig, &mut seen, back, "a").await;
    // The settings may find the feed in an attempt or between two.
    let told = in_short(&rig.names);
    let begins = "connecting connect_failed gave_up connecting connected disconnected retried ";
    assert!(told.starts_with(begins), "{told}");
    assert!(told.ends_with(" connecting reconnected notice"), "{told}");
}

/// The server of the tests above; killed with them.
#[actix::test]
#[ignore = "started by other tests, as a process of its own"]
async fn serves_until_it_is_killed() {
    // None without a parent, as when somebody runs all tests, the ignored ones too.
    let Ok(port) = env::var(PORT) else { return };
    let listener = listen(port.parse().expect("a port")).expect("the port is free");
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        actix::spawn(serve(stream));
    }
}

/// Tells each connection that is subscribed to something a number every few milliseconds, and to
/// `?` its subscriptions.
async fn serve(stream: TcpStream) {
    thread_local!(static TICKS: Cell<u64> = const { Cell::new(0) });
    #[expect(clippy::result_large_err, reason = "the type is the library's")]
    let allow = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        if request.uri().query() == Some("token=right") {
            return Ok(response);
        }
        let mut refusal = ErrorResponse::new(None);
        *refusal.status_mut() = StatusCode::UNAUTHORIZED;
        Err(refusal)
    };
    let Ok(mut socket) = accept_hdr_async(stream, allow).await else {
        return;
    };
    let (mut topics, mut clock) = (BTreeSet::new(), tokio::time::interval(ms(20)));
    loop {
        let answer = tokio::select! {
            _ = clock.tick(), if !topics.is_empty() => {
                let tick = TICKS.replace(TICKS.get() + 1);
                format!("{}:{tick}", std::process::id())
            }
            frame = socket.next() => match frame {
                Some(Ok(Message::Text(text))) => match text.strip_prefix('+') {
                    Some(topic) => {
                        assert!(topics.insert(topic.to_owned()), "subscribed twice");
                        format!("ok {text}")
                    }
                    None => format!("topics {}", Vec::from_iter(topics.clone()).join(" ")),
                },
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return,
            },
        };
        if socket.send(Message::text(answer)).await.is_err() {
            return;
        }
    }
}
