//! Whether a command is executed twice: [`run`].

use std::time::Duration;

use crate::child::Child;
use crate::clock::now;
use crate::figures::Sample;
use crate::peers::{Contender, Target};
use crate::subject::{Order, Work};
use crate::support::redis_server::RedisServer;
use crate::support::waiting::{Failure, Result};

const KILL_EVERY: Duration = Duration::from_millis(50);
const KEYS_AT_ONCE: usize = 1_000;

/// A sum would hide one that was executed twice behind one that was not executed. So each command
/// has a key of its own.
pub(super) async fn run(
    server: &RedisServer,
    contender: Contender,
    target: Target,
    time: Duration,
) -> Result<Sample> {
    server.command(&["FLUSHALL"]).await?.refused()?;
    let work = Work::Once { tasks: 64 };
    let mut child = Child::start(&Order {
        contender,
        target,
        work,
    })
    .await?;
    let began = now();
    let mut killed = 0;
    while now() - began < time {
        child.watch(KILL_EVERY).await;
        killed += server.client_kill_all().await?;
    }
    let (_, counted) = child.finish().await;
    let counted = counted.ok_or_else(|| Failure::new("the client did not end"))?;
    let (mut executed, mut twice) = (0u64, 0u64);
    let keys: Vec<String> = (0..counted.made).map(|key| format!("once:{key}")).collect();
    let mut connection = server.connect().await?;
    for some in keys.chunks(KEYS_AT_ONCE) {
        let mut command = vec!["MGET".to_owned()];
        command.extend_from_slice(some);
        let reply = connection.command(&command).await?.refused()?;
        for value in reply.elements().unwrap_or_default() {
            let times: u64 = (value.text()).map_or(0, |text| text.parse().unwrap_or_default());
            executed += times.min(1);
            twice += u64::from(times > 1);
        }
    }
    if executed < counted.acknowledged {
        let acknowledged = counted.acknowledged;
        return Err(Failure::new(format!(
            "{acknowledged} acknowledged, only {executed} executed"
        )));
    }
    Ok(Sample::from([
        ("twice", twice.max(counted.wrong) as f64),
        ("acknowledged", counted.acknowledged as f64),
        ("unknown", counted.failed as f64),
        ("executed", executed as f64),
        ("killed", killed as f64),
    ]))
}
