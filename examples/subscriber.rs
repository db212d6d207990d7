//! Shows: three ways to be told what happens to connections: an actor that subscribes, with a
//! filter; callbacks; and `EventLog`, which logs with `tracing`.
//!
//! Run: `redis-server --port 6379 &` and `cargo run --example subscriber`, or with another URL:
//! `cargo run --example subscriber -- redis://127.0.0.1:6380`. Then stop the server and start it
//! again, and end with Ctrl-C.
//!
//! Expect: the link comes up; the example closes its own connection with `CLIENT KILL` to show
//! a loss; the actor and the callback report it, and that it heals; the log tells all of it.

use actix::{Actor, Context, Handler};
use everlink::event::{Event, EventKind};
use everlink::redis::{Client, Config, cmd};
use everlink::registry::{Callbacks, EventLog, Filter, Subscribe};

/// Counts what it is told.
#[derive(Default)]
struct Watcher {
    losses: u32,
}

impl Actor for Watcher {
    type Context = Context<Self>;
}

impl Handler<Event> for Watcher {
    type Result = ();

    fn handle(&mut self, event: Event, _: &mut Context<Self>) {
        match &event.kind {
            EventKind::Disconnected { cause } => {
                self.losses += 1;
                println!("actor: {} lost ({cause}), loss {}", event.link, self.losses);
            }
            EventKind::Reconnected { attempts, downtime } => println!(
                "actor: {} healed in attempt {attempts}, after {downtime:?}",
                event.link
            ),
            // A late subscriber is first told how each link stands.
            EventKind::Present { state, .. } => println!("actor: {} is {state}", event.link),
            _ => {}
        }
    }
}

#[actix::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let url = std::env::args().nth(1);
    let config = Config::from_url(url.as_deref().unwrap_or("redis://127.0.0.1:6379"))?;
    let client = Client::open(config).await?;

    EventLog::attach(client.registry());
    let (healed, mut heals) = tokio::sync::mpsc::unbounded_channel();
    Callbacks::new()
        .on_connect(|event| println!("callback: {} is up", event.link))
        .on_disconnect(|event| println!("callback: {} is down", event.link))
        .on_reconnect(move |event| {
            println!("callback: {} is up again", event.link);
            // An error means that nobody counts any more.
            let _ = healed.send(());
        })
        .attach(client.registry());
    client.ready(std::time::Duration::from_secs(5)).await?;
    // The registry holds subscribers weakly: keep the address as long as it should listen.
    let watcher = Watcher::default().start();
    let wanted = Filter::all().kinds(["disconnected", "reconnected", "present", "missed"]);
    client
        .registry()
        .send(Subscribe::new(watcher.clone()).filter(wanted))
        .await?;

    let id: i64 = client.query(cmd("CLIENT").arg("ID")).await?;
    println!("connection {id}: closing it at the server");
    // The server may close before it answers: the outcome is unknown then.
    let kill = cmd("CLIENT")
        .arg("KILL")
        .arg("ID")
        .arg(id)
        .arg("SKIPME")
        .arg("no");
    if let Err(error) = client.call(kill).await {
        println!("as expected: {error}");
    }
    heals.recv().await;
    let id: i64 = client.query(cmd("CLIENT").arg("ID")).await?;
    println!("connection {id}: stop the server and start it again, or end with Ctrl-C");
    tokio::signal::ctrl_c().await?;
    println!("ending");
    drop(watcher);
    client.shutdown(std::time::Duration::from_secs(5)).await?;
    Ok(())
}
