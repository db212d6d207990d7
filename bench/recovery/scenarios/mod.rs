//! What the clients go through: [`Scenario`].
//!
//! Every run has a new process of a client, connected before anything happens, and servers that
//! are sound again. Who calls, and how often, is the same for all.

mod failover;
mod memory;
mod restart;
mod stall;
mod twice;

use std::time::Duration;

use crate::arguments::Arguments;
use crate::child::Child;
use crate::figures::Sample;
use crate::peers::{Contender, Target};
use crate::stage::Stage;
use crate::subject::{Order, Work};
use crate::support::waiting::Result;

/// One kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// A server is killed, and starts again on its port so much later.
    Restart(Duration),
    /// A primary of a cluster is killed; its replica takes over.
    Failover,
    /// The same, or it is paused: how calls to the other primaries fare.
    Stall { paused: bool },
    /// Connections are killed while each is full of `INCR`s, for so long.
    Twice(Duration),
    /// A server is paused for so long.
    Memory(Duration),
}

/// A figure of a scenario: its name in JSON, and over the column of a table.
pub(crate) type Column = (&'static str, &'static str);

/// The same for all, and twice as long as the longest outage: a call that fails was given up.
const TIMEOUT: Duration = Duration::from_secs(10);

impl Scenario {
    /// All that are wanted.
    pub(crate) fn all(arguments: &Arguments) -> Vec<Self> {
        let seconds = Duration::from_secs;
        let half = Duration::from_millis(500);
        let mut all = if arguments.quick {
            vec![Self::Restart(half), Self::Restart(seconds(2))]
        } else {
            [half, seconds(2), seconds(5)].map(Self::Restart).to_vec()
        };
        all.push(Self::Failover);
        all.extend([false, true].map(|paused| Self::Stall { paused }));
        let (killing, standing) = if arguments.quick { (2, 5) } else { (10, 20) };
        all.push(Self::Twice(seconds(killing)));
        all.push(Self::Memory(seconds(standing)));
        if let Some(only) = &arguments.only {
            all.retain(|scenario| scenario.name().contains(only.as_str()));
        }
        all
    }

    pub(crate) fn name(self) -> String {
        match self {
            Self::Restart(outage) => format!("restart after {} s", outage.as_secs_f64()),
            Self::Failover => "failover".to_owned(),
            Self::Stall { paused: false } => "stall beside a killed primary".to_owned(),
            Self::Stall { paused: true } => "stall beside a paused primary".to_owned(),
            Self::Twice(_) => "double execution".to_owned(),
            Self::Memory(time) => format!("memory, server paused for {} s", time.as_secs()),
        }
    }

    /// What is done, for who reads the table.
    pub(crate) fn explained(self) -> &'static str {
        match self {
            Self::Restart(_) => {
                "200 SETs a second; the server is killed and comes back on its port."
            }
            Self::Failover => {
                "200 SETs a second to the slots of one primary of 3 + 3, which is killed; \
                 cluster-node-timeout 1 s. First success after the replica says that it is a primary."
            }
            Self::Stall { .. } => {
                "500 SETs a second to the slots of two primaries, 200 to those of the third, which \
                 fails; cluster-require-full-coverage no. Longest time without a success on the two, \
                 in 2 s before and in 5 s after."
            }
            Self::Twice(_) => {
                "64 tasks, each INCR on a key of its own; all connections are killed every 50 ms. \
                 Executed twice: keys above 1."
            }
            Self::Memory(_) => "1,024 tasks that send SETs of 1 KiB with time-outs of 250 ms.",
        }
    }

    pub(crate) fn columns(self) -> &'static [Column] {
        match self {
            Self::Restart(_) | Self::Failover => &[
                ("first_success_ms", "first success, ms"),
                ("failed", "calls failed"),
                ("longest_call_ms", "longest call, ms"),
            ],
            Self::Stall { .. } => &[
                ("gap_ms", "longest gap, ms"),
                ("gap_before_ms", "before, ms"),
                ("failed", "calls failed"),
            ],
            Self::Twice(_) => &[
                ("twice", "executed twice"),
                ("acknowledged", "acknowledged"),
                ("unknown", "failed"),
                ("executed", "executed"),
                ("killed", "connections killed"),
            ],
            Self::Memory(_) => &[
                ("before_mib", "before, MiB"),
                ("most_mib", "most, MiB"),
                ("after_mib", "2 s after, MiB"),
            ],
        }
    }

    pub(crate) fn in_cluster(self) -> bool {
        matches!(self, Self::Failover | Self::Stall { .. })
    }

    /// # Errors
    /// The servers fail, or the client does not connect.
    pub(crate) async fn run(self, stage: &Stage, contender: Contender) -> Result<Sample> {
        let target = Target {
            ports: stage.ports(),
            cluster: self.in_cluster(),
            timeout: Some(TIMEOUT),
        };
        match self {
            Self::Restart(outage) => restart::run(stage.one()?, contender, target, outage).await,
            Self::Failover => failover::run(stage.cluster()?, contender, target).await,
            Self::Stall { paused } => stall::run(stage.cluster()?, contender, target, paused).await,
            Self::Twice(time) => twice::run(stage.one()?, contender, target, time).await,
            Self::Memory(time) => memory::run(stage.one()?, contender, target, time).await,
        }
    }
}

/// A client that is connected and has worked for a while.
async fn settled(contender: Contender, target: Target, work: Work) -> Result<Child> {
    let mut child = Child::start(&Order {
        contender,
        target,
        work,
    })
    .await?;
    child.watch(Duration::from_millis(500)).await;
    Ok(child)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
