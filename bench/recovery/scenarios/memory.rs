//! What a client that goes on calling a paused server keeps in memory: [`run`].

use std::fs;
use std::time::Duration;

use crate::child::Child;
use crate::clock::now;
use crate::figures::Sample;
use crate::peers::{Contender, Target};
use crate::subject::{Order, Work};
use crate::support::redis_server::RedisServer;
use crate::support::waiting::{Failure, Result};

const TIMEOUT: Duration = Duration::from_millis(250);
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(super) async fn run(
    server: &RedisServer,
    contender: Contender,
    target: Target,
    time: Duration,
) -> Result<Sample> {
    let work = Work::Pressing {
        tasks: 1_024,
        bytes: 1_024,
    };
    let target = Target {
        timeout: Some(TIMEOUT),
        ..target
    };
    let mut child = Child::start(&Order {
        contender,
        target,
        work,
    })
    .await?;
    child.watch(Duration::from_secs(1)).await;
    let before = resident_mib(child.pid()?)?;
    server.pause().await?;
    let looked = most(&mut child, time).await;
    // Whatever happened, the server goes on.
    server.resume()?;
    let most = looked?;
    child.watch(Duration::from_secs(2)).await;
    let after = resident_mib(child.pid()?)?;
    child.finish().await;
    Ok(Sample::from([
        ("before_mib", before),
        ("most_mib", most.max(after)),
        ("after_mib", after),
    ]))
}

async fn most(child: &mut Child, time: Duration) -> Result<f64> {
    let (began, mut most) = (now(), 0f64);
    while now() - began < time {
        child.watch(LOOK_EVERY).await;
        most = most.max(resident_mib(child.pid()?)?);
    }
    Ok(most)
}

fn resident_mib(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kib.map(|kib| kib / 1_024.0)
        .ok_or_else(|| Failure::new("the client's process has ended"))
}
