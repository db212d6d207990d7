//! The faults, one after the other: [`Scenario`].

use std::rc::Rc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, sleep, sleep_until};

use crate::cells::Cell;
use crate::ledger::Ledger;
use crate::observer::Observer;
use crate::phases::{Fault, Phase};
use crate::screen::Screen;
use crate::support::waiting::{Failure, Result};

/// How many slots move.
const SLOTS_TO_MOVE: usize = 1_000;
/// When each fault comes, as parts of the whole run.
const KILL_AT: f64 = 0.08;
const RETURN_AT: f64 = 0.22;
const PAUSE_AT: f64 = 0.37;
const RESUME_AT: f64 = 0.52;
const CLIENT_KILL_AT: f64 = 0.63;
const RESHARD_AT: f64 = 0.72;

/// Does to the cluster what happens to clusters.
pub(crate) struct Scenario {
    pub(crate) observer: Observer,
    pub(crate) cells: Rc<Vec<Cell>>,
    pub(crate) ledger: Rc<Ledger>,
    pub(crate) screen: Rc<Screen>,
    pub(crate) seed: u64,
    pub(crate) run_for: Duration,
}

impl Scenario {
    /// All faults. Each waits for its time, and for the one before to be over.
    pub(crate) async fn run(&self) -> Result<()> {
        let began = Instant::now();
        let at = |part: f64| sleep_until(began + self.run_for.mul_f64(part));
        let mut rng = StdRng::seed_from_u64(self.seed);
        let mut primaries = self.observer.cluster.primaries().await?;
        primaries.shuffle(&mut rng);
        let [first, second, ..] = primaries.as_slice() else {
            return Err(Failure::new("a cluster has at least two primaries"));
        };

        at(KILL_AT).await;
        self.kill(*first).await?;
        at(RETURN_AT).await;
        self.bring_back(*first).await?;
        at(PAUSE_AT).await;
        self.observer.cluster.wait_ok().await?;
        self.pause(*second).await?;
        at(RESUME_AT).await;
        self.resume(*second).await?;
        at(CLIENT_KILL_AT).await;
        self.observer.cluster.wait_ok().await?;
        self.kill_clients().await?;
        at(RESHARD_AT).await;
        let mut primaries = self.observer.cluster.primaries().await?;
        let from = primaries.swap_remove(rng.random_range(0..primaries.len()));
        let to = primaries[rng.random_range(0..primaries.len())];
        self.reshard(from, to).await?;
        at(1.0).await;
        self.observer.cluster.wait_ok().await
    }

    async fn kill(&self, node: usize) -> Result<()> {
        let heir = self.observer.replica_of(node).await?;
        let cells = self.observer.cells_of(node, &self.cells).await?;
        self.enter(Fault::Kill, "kill -9 of primary", node, &cells);
        self.observer.cluster.kill9(node).await?;
        self.watch_recovery(heir, &cells).await
    }

    async fn bring_back(&self, node: usize) -> Result<()> {
        let nothing = vec![false; self.cells.len()];
        self.enter(Fault::Return, "return as replica of", node, &nothing);
        self.observer.cluster.restart(node).await?;
        // It can be connected to from here on.
        self.ledger.phase(Phase::now_servable);
        self.observer.cluster.wait_ok().await
    }

    async fn pause(&self, node: usize) -> Result<()> {
        let heir = self.observer.replica_of(node).await?;
        let cells = self.observer.cells_of(node, &self.cells).await?;
        self.enter(Fault::Pause, "SIGSTOP of primary", node, &cells);
        self.observer.cluster.pause(node).await?;
        self.watch_recovery(heir, &cells).await
    }

    async fn resume(&self, node: usize) -> Result<()> {
        let nothing = vec![false; self.cells.len()];
        self.enter(Fault::Resume, "SIGCONT, now a replica:", node, &nothing);
        self.observer.cluster.resume(node)?;
        self.ledger.phase(Phase::now_servable);
        self.observer.cluster.wait_ok().await
    }

    async fn kill_clients(&self) -> Result<()> {
        let all = vec![true; self.cells.len()];
        let phase = Phase::new(Fault::ClientKill, "CLIENT KILL of everything", all);
        self.screen.announce(&phase.title);
        self.ledger.enter(phase);
        self.observer.cluster.client_kill_all().await?;
        // The servers were never gone: measured from when the last connection was closed.
        self.ledger.phase(Phase::now_servable);
        self.wait_for_successes().await;
        Ok(())
    }

    async fn reshard(&self, from: usize, to: usize) -> Result<()> {
        let own = self.observer.own_line(from).await?;
        let slots = (0..16_384).filter(|slot| own.serves(*slot));
        let moving: Vec<u16> = slots.take(SLOTS_TO_MOVE).collect();
        let cells: Vec<bool> = self
            .cells
            .iter()
            .map(|cell| moving.contains(&cell.slot))
            .collect();
        let ports = [from, to].map(|node| self.observer.cluster.nodes()[node].port());
        let title = format!("{SLOTS_TO_MOVE} slots, {} -> {}", ports[0], ports[1]);
        self.screen.announce(&title);
        self.ledger.enter(Phase::new(Fault::Reshard, title, cells));
        self.ledger.phase(Phase::now_servable);
        self.observer
            .cluster
            .reshard(from, to, SLOTS_TO_MOVE)
            .await?;
        self.screen.announce("all of them have moved");
        Ok(())
    }

    /// Waits until the heir serves the cells, then until the application had its successes.
    async fn watch_recovery(&self, heir: usize, affected: &[bool]) -> Result<()> {
        let cells = self.cells.iter().zip(affected);
        let mut cell = cells
            .filter(|(_, affected)| **affected)
            .map(|(cell, _)| cell);
        let cell = cell.next_back();
        let cell = cell.ok_or_else(|| Failure::new("the primary serves no cell"))?;
        self.observer.wait_until_served(heir, cell).await?;
        self.ledger.phase(Phase::now_servable);
        let port = self.observer.cluster.nodes()[heir].port();
        self.screen
            .announce(&format!("{port} was promoted and serves these slots"));
        self.wait_for_successes().await;
        Ok(())
    }

    /// Waits until every affected cell had a success, at most as long as a call may take.
    async fn wait_for_successes(&self) {
        let limit = Instant::now() + self.ledger.deadline() * 2;
        let done = || {
            self.ledger
                .phase(|phase| phase.to_every_success().is_some())
        };
        while done() == Some(false) && Instant::now() < limit {
            sleep(Duration::from_millis(10)).await;
        }
        let shown = self.ledger.phase(|phase| {
            let first = phase.to_first_success()?;
            let every = phase.to_every_success()?;
            Some((first, every, phase.affected_cells()))
        });
        if let Some(Some((first, every, cells))) = shown {
            self.screen.announce(&format!(
                "first success {first:.1?} later, on all {cells} affected slots in use after {every:.1?}"
            ));
        }
    }

    fn enter(&self, fault: Fault, what: &str, node: usize, cells: &[bool]) {
        let port = self.observer.cluster.nodes()[node].port();
        let phase = Phase::new(fault, format!("{what} {port}"), cells.to_vec());
        self.screen.announce(&phase.title);
        self.ledger.enter(phase);
    }
}
