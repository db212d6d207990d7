//! What one fault did to the calls: [`Phase`].

use std::time::Duration;

use everlink::event::{Event, EventKind};
use tokio::time::Instant;

use crate::laboratory::fate::Fate;
use crate::ledger::Told;

/// What is done to the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    /// Nothing: the cluster is sound.
    Nothing,
    /// `kill -9` of a primary.
    Kill,
    /// The killed one comes back, as a replica.
    Return,
    /// `SIGSTOP` of a primary.
    Pause,
    /// The paused one goes on.
    Resume,
    /// `CLIENT KILL` on every node.
    ClientKill,
    /// Slots move from one primary to another.
    Reshard,
}

impl Fault {
    /// Whether a replica takes over: what the old primary had not passed on is lost.
    pub(crate) fn fails_over(self) -> bool {
        matches!(self, Self::Kill | Self::Pause)
    }

    /// Whether the first success after it is measured.
    pub(crate) fn interrupts(self) -> bool {
        matches!(self, Self::Kill | Self::Pause | Self::ClientKill)
    }
}

/// A fault, and what the application saw from it until the next.
#[derive(Debug)]
pub(crate) struct Phase {
    pub(crate) fault: Fault,
    pub(crate) title: String,
    pub(crate) began: Instant,
    /// When the application was told by an event.
    pub(crate) noticed: Option<Instant>,
    /// When the cluster could serve the affected slots again, as an independent client saw.
    pub(crate) servable: Option<Instant>,
    /// For each cell: whether it is affected, and its first success since it was servable again.
    affected: Vec<bool>,
    successes: Vec<Option<Instant>>,
    pub(crate) acknowledged: u64,
    pub(crate) not_sent: u64,
    pub(crate) refused: u64,
    pub(crate) unknown: u64,
    pub(crate) longest_affected: Duration,
    pub(crate) longest_elsewhere: Duration,
}

impl Phase {
    /// Begins now; `affected` tells for each cell whether the fault concerns it.
    pub(crate) fn new(fault: Fault, title: impl Into<String>, affected: Vec<bool>) -> Self {
        Self {
            fault,
            title: title.into(),
            began: Instant::now(),
            noticed: None,
            servable: None,
            successes: vec![None; affected.len()],
            affected,
            acknowledged: 0,
            not_sent: 0,
            refused: 0,
            unknown: 0,
            longest_affected: Duration::ZERO,
            longest_elsewhere: Duration::ZERO,
        }
    }

    /// A call ended.
    pub(crate) fn record(&mut self, began: Instant, now: Instant, told: &[Told]) {
        let mut touches = false;
        for one in told {
            let affected = self.affected[one.cell];
            touches |= affected;
            match one.fate {
                Fate::Acknowledged => {
                    self.acknowledged += 1;
                    if affected && self.servable.is_some() {
                        self.successes[one.cell].get_or_insert(now);
                    }
                }
                Fate::NotSent => self.not_sent += 1,
                Fate::Refused => self.refused += 1,
                Fate::Unknown => self.unknown += 1,
            }
        }
        // A call that began long before belongs in part to the phase before.
        let took = now - began;
        let longest = if touches {
            &mut self.longest_affected
        } else {
            &mut self.longest_elsewhere
        };
        *longest = (*longest).max(took);
    }

    /// An event came. Only those count that tell of the fault.
    pub(crate) fn hear(&mut self, event: &Event) {
        let tells = match (self.fault, &event.kind) {
            (Fault::Kill | Fault::Pause | Fault::ClientKill, EventKind::Disconnected { .. }) => {
                true
            }
            (
                Fault::Kill | Fault::Pause | Fault::Reshard,
                EventKind::TopologyChanged { slots_moved, .. },
            ) => *slots_moved > 0,
            (
                Fault::Return | Fault::Resume,
                EventKind::Reconnected { .. } | EventKind::Connected,
            ) => true,
            _ => false,
        };
        if tells {
            self.noticed.get_or_insert_with(Instant::now);
        }
    }

    /// The cluster can serve the affected slots from now on.
    pub(crate) fn now_servable(&mut self) {
        self.servable.get_or_insert_with(Instant::now);
    }

    pub(crate) fn affects(&self, cell: usize) -> bool {
        self.affected[cell]
    }

    pub(crate) fn affected_cells(&self) -> usize {
        self.affected.iter().filter(|affected| **affected).count()
    }

    /// From the moment the cluster could serve to the first success on an affected cell.
    pub(crate) fn to_first_success(&self) -> Option<Duration> {
        let first = self.successes.iter().flatten().min()?;
        Some(first.saturating_duration_since(self.servable?))
    }

    /// The same until each affected cell had a success.
    pub(crate) fn to_every_success(&self) -> Option<Duration> {
        let mut last = self.servable?;
        for (success, affected) in self.successes.iter().zip(&self.affected) {
            if *affected {
                last = last.max((*success)?);
            }
        }
        Some(last - self.servable?)
    }

    /// From the fault to the event that told of it.
    pub(crate) fn to_notice(&self) -> Option<Duration> {
        Some(self.noticed?.saturating_duration_since(self.began))
    }

    /// How long the cluster itself could not serve.
    pub(crate) fn outage(&self) -> Option<Duration> {
        Some(self.servable?.saturating_duration_since(self.began))
    }
}
