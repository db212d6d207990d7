//! What happens to nodes: [`NodeFaults`], one after the other. Each is over, and the cluster sound,
//! before the next begins; what happens meanwhile between client and nodes is another matter.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use tokio::time::{Instant, sleep};

use crate::history::History;
use crate::laboratory::cells::Cell;
use crate::laboratory::observer::Observer;
use crate::laboratory::screen::Screen;
use crate::network::Network;
use crate::support::redis_cluster::RedisCluster;
use crate::support::waiting::{Failure, Result, Wait};
use crate::windows::Windows;

/// How long a plain `CLUSTER FAILOVER` may take before it counts as not done.
const FAILOVER_LIMIT: Duration = Duration::from_secs(7);

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    KillPrimary,
    KillReplica,
    PausePrimary,
    PauseReplica,
    Failover,
    FailoverForce,
    FailoverTakeover,
    Reshard,
    MigrateSlots,
}

/// Each as often as it stands here.
const DECK: [Fault; 12] = [
    Fault::KillPrimary,
    Fault::KillPrimary,
    Fault::PausePrimary,
    Fault::PausePrimary,
    Fault::Reshard,
    Fault::Reshard,
    Fault::MigrateSlots,
    Fault::Failover,
    Fault::FailoverForce,
    Fault::FailoverTakeover,
    Fault::KillReplica,
    Fault::PauseReplica,
];

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KillPrimary => "kill -9 of primary",
            Self::KillReplica => "kill -9 of replica",
            Self::PausePrimary => "SIGSTOP of primary",
            Self::PauseReplica => "SIGSTOP of replica",
            Self::Failover => "CLUSTER FAILOVER of primary",
            Self::FailoverForce => "CLUSTER FAILOVER FORCE of primary",
            Self::FailoverTakeover => "CLUSTER FAILOVER TAKEOVER of primary",
            Self::Reshard => "slots move key by key from primary",
            Self::MigrateSlots => "slots move at once from primary",
        })
    }
}

/// Faults of nodes for one round.
pub(crate) struct NodeFaults {
    pub(crate) cluster: Rc<RedisCluster>,
    pub(crate) network: Rc<Network>,
    pub(crate) cells: Rc<Vec<Cell>>,
    pub(crate) history: Rc<History>,
    pub(crate) windows: Rc<Windows>,
    pub(crate) screen: Rc<Screen>,
    pub(crate) rng: StdRng,
}

impl NodeFaults {
    /// Until then, and until the last one is over. Returns how many there were.
    pub(crate) async fn run(mut self, until: Instant) -> Result<u64> {
        let mut done = 0;
        let mut deck: Vec<Fault> = Vec::new();
        while Instant::now() < until {
            sleep(self.between(50, 600)).await;
            let fault = loop {
                match deck.pop() {
                    Some(fault) => break fault,
                    None => {
                        deck = DECK.to_vec();
                        deck.shuffle(&mut self.rng);
                    }
                }
            };
            self.cluster.wait_ok().await?;
            let primaries = self.cluster.primaries().await?;
            let primary = primaries[self.rng.random_range(0..primaries.len())];
            let port = self.cluster.nodes()[primary].port();
            self.screen.announce(&format!("{fault} {port}"));
            let happened = self.happen(fault, primary, &primaries).await;
            happened.map_err(|failure| failure.while_doing(format!("{fault} {port}")))?;
            done += 1;
        }
        Ok(done)
    }

    async fn happen(&mut self, fault: Fault, primary: usize, primaries: &[usize]) -> Result<()> {
        let observer = Observer {
            cluster: Rc::clone(&self.cluster),
        };
        let replica = observer.replica_of(primary).await?;
        let cells = observer.cells_of(primary, &self.cells).await?;
        let began = self.history.now();
        match fault {
            Fault::KillPrimary => self.kill(primary).await?,
            Fault::KillReplica => self.kill(replica).await?,
            Fault::PausePrimary => self.pause(primary).await?,
            Fault::PauseReplica => self.pause(replica).await?,
            Fault::Failover => self.failover(replica, None).await?,
            Fault::FailoverForce => self.failover(replica, Some("FORCE")).await?,
            Fault::FailoverTakeover => self.failover(replica, Some("TAKEOVER")).await?,
            Fault::Reshard | Fault::MigrateSlots => {
                let mut others = primaries.to_vec();
                others.retain(|other| *other != primary);
                let to = others[self.rng.random_range(0..others.len())];
                let slots = self.some_slots(&cells);
                if fault == Fault::Reshard {
                    self.reshard(&slots, primary, to).await?;
                } else {
                    self.migrate(&slots, primary, to).await?;
                }
            }
        }
        self.cluster.wait_ok().await?;
        let lost = !self.cluster.primaries().await?.contains(&primary);
        // A plain failover loses nothing: the primary waits for its replica.
        if lost && fault != Fault::Failover {
            self.windows.add(cells, began, self.history.now());
        }
        Ok(())
    }

    async fn kill(&mut self, node: usize) -> Result<()> {
        // A dead host's port refuses; behind a proxy it would accept and reset.
        if self.rng.random_ratio(1, 2) {
            self.network.refuse(node).await;
        }
        self.cluster.kill9(node).await?;
        sleep(self.between(0, 4_000)).await;
        let back = self.cluster.restart(node).await;
        self.network.accept(node)?;
        back
    }

    async fn pause(&mut self, node: usize) -> Result<()> {
        self.cluster.pause(node).await?;
        sleep(self.between(50, 4_500)).await;
        self.cluster.resume(node)
    }

    async fn failover(&mut self, replica: usize, how: Option<&str>) -> Result<()> {
        let mut order = vec!["CLUSTER", "FAILOVER"];
        order.extend(how);
        self.cluster.tell(replica, &order).await?;
        let mut wait = Wait::up_to(FAILOVER_LIMIT, "the failover");
        while !self.cluster.primaries().await?.contains(&replica) {
            if wait.again("not promoted").await.is_err() {
                self.screen.announce("it did not come to a failover");
                break;
            }
        }
        Ok(())
    }

    /// Up to half of the slots in use there.
    fn some_slots(&mut self, cells: &[bool]) -> Vec<u16> {
        let mut slots: Vec<u16> = (self.cells.iter().zip(cells))
            .filter(|(_, served)| **served)
            .map(|(cell, _)| cell.slot)
            .collect();
        slots.shuffle(&mut self.rng);
        slots.truncate((slots.len() / 2).min(6));
        slots
    }

    async fn reshard(&mut self, slots: &[u16], from: usize, to: usize) -> Result<()> {
        for slot in slots {
            self.cluster.set_migrating(*slot, from, to).await?;
            // Meanwhile keys that are not there are asked for at the other node.
            sleep(self.between(0, 150)).await;
            self.cluster.migrate_keys(*slot, from, to).await?;
            sleep(self.between(0, 150)).await;
            self.cluster.finish_migration(*slot, from, to).await?;
        }
        Ok(())
    }

    /// By the command of Valkey 9; key by key on others.
    async fn migrate(&mut self, slots: &[u16], from: usize, to: usize) -> Result<()> {
        let id = self.cluster.id(to).await?;
        for slot in slots {
            let text = slot.to_string();
            let order = ["CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", &text, &text];
            let order = [&order[..], &["NODE", &id]].concat();
            if let Err(failure) = self.cluster.tell(from, &order).await {
                if !failure.to_string().contains("nknown") {
                    return Err(failure);
                }
                return self.reshard(slots, from, to).await;
            }
            let mut wait = Wait::up_to(Duration::from_secs(20), "a slot that moves at once");
            loop {
                // The nodes are asked one after the other: while the slot moves, none may seem to
                // have it.
                let seen = match self.cluster.primary_of_slot(*slot).await {
                    Ok(owner) if owner == to => break,
                    Ok(owner) => format!("node {owner}"),
                    Err(failure) => failure.to_string(),
                };
                wait.again(seen).await?;
            }
        }
        Ok(())
    }

    fn between(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.rng.random_range(least..=most))
    }
}

/// Empties all nodes, between two rounds.
pub(crate) async fn flush(cluster: &RedisCluster) -> Result<()> {
    for primary in cluster.primaries().await? {
        let flushed = cluster.tell(primary, &["FLUSHALL"]).await;
        flushed.map_err(|failure: Failure| failure.while_doing("emptying a node"))?;
    }
    Ok(())
}
