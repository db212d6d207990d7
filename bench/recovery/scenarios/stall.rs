//! How calls to sound primaries fare while another one fails: [`run`].

use std::time::Duration;

use super::failover::keys;
use super::{millis, settled};
use crate::clock::now;
use crate::figures::Sample;
use crate::peers::{Contender, Target};
use crate::subject::{Stream, Work};
use crate::support::redis_cluster::{RedisCluster, SLOTS};
use crate::support::waiting::Result;

const BEFORE: Duration = Duration::from_secs(2);
const AFTER: Duration = Duration::from_secs(5);

pub(super) async fn run(
    cluster: &RedisCluster,
    contender: Contender,
    target: Target,
    paused: bool,
) -> Result<Sample> {
    let victim = cluster.primary_of_slot(0).await?;
    // The parts of the two others; a node keeps its part, whoever serves it.
    let sound = Stream {
        keys: keys(|slot| slot > SLOTS / 3),
        per_second: 500,
    };
    let failing = Stream {
        keys: keys(|slot| slot < SLOTS / 3),
        per_second: 200,
    };
    let work = Work::Streams(vec![sound, failing]);
    let mut child = settled(contender, target, work).await?;
    let began = now();
    child.watch(BEFORE).await;
    let failed = now();
    if paused {
        cluster.pause(victim).await?;
    } else {
        cluster.kill9(victim).await?;
    }
    child.watch(AFTER.saturating_sub(now() - failed)).await;
    let (record, _) = child.finish().await;
    if paused {
        cluster.resume(victim)?;
    } else {
        cluster.restart(victim).await?;
    }
    cluster.wait_ok().await?;
    let gap = record.longest_gap(0, failed, failed + AFTER);
    let before = record.longest_gap(0, began, failed);
    let mut sample = Sample::from([("gap_ms", millis(gap)), ("gap_before_ms", millis(before))]);
    sample.failures(record.failures(0, failed));
    Ok(sample)
}
