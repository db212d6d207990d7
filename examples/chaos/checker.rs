//! The checker: what callers were told, compared with what the servers hold. It knows no clock, no
//! socket and nothing of everlink but the words for a command's fate.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::history::{CellHistory, Get, Record};
use crate::laboratory::fate::Fate;
use crate::laboratory::held::Held;
use crate::windows::Windows;

/// A promise that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Promise {
    /// What was acknowledged is there, unless a failover explains it.
    AcknowledgedIsKept,
    /// Nothing is executed twice.
    OnceOnly,
    /// What was reported as not sent or refused was not executed.
    DeniedIsNotDone,
    /// A reply belongs to its own command.
    OwnReply,
    /// A read is not older than a write that was acknowledged before it was made.
    NoStaleRead,
    /// Every call ends by its deadline.
    EndsInTime,
    /// Every call ends.
    Ends,
    /// Memory, threads, sockets and wake-ups come back to where they were.
    BackToBaseline,
}

impl Promise {
    pub(crate) const ALL: [Self; 8] = [
        Self::AcknowledgedIsKept,
        Self::OnceOnly,
        Self::DeniedIsNotDone,
        Self::OwnReply,
        Self::NoStaleRead,
        Self::EndsInTime,
        Self::Ends,
        Self::BackToBaseline,
    ];

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::AcknowledgedIsKept => "no acknowledged write is lost but by a failover",
            Self::OnceOnly => "nothing is executed twice",
            Self::DeniedIsNotDone => "nothing that was not sent or refused is executed",
            Self::OwnReply => "every reply belongs to its own command",
            Self::NoStaleRead => "no read is older than an acknowledged write",
            Self::EndsInTime => "every call ends by its deadline",
            Self::Ends => "every call ends",
            Self::BackToBaseline => {
                "memory, threads, sockets and wake-ups return to their baseline"
            }
        }
    }
}

/// A broken promise, and where.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Violation {
    pub(crate) promise: Promise,
    pub(crate) what: String,
}

/// What was found.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Findings {
    pub(crate) violations: Vec<Violation>,
    /// Acknowledged writes that are there.
    pub(crate) kept: u64,
    /// Acknowledged, and lost by the cluster at a failover.
    pub(crate) lost_at_failover: u64,
    /// Of unknown outcome, and executed: neither good nor bad.
    pub(crate) unknown_but_executed: u64,
    /// Reads that were compared with the writes before them.
    pub(crate) reads: u64,
}

impl Findings {
    pub(crate) fn broken(&mut self, promise: Promise, what: String) {
        self.violations.push(Violation { promise, what });
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.violations.extend(other.violations);
        self.kept += other.kept;
        self.lost_at_failover += other.lost_at_failover;
        self.unknown_but_executed += other.unknown_but_executed;
        self.reads += other.reads;
    }

    /// Compares one cell; `name` is for people.
    pub(crate) fn check(
        &mut self,
        (cell, name): (usize, &str),
        held: &Held,
        history: &CellHistory,
        windows: &Windows,
    ) {
        let mut cell = Cell {
            name,
            excused: &|record: &Record| windows.touch(cell, record.began, record.ended),
            unclear: &|get: &Get| windows.touch(cell, get.began, get.ended),
            history,
            findings: self,
        };
        cell.list(&held.list);
        cell.counter(held.counter);
        cell.register();
    }
}

/// One cell, while it is checked.
struct Cell<'a> {
    name: &'a str,
    /// Whether a failover may have undone the command.
    excused: &'a dyn Fn(&Record) -> bool,
    unclear: &'a dyn Fn(&Get) -> bool,
    history: &'a CellHistory,
    findings: &'a mut Findings,
}

impl Cell<'_> {
    fn broken(&mut self, promise: Promise, what: String, record: Option<&Record>) {
        let told = record.map_or_else(String::new, |record| {
            let said = record.said.as_deref().unwrap_or("no error");
            format!(
                "; made at {:.3?}, {:?} at {:.3?}: {said}",
                record.began, record.fate, record.ended
            )
        });
        let name = self.name;
        self.findings
            .broken(promise, format!("{name}: {what}{told}"));
    }

    fn list(&mut self, list: &[u64]) {
        let history = self.history;
        let mut places: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for (place, id) in (1..).zip(list) {
            places.entry(*id).or_default().push(place);
        }
        for (id, places) in &places {
            let push = history.pushes.get(id);
            let record = push.map(|push| &push.record);
            if places.len() > 1 {
                let what = format!("id {id} was pushed {} times", places.len());
                self.broken(Promise::OnceOnly, what, record);
            }
            match record.map(|record| record.fate) {
                Some(Fate::Acknowledged) => {}
                Some(Fate::Unknown) => self.findings.unknown_but_executed += 1,
                Some(Fate::NotSent | Fate::Refused) | None => {
                    let what = format!("id {id} is in the list");
                    self.broken(Promise::DeniedIsNotDone, what, record);
                }
            }
        }
        for (id, push) in &history.pushes {
            if push.record.fate != Fate::Acknowledged {
                continue;
            }
            match places.get(id) {
                Some(places) => {
                    self.findings.kept += 1;
                    // A failover takes away from the end only: what is left stands where it stood.
                    let length = push.length.unwrap_or_default();
                    if !places.contains(&length) {
                        let what = format!("id {id} stands at {places:?}, replied was {length}");
                        self.broken(Promise::OwnReply, what, Some(&push.record));
                    }
                }
                None if (self.excused)(&push.record) => self.findings.lost_at_failover += 1,
                None => {
                    let what = format!("id {id} is not in the list");
                    self.broken(Promise::AcknowledgedIsKept, what, Some(&push.record));
                }
            }
        }
    }

    fn counter(&mut self, held: u64) {
        let counts = &self.history.counts;
        let with = |fate| counts.iter().filter(move |count| count.record.fate == fate);
        let excused = self.excused;
        let acknowledged = with(Fate::Acknowledged).count() as u64;
        let unknown = with(Fate::Unknown).count() as u64;
        let losable = with(Fate::Acknowledged).filter(|count| excused(&count.record));
        let losable = losable.count() as u64;
        self.findings.kept += acknowledged.min(held);
        self.findings.lost_at_failover += acknowledged.saturating_sub(held).min(losable);
        if held + losable < acknowledged {
            let what = format!(
                "the counter is {held}, {acknowledged} were acknowledged, of which failovers explain \
                 the loss of {losable}"
            );
            self.broken(Promise::AcknowledgedIsKept, what, None);
        }
        if held > acknowledged + unknown {
            let what = format!(
                "the counter is {held}, {acknowledged} were acknowledged and {unknown} are unknown"
            );
            self.broken(Promise::OnceOnly, what, None);
        }
        // Each command must have got a value of its own, unless the cluster forgot one of them.
        let mut owners: BTreeMap<u64, &Record> = BTreeMap::new();
        for count in with(Fate::Acknowledged).filter(|count| !excused(&count.record)) {
            let value = count.value.unwrap_or_default();
            if let Some(other) = owners.insert(value, &count.record) {
                let what = format!(
                    "{value} was replied also to the one made at {:.3?}",
                    other.began
                );
                self.broken(Promise::OwnReply, what, Some(&count.record));
            }
        }
        if let Some((value, record)) = owners.last_key_value()
            && *value > held
        {
            let what = format!("the counter is {held}, but {value} was replied");
            self.broken(Promise::AcknowledgedIsKept, what, Some(record));
        }
    }

    fn register(&mut self) {
        let history = self.history;
        // Acknowledged writes by the time they ended; with each, the latest beginning up to it.
        let mut writes: Vec<(Duration, Duration, u64)> = history
            .sets
            .iter()
            .filter(|(_, set)| set.fate == Fate::Acknowledged && !(self.excused)(set))
            .map(|(id, set)| (set.ended, set.began, *id))
            .collect();
        writes.sort_unstable();
        let mut latest: Vec<(Duration, u64)> = Vec::with_capacity(writes.len());
        for (_, began, id) in &writes {
            let before = latest.last().copied().unwrap_or_default();
            latest.push(before.max((*began, *id)));
        }
        for get in history.gets.iter().filter(|get| !(self.unclear)(get)) {
            self.findings.reads += 1;
            let ended = match get.value {
                None => None,
                Some(id) => match history.sets.get(&id) {
                    None => {
                        let what = format!("{id} was read, which nobody wrote");
                        self.broken(Promise::OwnReply, what, None);
                        continue;
                    }
                    Some(set) if matches!(set.fate, Fate::NotSent | Fate::Refused) => {
                        let what = format!("value {id} was read");
                        self.broken(Promise::DeniedIsNotDone, what, Some(set));
                        continue;
                    }
                    Some(set) if set.began > get.ended => {
                        let what =
                            format!("{id} was read at {:.3?}, before it was written", get.ended);
                        self.broken(Promise::OwnReply, what, Some(set));
                        continue;
                    }
                    // It may have been executed at any time later on.
                    Some(set) if set.fate == Fate::Unknown || (self.excused)(set) => continue,
                    Some(set) => Some(set.ended),
                },
            };
            // The latest-begun write that was acknowledged before the read was made.
            let known = writes.partition_point(|(ended, ..)| *ended < get.began);
            let newer = latest[..known].last();
            if let Some((began, newer)) = newer
                && ended.is_none_or(|ended| *began > ended)
            {
                let what = format!(
                    "{:?} was read between {:.3?} and {:.3?}, after {newer} was acknowledged",
                    get.value, get.began, get.ended
                );
                self.broken(Promise::NoStaleRead, what, history.sets.get(newer));
            }
        }
    }
}

#[cfg(test)]
mod tests;
