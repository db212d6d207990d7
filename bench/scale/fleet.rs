//! Many nodes of one cluster in one process: [`Fleet`]. They listen on addresses of their own
//! (127.1.0.1, 127.1.0.2 and so on), tell a topology, and answer what a sound server would.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::program::{failure, ordered};
use crate::support::answers::{Answers, FakeTopology};
use crate::support::dialogue::{Action, Handler, Received};
use crate::support::raw::{RawClient, take_command};
use crate::support::redis_cluster::SLOTS;
use crate::support::replies;
use crate::support::waiting::{Failure, Result};

/// What the process of a fleet is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) nodes: usize,
    /// Every slot is a range of its own, and neighbours have different owners.
    pub(crate) fragments: bool,
}

/// A running fleet; dropping it ends its process.
pub(crate) struct Fleet {
    process: Child,
    /// Of the node that knows the counts.
    port: u16,
}

/// What the nodes were asked so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) topologies: u64,
    pub(crate) pings: u64,
    /// Connections that were ever made.
    pub(crate) dials: u64,
}

impl Fleet {
    /// # Errors
    /// It does not start.
    pub(crate) fn start(order: &Order) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(ordered("fleet", order)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take();
        let output = output.ok_or_else(|| Failure::new("the output is not piped"))?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let port = line.trim().parse();
        let port = port.map_err(|_| failure(format!("the nodes said {line:?}")))?;
        Ok(Self { process, port })
    }

    /// Host and port of a node.
    pub(crate) fn seed(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// # Errors
    /// It does not answer.
    pub(crate) async fn asked(&self) -> Result<Asked> {
        let mut client = RawClient::connect(self.port).await?;
        let mut count = async |what| {
            let reply = client.command(&["ASKED", what]).await?.refused()?;
            Result::Ok(reply.int().unwrap_or_default().unsigned_abs())
        };
        Ok(Asked {
            topologies: count("CLUSTER").await?,
            pings: count("PING").await?,
            dials: count("DIAL").await?,
        })
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // Its input ends, and so does it.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// The replies to `CLUSTER SLOTS` and `CLUSTER NODES`.
pub(crate) struct Told {
    pub(crate) slots: Bytes,
    pub(crate) nodes: Bytes,
}

impl Told {
    /// Of nodes that listen there.
    pub(crate) fn of(members: &[(Ipv4Addr, u16)], fragments: bool) -> Self {
        let count = members.len();
        let parts = if fragments { usize::from(SLOTS) } else { count };
        let border = |part: usize| part * usize::from(SLOTS) / parts;
        let ranges = (0..parts).map(|part| (border(part), border(part + 1) - 1, part % count));
        let mut texts: Vec<String> = (members.iter().enumerate())
            .map(|(node, (host, port))| {
                let bus = u32::from(*port) + 10_000;
                format!("{node:040x} {host}:{port}@{bus} master - 0 0 1 connected")
            })
            .collect();
        let mut slots = format!("*{parts}\r\n");
        for (first, last, node) in ranges {
            let (host, port) = &members[node];
            let host = host.to_string();
            slots.push_str(&format!(
                "*3\r\n:{first}\r\n:{last}\r\n*4\r\n${}\r\n{host}\r\n:{port}\r\n$40\r\n{node:040x}\r\n*0\r\n",
                host.len()
            ));
            texts[node].push_str(&match first == last {
                true => format!(" {first}"),
                false => format!(" {first}-{last}"),
            });
        }
        Self {
            slots: slots.into(),
            nodes: replies::bulk(texts.join("\n") + "\n"),
        }
    }
}

/// Until the input ends.
///
/// # Errors
/// There are not so many sockets.
pub(crate) fn run(order: &Order) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (over, ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // However it ends, it is over.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = over.send(());
    });
    runtime.block_on(async {
        let mut listeners = Vec::new();
        for node in 0..order.nodes {
            listeners.push(TcpListener::bind((address(node), 0)).await?);
        }
        let members: std::io::Result<Vec<_>> = (listeners.iter().enumerate())
            .map(|(node, listener)| Ok((address(node), listener.local_addr()?.port())))
            .collect();
        let members = members?;
        let dials = Arc::new(AtomicU64::new(0));
        let told = Told::of(&members, order.fragments);
        let handler: Arc<Handler> = Arc::new(script(told, Arc::clone(&dials)));
        for listener in listeners {
            tokio::spawn(accept(listener, Arc::clone(&handler), Arc::clone(&dials)));
        }
        println!("{}", members[0].1);
        std::io::stdout().flush()?;
        // An error means that the input ended, too.
        let _ = ended.await;
        Ok(())
    })
}

/// The first is where the fixtures' own client dials.
fn address(node: usize) -> Ipv4Addr {
    match node {
        0 => Ipv4Addr::LOCALHOST,
        _ => Ipv4Addr::new(127, 1, (node / 250) as u8, (node % 250 + 1) as u8),
    }
}

fn script(
    told: Told,
    dials: Arc<AtomicU64>,
) -> impl Fn(&Received) -> Vec<Action> + Send + Sync + 'static {
    let topologies = Arc::new(AtomicU64::new(0));
    let pings = Arc::new(AtomicU64::new(0));
    let (seen, pinged) = (Arc::clone(&topologies), Arc::clone(&pings));
    Answers::new()
        // Only so that it says that it is a cluster: what it is made of is told here.
        .slots(&FakeTopology::default())
        .on("CLUSTER", move |received| {
            if received.text(1).eq_ignore_ascii_case("NODES") {
                return Action::reply(told.nodes.clone());
            }
            seen.fetch_add(1, Ordering::Relaxed);
            Action::reply(told.slots.clone())
        })
        .on("PING", move |_| {
            pinged.fetch_add(1, Ordering::Relaxed);
            Action::reply(replies::simple("PONG"))
        })
        .on("ASKED", move |received| {
            let count = match received.text(1).as_str() {
                "PING" => &pings,
                "DIAL" => &dials,
                _ => &topologies,
            };
            Action::reply(replies::int(count.load(Ordering::Relaxed) as i64))
        })
        // Requests that nobody answers.
        .on("GET", |_| Vec::new())
        .script()
}

async fn accept(listener: TcpListener, handler: Arc<Handler>, dials: Arc<AtomicU64>) {
    // The fixtures' script tells connections apart only for their passwords, and there are none.
    while let Ok((stream, _)) = listener.accept().await {
        dials.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(answer(stream, Arc::clone(&handler)));
    }
}

/// Until the connection ends, in any manner.
async fn answer(mut stream: TcpStream, handler: Arc<Handler>) -> std::io::Result<()> {
    let mut buffer = BytesMut::new();
    while stream.read_buf(&mut buffer).await? > 0 {
        while let Some(args) = take_command(&mut buffer)? {
            let received = Received {
                connection: 0,
                nth: 0,
                args,
            };
            for action in handler(&received) {
                if let Action::Reply(bytes) = action {
                    stream.write_all(&bytes).await?;
                }
            }
        }
        if buffer.is_empty() {
            // Ten thousand connections that keep nothing.
            buffer = BytesMut::new();
        }
    }
    Ok(())
}
