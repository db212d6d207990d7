//! The topology of a large and fragmented cluster: [`measure`].

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use everlink::endpoint::Endpoint;
use everlink::redis::cluster::{ClusterView, SlotMap};
use everlink::redis::config::ClusterSettings;
use everlink::redis::resp::{Decoder, Reply, ReplyLimits};
use everlink::redis::{Config, Value};

use super::{middle, opened};
use crate::failure;
use crate::fleet::{Fleet, Order, Told};
use crate::gauge::Gauge;
use crate::support::waiting::{Failure, Result};
use crate::table::Line;

const ROUNDS: usize = 9;
const REFRESH_EVERY: Duration = Duration::from_millis(500);
const LOOK_ON: Duration = Duration::from_secs(5);

pub(super) async fn measure(nodes: usize) -> Result<Line> {
    let members: Vec<_> = (0..nodes)
        .map(|node| {
            let [high, low] = (node as u16).to_be_bytes();
            (Ipv4Addr::new(10, 0, high, low), 7_000)
        })
        .collect();
    let told = Told::of(&members, true);
    let (mut decoding, mut building, mut mapping) = (Vec::new(), Vec::new(), Vec::new());
    let (mut allocated, mut kept) = (0, 0.0);
    for _ in 0..ROUNDS {
        let before = Gauge::allocated();
        let began = Gauge::now();
        let (slots, lines) = (decoded(&told.slots)?, decoded(&told.nodes)?);
        decoding.push(began.cpu_ms());
        let began = Gauge::now();
        let asked = Endpoint::tcp("10.0.0.0", 7_000);
        let view = ClusterView::from_replies(&slots, Some(&lines), &asked, &|endpoint| endpoint);
        let view = view.map_err(failure)?;
        building.push(began.cpu_ms());
        let began = Gauge::now();
        let map = SlotMap::from_view(&view);
        mapping.push(began.cpu_ms());
        allocated = Gauge::allocated() - before;
        kept = began.heap();
        if map.uncovered() > 0 || map.nodes().len() != nodes {
            return Err(Failure::new("the map is not whole"));
        }
    }
    let client = through_a_client(nodes).await?;
    Ok(Line::default()
        .with("nodes", nodes as f64)
        .with(
            "replies, KiB",
            (told.slots.len() + told.nodes.len()) as f64 / 1_024.0,
        )
        .with("decode, ms", middle(decoding))
        .with("understand, ms", middle(building))
        .with("map, ms", middle(mapping))
        .with("allocated, KiB", allocated as f64 / 1_024.0)
        .with("map on the heap, KiB", kept / 1_024.0)
        .with("ready after, s", client.ready_s)
        .with("CPU until then, ms", client.ready_cpu_ms)
        .with("CPU per refresh, ms", client.refresh_cpu_ms))
}

fn decoded(wire: &Bytes) -> Result<Value> {
    let mut buffer = BytesMut::from(&wire[..]);
    let reply = Decoder::new(ReplyLimits::default()).decode(&mut buffer);
    match reply.map_err(failure)? {
        Some(Reply::Value(value)) => Ok(value),
        other => Err(Failure::new(format!("no value: {}", other.is_some()))),
    }
}

struct Client {
    ready_s: f64,
    ready_cpu_ms: f64,
    refresh_cpu_ms: f64,
}

async fn through_a_client(nodes: usize) -> Result<Client> {
    let order = Order {
        nodes,
        fragments: true,
    };
    let fleet = Fleet::start(&order)?;
    let config = Config::from_url(&format!("redis-cluster://{}", fleet.seed()));
    let settings = ClusterSettings::default()
        .refresh_every(REFRESH_EVERY)
        .refresh_cooldown(REFRESH_EVERY);
    let config = config.map_err(failure)?.cluster_settings(settings);
    let began = Gauge::now();
    let client = opened(config).await?;
    let (ready_s, ready_cpu_ms) = (began.seconds(), began.cpu_ms());
    let before = fleet.asked().await?;
    let began = Gauge::now();
    // What is measured is what happens in this time.
    tokio::time::sleep(LOOK_ON).await;
    let cpu = began.cpu_ms();
    let asked = fleet.asked().await?.topologies - before.topologies;
    let down = client.shutdown(Duration::from_secs(5)).await;
    down.map_err(failure)?;
    // A refresh asks three nodes.
    let refreshes = asked as f64 / nodes.min(3) as f64;
    Ok(Client {
        ready_s,
        ready_cpu_ms,
        refresh_cpu_ms: cpu / refreshes.max(1.0),
    })
}
