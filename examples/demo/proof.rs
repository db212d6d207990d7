//! The proof: what callers were told, compared with what the servers hold.

use std::collections::BTreeMap;
use std::rc::Rc;

use everlink::redis::{Client, cmd};
use serde::Serialize;
use tokio::time::Instant;

use crate::cells::Cell;
use crate::laboratory::fate::Fate;
use crate::laboratory::held::Held;
use crate::ledger::{Entry, Ledger, Totals, Writes};
use crate::phases::Phase;
use crate::support::redis_cluster::{RedisCluster, RedisClusterOptions};
use crate::support::waiting::{Failure, Result};

/// Where the truth is read.
pub(crate) enum Source {
    /// From the demo's own cluster, over plain sockets, without everlink.
    Plain(Rc<RedisCluster>),
    /// From the user's cluster, whose passwords and addresses only everlink knows.
    Fresh(Client),
}

/// What was found. Each promise is broken if its figure is not zero, but for the losses that the
/// cluster itself inflicts at a failover.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Findings {
    pub(crate) acknowledged_ids: u64,
    pub(crate) acknowledged_counts: u64,
    /// Acknowledged by a primary shortly before it failed, never passed on to its replica.
    pub(crate) lost_by_the_cluster_at_failover: u64,
    /// Acknowledged and not there, where no failover explains it.
    pub(crate) missing: u64,
    pub(crate) pushed_twice: u64,
    /// Reported as not executed, and there.
    pub(crate) denied_but_executed: u64,
    /// In a list and pushed by nobody.
    pub(crate) from_nowhere: u64,
    /// Of unknown outcome, and there: neither good nor bad.
    pub(crate) unknown_but_executed: u64,
    pub(crate) counters_below: u64,
    pub(crate) counters_above: u64,
    pub(crate) unanswered: u64,
    pub(crate) outlived_their_deadline: u64,
    pub(crate) strange_replies: u64,
}

impl Findings {
    /// Each promise, and how often it was broken.
    pub(crate) fn promises(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("every acknowledged id is in its list", self.missing),
            ("no id was pushed twice", self.pushed_twice),
            (
                "nothing is there that was reported as not executed",
                self.denied_but_executed + self.from_nowhere,
            ),
            (
                "no counter is below what was acknowledged",
                self.counters_below,
            ),
            (
                "no counter is above acknowledged + unknown",
                self.counters_above,
            ),
            ("every call was answered", self.unanswered),
            (
                "no call outlived its deadline",
                self.outlived_their_deadline,
            ),
            (
                "every reply belonged to its own command",
                self.strange_replies,
            ),
        ]
    }
}

/// Reads all lists and counters back and compares.
///
/// # Errors
/// The servers cannot be read.
pub(crate) async fn prove(source: &Source, cells: &[Cell], ledger: &Ledger) -> Result<Findings> {
    let mut held = Vec::with_capacity(cells.len());
    for cell in cells {
        held.push(source.read(cell).await?);
    }
    let totals = ledger.totals();
    Ok(ledger.read(|writes, phases| compare(&held, writes, phases, totals)))
}

impl Source {
    async fn read(&self, cell: &Cell) -> Result<Held> {
        match self {
            Self::Plain(cluster) => Held::read(cluster, cell).await,
            Self::Fresh(client) => {
                let list = cmd("LRANGE").arg(&cell.list).arg(0).arg(-1);
                let list = client.query(list).await.map_err(failure)?;
                let counter: Option<u64> = client
                    .query(cmd("GET").arg(&cell.counter))
                    .await
                    .map_err(failure)?;
                Ok(Held {
                    list,
                    counter: counter.unwrap_or(0),
                    value: None,
                })
            }
        }
    }
}

fn failure(error: everlink::redis::Error) -> Failure {
    Failure::new(error.to_string())
}

fn compare(held: &[Held], writes: &[Writes], phases: &[Phase], totals: Totals) -> Findings {
    let mut findings = Findings {
        unanswered: totals.open,
        outlived_their_deadline: totals.outlived,
        strange_replies: totals.strange_replies,
        ..Findings::default()
    };
    for (cell, (held, writes)) in held.iter().zip(writes).enumerate() {
        let excused = |entry: &Entry| may_be_lost(phases, cell, entry.at);
        findings.compare_list(held, writes, excused);
        findings.compare_counter(held, writes, excused);
    }
    findings
}

impl Findings {
    fn compare_list(&mut self, held: &Held, writes: &Writes, excused: impl Fn(&Entry) -> bool) {
        let mut found: BTreeMap<u64, u64> = BTreeMap::new();
        for id in &held.list {
            *found.entry(*id).or_default() += 1;
        }
        self.pushed_twice += found.values().filter(|times| **times > 1).count() as u64;
        for id in found.keys() {
            match writes.pushes.get(id).map(|entry| entry.fate) {
                Some(Fate::Acknowledged) => {}
                Some(Fate::Unknown) => self.unknown_but_executed += 1,
                Some(Fate::NotSent | Fate::Refused) => self.denied_but_executed += 1,
                None => self.from_nowhere += 1,
            }
        }
        for (id, entry) in &writes.pushes {
            if entry.fate != Fate::Acknowledged {
                continue;
            }
            self.acknowledged_ids += 1;
            if found.contains_key(id) {
                continue;
            }
            if excused(entry) {
                self.lost_by_the_cluster_at_failover += 1;
            } else {
                self.missing += 1;
            }
        }
    }

    fn compare_counter(&mut self, held: &Held, writes: &Writes, excused: impl Fn(&Entry) -> bool) {
        let with = |fate| writes.counts.iter().filter(move |entry| entry.fate == fate);
        let acknowledged = with(Fate::Acknowledged).count() as u64;
        let unknown = with(Fate::Unknown).count() as u64;
        let losable = with(Fate::Acknowledged)
            .filter(|entry| excused(entry))
            .count() as u64;
        self.acknowledged_counts += acknowledged;
        self.counters_below += u64::from(held.counter + losable < acknowledged);
        self.counters_above += u64::from(held.counter > acknowledged + unknown);
        // What is surely gone; unknown ones that were executed may hide more.
        let gone = acknowledged.saturating_sub(held.counter);
        self.lost_by_the_cluster_at_failover += gone.min(losable);
    }
}

/// Replication is asynchronous: what a primary acknowledged shortly before it failed, or while the
/// others had not yet agreed that it did, its replica may never have got.
fn may_be_lost(phases: &[Phase], cell: usize, at: Instant) -> bool {
    let suspicion = u64::from(RedisClusterOptions::default().node_timeout_ms);
    let before = std::time::Duration::from_millis(suspicion);
    phases
        .iter()
        .filter(|phase| phase.fault.fails_over() && phase.affects(cell))
        .any(|phase| {
            let from = phase.began.checked_sub(before).unwrap_or(phase.began);
            phase.servable.is_none_or(|until| from <= at && at <= until)
        })
}
