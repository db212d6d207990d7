//! What is measured, each in a process of its own: [`Probe`].

mod links;
mod replies;
mod topology;
mod waiting;

use std::time::Duration;

use everlink::redis::{Client, Config};
use serde::{Deserialize, Serialize};

use crate::failure;
use crate::median::median;
use crate::support::waiting::Result;
use crate::table::Line;

/// One size of something.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Probe {
    /// The topology of so many nodes, each slot a range of its own: read, and read by a client.
    Topology { nodes: usize },
    /// So many links: clients of clusters of so many nodes; with health checks or without.
    Links {
        clients: usize,
        nodes: usize,
        checked: bool,
    },
    /// So many tasks that wait for an answer.
    Waiting { tasks: usize, place: Place },
    /// A reply of so many elements of 64 bytes, from a real server.
    Reply { elements: usize, port: u16 },
}

/// Where requests wait.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Place {
    /// For a connection, as nobody listens.
    Queue,
    /// For a server that does not answer.
    InFlight,
    /// Nowhere: what a task costs that waits for a channel of tokio.
    Channel,
}

impl Probe {
    /// All of them, table by table.
    pub(crate) fn all(quick: bool, port: u16) -> Vec<(&'static str, Vec<Self>)> {
        let tenth = if quick { 10 } else { 1 };
        let of = |sizes: [usize; 3]| sizes.map(move |size| size / tenth);
        let waiting = |place| {
            let sizes = of([10_000, 30_000, 100_000]);
            sizes.map(|tasks| Self::Waiting { tasks, place }).to_vec()
        };
        let topology = of([100, 300, 1_000]).map(|nodes| Self::Topology { nodes });
        let nodes = 1_000 / tenth;
        let links = |sizes: &[usize], checked| {
            let probe = |&clients| Self::Links {
                clients,
                nodes,
                checked,
            };
            sizes.iter().map(probe).collect()
        };
        let sizes = of([10_000, 100_000, 1_000_000]);
        let replies = sizes.map(|elements| Self::Reply { elements, port });
        vec![
            ("topology of 16,384 ranges", topology.to_vec()),
            ("links", links(&[1, 3, 10], true)),
            ("links without health checks", links(&[10], false)),
            ("requests that wait for a connection", waiting(Place::Queue)),
            ("requests in flight", waiting(Place::InFlight)),
            (
                "tasks that wait for a channel, to compare",
                waiting(Place::Channel),
            ),
            ("replies", replies.to_vec()),
        ]
    }

    /// # Errors
    /// A server does not start, or a command fails.
    pub(crate) fn run(&self) -> Result<Line> {
        actix::System::new().block_on(async {
            match *self {
                Self::Topology { nodes } => topology::measure(nodes).await,
                Self::Links {
                    clients,
                    nodes,
                    checked,
                } => links::measure(clients, nodes, checked).await,
                Self::Waiting { tasks, place } => waiting::measure(tasks, place).await,
                Self::Reply { elements, port } => replies::measure(elements, port).await,
            }
        })
    }
}

async fn opened(config: Config) -> Result<Client> {
    let client = Client::open(config).await.map_err(failure)?;
    let ready = client.ready(Duration::from_secs(600)).await;
    ready.map_err(failure)?;
    Ok(client)
}

/// The one in the middle; every probe measures at least once.
fn middle(figures: Vec<f64>) -> f64 {
    median(figures).unwrap_or_default()
}
