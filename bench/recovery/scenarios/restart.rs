//! A server is killed and comes back: [`run`].

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::sleep;

use super::{millis, settled};
use crate::clock::now;
use crate::figures::Sample;
use crate::peers::{Contender, Target};
use crate::subject::{Stream, Work};
use crate::support::redis_server::RedisServer;
use crate::support::waiting::Result;

/// Who has not come back by then never will.
const LIMIT: Duration = Duration::from_secs(20);

pub(super) async fn run(
    server: &RedisServer,
    contender: Contender,
    target: Target,
    outage: Duration,
) -> Result<Sample> {
    let stream = Stream {
        keys: (0..16).map(|key| format!("key:{key}")).collect(),
        per_second: 200,
    };
    let work = Work::Streams(vec![stream]);
    let mut child = settled(contender, target, work).await?;
    let killed = now();
    server.kill9().await?;
    child.watch(outage.saturating_sub(now() - killed)).await;
    // Nobody has answered a call since the server's death; what it had answered before may have
    // been read after it.
    let starting = now();
    // The empty server can serve as soon as it listens.
    let (restarted, listening) = tokio::join!(server.restart(), first_accept(server.port()));
    restarted?;
    let came_back = |record: &crate::record::Record| record.first_success(0, starting).is_some();
    child.watch_until(LIMIT, came_back).await;
    child.watch(Duration::from_millis(500)).await;
    let (record, _) = child.finish().await;
    let mut sample = Sample::from([("longest_call_ms", millis(record.longest(0)))]);
    sample.failures(record.failures(0, killed));
    if let Some(success) = record.first_success(0, starting) {
        // Zero: before this program's own look, a millisecond after the one before.
        let late = success.saturating_sub(listening);
        sample.set("first_success_ms", millis(late));
    }
    Ok(sample)
}

/// When the port takes its first connection, to the millisecond.
async fn first_accept(port: u16) -> Duration {
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .is_err()
    {
        // The pace of asking: it is the precision of what is measured.
        sleep(Duration::from_millis(1)).await;
    }
    now()
}
