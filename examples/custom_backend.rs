//! Shows: a connection of one's own under everlink's supervision, here a feed of lines over TCP.
//! The feed's server is part of the example and dies twice.
//!
//! Run: `cargo run --example custom_backend`. Nothing else is needed.
//!
//! Expect: two lines from each of three connections; after the first and the second the feed
//! disconnects and comes back by itself after a backoff of about 100 ms; then a status line and
//! `done`.

use everlink::endpoint::Endpoint;
use everlink::exit::{Cause, CauseKind};
use everlink::link::{Backend, Lifeline, Link, LinkSettings, Task};
use everlink::registry::{Callbacks, Registry};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// What everlink needs to know: where to connect, and how to make one connection.
struct Feed {
    port: u16,
    lines: mpsc::Sender<String>,
}

impl Backend for Feed {
    type Connection = Task;

    fn endpoint(&self) -> Endpoint {
        Endpoint::tcp("127.0.0.1", self.port)
    }

    fn connection(&mut self, lifeline: Lifeline) -> Task {
        let work = read_feed(self.port, self.lines.clone(), lifeline.clone());
        Task::new(lifeline, work)
    }
}

/// One socket's life: begins with the dial, ends with the socket, and says why.
async fn read_feed(
    port: u16,
    lines: mpsc::Sender<String>,
    lifeline: Lifeline,
) -> Result<(), Cause> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    lifeline.ready();
    let mut reader = BufReader::new(stream).lines();
    while let Some(line) = reader.next_line().await? {
        lifeline.used();
        if lines.send(line).await.is_err() {
            return Ok(());
        }
    }
    Err(CauseKind::Closed.into())
}

#[actix::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    actix::spawn(serve(listener));

    let registry = Registry::with_callbacks(
        Callbacks::new()
            .on_connect(|event| println!("up: {}", event.kind.name()))
            .on_disconnect(|event| println!("down: {}", event.kind))
            .on_reconnect(|event| println!("up again: {}", event.kind)),
    );
    let (sender, mut lines) = mpsc::channel(16);
    let feed = Feed {
        port,
        lines: sender,
    };
    let link = Link::new("feed", feed, LinkSettings::default(), &registry);
    link.start().await;

    for _ in 0..6 {
        let line = lines.recv().await.ok_or("the feed was given up")?;
        println!("got {line}");
    }
    if let Some(status) = link.status().await {
        println!(
            "{} is {}: connected {} times, lost {} times",
            status.link, status.state, status.connects, status.disconnects
        );
    }
    link.stop().await;
    println!("done");
    Ok(())
}

/// A server that dies after two lines, twice; the third time it stays.
async fn serve(listener: TcpListener) -> std::io::Result<()> {
    for connection in 1.. {
        let (mut stream, _) = listener.accept().await?;
        for line in 1..=2 {
            let text = format!("line {line} of connection {connection}\n");
            stream.write_all(text.as_bytes()).await?;
        }
        if connection == 3 {
            std::future::pending::<()>().await;
        }
    }
    Ok(())
}
