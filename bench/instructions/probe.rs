//! What is counted: [`Probe`].

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use actix::{Actor, Addr, Context, Handler, Message};
use bytes::Bytes;
use everlink::redis::{AnyRouter, Client, Config, Standalone, Value, cmd};
use serde::{Deserialize, Serialize};

use crate::program::failure;
use crate::support::waiting::{Failure, Result};

const TASKS: usize = 64;

/// Many tasks on one thread, each sending one GET after the other.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Probe {
    pub(crate) door: Door,
    /// Of the servers, with commas between them.
    pub(crate) ports: String,
    /// Of all tasks together.
    pub(crate) commands: u64,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Door {
    Client,
    Router,
    /// A `Client`, too.
    Cluster,
    /// No client and no command at all: an actor that answers at once. Whatever stands behind an
    /// actor costs its callers this.
    Mailbox,
}

#[derive(Clone)]
enum Opened {
    Client(Client),
    Router(Addr<Standalone>),
    Mailbox(Addr<Mirror>),
}

/// Answers at once, with as many bytes as the server would.
struct Mirror(Bytes);

#[derive(Message)]
#[rtype(result = "everlink::redis::Result<Value>")]
struct Look;

impl Actor for Mirror {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        // As many as the router's takes.
        context.set_mailbox_capacity(TASKS);
    }
}

impl Handler<Look> for Mirror {
    type Result = everlink::redis::Result<Value>;

    fn handle(&mut self, _: Look, _: &mut Context<Self>) -> Self::Result {
        Ok(Value::Bulk(self.0.clone()))
    }
}

impl Probe {
    /// # Errors
    /// A command failed, or gave another value than the one that was set.
    pub(crate) fn run(self) -> Result<()> {
        actix::System::new().block_on(self.send_all())
    }

    async fn send_all(self) -> Result<()> {
        let (scheme, hosts) = match self.door {
            Door::Cluster => ("redis-cluster", self.ports.replace(',', ",127.0.0.1:")),
            Door::Client | Door::Router | Door::Mailbox => ("redis", self.ports.clone()),
        };
        let config = Config::from_url(&format!("{scheme}://127.0.0.1:{hosts}"));
        // Under valgrind everything takes fifty times as long.
        let config = config
            .map_err(failure)?
            .command_timeout(Duration::from_secs(60));
        let client = Client::open(config).await.map_err(failure)?;
        client
            .ready(Duration::from_secs(60))
            .await
            .map_err(failure)?;
        let value = "v".repeat(64);
        for task in 0..TASKS {
            let set = cmd("SET").arg(key(task)).arg(&value);
            client.query::<()>(set).await.map_err(failure)?;
        }
        let door = match client.router() {
            AnyRouter::Standalone(router) if self.door == Door::Router => {
                Opened::Router(router.clone())
            }
            _ if self.door == Door::Mailbox => {
                Opened::Mailbox(Mirror(Bytes::from(value.into_bytes())).start())
            }
            _ => Opened::Client(client.clone()),
        };
        let left = Rc::new(Cell::new(self.commands));
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| actix::spawn(send_some(door.clone(), key(task), Rc::clone(&left))))
            .collect();
        for task in tasks {
            task.await.map_err(failure)??;
        }
        client
            .shutdown(Duration::from_secs(5))
            .await
            .map_err(failure)?;
        Ok(())
    }
}

async fn send_some(door: Opened, key: String, left: Rc<Cell<u64>>) -> Result<()> {
    while let Some(rest) = left.get().checked_sub(1) {
        left.set(rest);
        // Here, not behind a trait's method: each door's future is a part of this one, as in a user's code, and no
        // copy of it is counted.
        let value = match &door {
            Opened::Mailbox(mirror) => {
                mirror.send(Look).await.map_err(failure)?.map_err(failure)?
            }
            Opened::Client(client) => {
                let command = cmd("GET").arg(&key);
                client.call(command).await.map_err(failure)?
            }
            Opened::Router(router) => {
                let command = cmd("GET").arg(&key);
                router
                    .send(command)
                    .await
                    .map_err(failure)?
                    .map_err(failure)?
            }
        };
        if value.as_bytes().map_or(0, |bytes| bytes.len()) != 64 {
            return Err(Failure::new(format!("another value: {value:?}")));
        }
    }
    Ok(())
}

impl Door {
    pub(crate) const ALL: [Self; 4] = [Self::Client, Self::Router, Self::Cluster, Self::Mailbox];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Router => "router",
            Self::Cluster => "cluster",
            Self::Mailbox => "mailbox",
        }
    }
}

fn key(task: usize) -> String {
    format!("key:{task}")
}
