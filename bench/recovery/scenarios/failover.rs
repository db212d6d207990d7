//! A primary is killed, its replica takes over: [`run`].

use std::time::Duration;

use everlink::redis::Slot;
use tokio::time::sleep;

use super::{millis, settled};
use crate::clock::now;
use crate::figures::Sample;
use crate::peers::{Contender, Target};
use crate::subject::{Stream, Work};
use crate::support::redis_cluster::{RedisCluster, SLOTS};
use crate::support::redis_server::RedisServer;
use crate::support::waiting::{Failure, Result};

const LIMIT: Duration = Duration::from_secs(20);
const PROMOTION_LIMIT: Duration = Duration::from_secs(30);

pub(super) async fn run(
    cluster: &RedisCluster,
    contender: Contender,
    target: Target,
) -> Result<Sample> {
    let victim = cluster.primary_of_slot(0).await?;
    let heir = heir_of(victim);
    let stream = Stream {
        keys: keys(|slot| slot < SLOTS / 3),
        per_second: 200,
    };
    let work = Work::Streams(vec![stream]);
    let mut child = settled(contender, target, work).await?;
    let killed = now();
    cluster.kill9(victim).await?;
    let promoted = promotion(&cluster.nodes()[heir]).await?;
    let came_back = |record: &crate::record::Record| record.first_success(0, promoted).is_some();
    child.watch_until(LIMIT, came_back).await;
    child.watch(Duration::from_millis(500)).await;
    let (record, _) = child.finish().await;
    cluster.restart(victim).await?;
    cluster.wait_ok().await?;
    let mut sample = Sample::from([("longest_call_ms", millis(record.longest(0)))]);
    sample.failures(record.failures(0, killed));
    if let Some(success) = record.first_success(0, promoted) {
        sample.set("first_success_ms", millis(success - promoted));
    }
    Ok(sample)
}

/// Keys whose slots are like that.
pub(super) fn keys(wanted: impl Fn(u16) -> bool) -> Vec<String> {
    let keys = (0..).map(|number| format!("key:{number}"));
    keys.filter(|key| wanted(Slot::of(key.as_bytes()).get()))
        .take(64)
        .collect()
}

/// Of 3 + 3 nodes, the one that is to take over.
fn heir_of(victim: usize) -> usize {
    (victim + 3) % 6
}

/// When a replica says that it is a primary; asked over one connection, every millisecond.
async fn promotion(replica: &RedisServer) -> Result<Duration> {
    let mut connection = replica.connect().await?;
    let began = now();
    while now() - began < PROMOTION_LIMIT {
        let role = connection.command(&["ROLE"]).await?.refused()?;
        let role = role.elements().and_then(|role| role.first()?.text());
        // The word of the wire, before and after all renamings.
        if role.is_some_and(|role| role != "slave") {
            return Ok(now());
        }
        // The pace of asking: it is the precision of what is measured.
        sleep(Duration::from_millis(1)).await;
    }
    Err(Failure::new("the replica was not promoted"))
}
