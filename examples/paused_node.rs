//! Shows: what a paused primary costs tasks whose keys live on the others.
//!
//! Run: `cargo run --release --example paused_node -- [PAIRS]` (10). It needs `redis-server`; the
//! cluster of three primaries with `cluster-require-full-coverage no` is its own.
//!
//! Expect: pairs of rounds of 2 s with 16 tasks on each of two primaries; in the second of each
//! pair the third primary stands still (`SIGSTOP`) and 16 more tasks call it in vain. A line for
//! each pair, then the median of the ratios: above 0.95.

#[path = "../tests/support/mod.rs"]
mod support;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use everlink::endpoint::Endpoint;
use everlink::redis::{Client, Config, Slot, cmd};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, sleep};

use support::redis_cluster::{RedisCluster, RedisClusterOptions};
use support::waiting::{Failure, Result};

const TASKS: usize = 16;
const ROUND: Duration = Duration::from_secs(2);

/// Keys in slots that this primary owns.
async fn keys(cluster: &RedisCluster, primary: usize) -> Result<Vec<String>> {
    let mut keys = Vec::new();
    for n in 0.. {
        let key = format!("key:{n}");
        if cluster
            .primary_of_slot(Slot::of(key.as_bytes()).get())
            .await?
            == primary
        {
            keys.push(key);
        }
        if keys.len() == TASKS {
            break;
        }
    }
    Ok(keys)
}

/// A task that counts its calls until it is told to stop; errors are not counted.
fn task(
    client: &Client,
    key: String,
    done: &Rc<Cell<u64>>,
    stop: &Rc<Cell<bool>>,
) -> JoinHandle<()> {
    let (client, done, stop) = (client.clone(), Rc::clone(done), Rc::clone(stop));
    spawn_local(async move {
        while !stop.get() {
            if client.call(cmd("INCR").arg(&key)).await.is_ok() {
                done.set(done.get() + 1);
            }
        }
    })
}

/// Calls per second on `others` within a round, while tasks call `paused`, too.
async fn round(client: &Client, others: &[String], paused: &[String]) -> f64 {
    let (done, lost) = (Rc::default(), Rc::default());
    let stop = Rc::default();
    let began = Instant::now();
    let counted = others
        .iter()
        .map(|key| task(client, key.clone(), &done, &stop));
    let in_vain = paused
        .iter()
        .map(|key| task(client, key.clone(), &lost, &stop));
    let tasks: Vec<_> = counted.chain(in_vain).collect();
    sleep(ROUND).await;
    let rate = done.get() as f64 / began.elapsed().as_secs_f64();
    stop.set(true);
    for task in tasks {
        task.abort();
    }
    rate
}

async fn measure(pairs: u32) -> Result<()> {
    let options = RedisClusterOptions {
        replicas_per_primary: 0,
        require_full_coverage: false,
        ..RedisClusterOptions::default()
    };
    let cluster = RedisCluster::start(options).await?;
    let primaries = cluster.primaries().await?;
    let mut others = keys(&cluster, primaries[1]).await?;
    others.extend(keys(&cluster, primaries[2]).await?);
    let paused = keys(&cluster, primaries[0]).await?;
    let seeds = cluster.seeds().into_iter();
    let config = Config::cluster(seeds.map(|(host, port)| Endpoint::tcp(host, port)));
    let failure = |error| Failure::new(format!("{error}"));
    let client = Client::open(config).await.map_err(failure)?;
    let mut ratios = Vec::new();
    for pair in 1..=pairs {
        client
            .ready(Duration::from_secs(30))
            .await
            .map_err(failure)?;
        let before = round(&client, &others, &[]).await;
        cluster.pause(primaries[0]).await?;
        let during = round(&client, &others, &paused).await;
        cluster.resume(primaries[0])?;
        cluster.wait_ok().await?;
        let ratio = during / before;
        println!("pair {pair}: {before:.0}/s, paused {during:.0}/s, ratio {ratio:.3}");
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    let (low, high) = (ratios.first(), ratios.last());
    println!(
        "median {:.3}, from {:.3} to {:.3}",
        ratios[ratios.len() / 2],
        low.copied().unwrap_or_default(),
        high.copied().unwrap_or_default()
    );
    Ok(())
}

#[actix::main]
async fn main() -> std::process::ExitCode {
    let pairs = std::env::args().nth(1).and_then(|pairs| pairs.parse().ok());
    match measure(pairs.unwrap_or(10)).await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}
