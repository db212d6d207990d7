//! Many links: [`measure`].

use std::time::Duration;

use everlink::redis::config::Health;
use everlink::redis::{Client, Config};
use everlink::registry::Registry;

use super::opened;
use crate::failure;
use crate::fleet::{Fleet, Order};
use crate::gauge::Gauge;
use crate::support::waiting::Result;
use crate::table::Line;

const READY_LIMIT: Duration = Duration::from_secs(600);
/// Until the last link is taken for stable (10 s) and its connection is idle.
const SETTLE: Duration = Duration::from_secs(15);
const LOOK_ON: Duration = Duration::from_secs(10);

/// The clients share a registry, and dial the same nodes.
pub(super) async fn measure(clients: usize, nodes: usize, checked: bool) -> Result<Line> {
    // A node has two sockets for each client at most: its own, and one for the first topology.
    let order = Order {
        nodes,
        fragments: false,
    };
    let fleet = Fleet::start(&order)?;
    let config = |name: &str| {
        let config = Config::from_url(&format!("redis-cluster://{}", fleet.seed()));
        let config = config.map_err(failure)?.name(name);
        Result::Ok(config.health(Health::default().enabled(checked)))
    };
    // What there is only once is there before.
    let first = opened(Config::from_url(&format!("redis://{}", fleet.seed())).map_err(failure)?);
    let first = first.await?;
    let registry = Registry::start_new();
    let began = Gauge::now();
    let mut all = Vec::new();
    for number in 0..clients {
        let config = config(&format!("cluster-{number}"))?;
        all.push(Client::open_with(config, &registry).map_err(failure)?);
    }
    for client in &all {
        client.ready(READY_LIMIT).await.map_err(failure)?;
    }
    let (ready_s, ready_cpu) = (began.seconds(), began.cpu_ms());
    // Nothing tells that nothing more happens.
    tokio::time::sleep(SETTLE).await;
    let links = (clients * nodes) as f64;
    let (heap, resident) = (began.heap(), began.resident());
    let before = fleet.asked().await?;
    let idle = Gauge::now();
    // What is measured is what happens in this time.
    tokio::time::sleep(LOOK_ON).await;
    let cpu = idle.cpu_ms() / LOOK_ON.as_secs_f64();
    let after = fleet.asked().await?;
    let pings = (after.pings - before.pings) as f64 / LOOK_ON.as_secs_f64();
    drop(first);
    Ok(Line::default()
        .with("links", links)
        .with("heap per link, bytes", heap / links)
        .with("memory per link, bytes", resident / links)
        .with("dials", after.dials as f64)
        .with("ready after, s", ready_s)
        .with("CPU per link until then, ms", ready_cpu / links)
        .with("idle CPU, ms/s", cpu)
        .with("PINGs/s", pings))
}
