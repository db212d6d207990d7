//! What every single call was told: [`Ledger`]. The proof at the end compares it with what the
//! servers hold.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::laboratory::fate::Fate;
use crate::phases::Phase;

/// What a command does to its cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// `RPUSH` of an id that no other call pushes.
    Push(u64),
    /// `INCR`.
    Count,
    /// `GET` or `SET`: nothing to prove later but that its reply was its own.
    Other,
}

/// One command, its cell, and what its caller was told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) cell: usize,
    pub(crate) deed: Deed,
    pub(crate) fate: Fate,
}

/// A write and when its caller was told of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) fate: Fate,
    pub(crate) at: Instant,
}

/// All writes to one cell.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    pub(crate) pushes: BTreeMap<u64, Entry>,
    pub(crate) counts: Vec<Entry>,
}

/// Records every call. All of the application runs on one thread, so a `RefCell` will do.
#[derive(Debug)]
pub(crate) struct Ledger {
    deadline: Duration,
    tolerance: Duration,
    state: RefCell<State>,
}

#[derive(Debug)]
struct State {
    writes: Vec<Writes>,
    phases: Vec<Phase>,
    next_id: u64,
    totals: Totals,
}

/// Sums over the whole run.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub(crate) struct Totals {
    /// A pipeline is one call.
    pub(crate) calls: u64,
    pub(crate) commands: u64,
    pub(crate) acknowledged: u64,
    pub(crate) not_sent: u64,
    pub(crate) refused: u64,
    pub(crate) unknown: u64,
    /// Calls that have begun and were not answered yet.
    pub(crate) open: u64,
    /// Calls that took longer than their deadline and the tolerance.
    pub(crate) outlived: u64,
    /// Replies that did not belong to the command they were given to.
    pub(crate) strange_replies: u64,
    #[serde(skip)]
    pub(crate) longest: Duration,
}

impl Ledger {
    pub(crate) fn new(cells: usize, deadline: Duration, tolerance: Duration) -> Self {
        Self {
            deadline,
            tolerance,
            state: RefCell::new(State {
                writes: (0..cells).map(|_| Writes::default()).collect(),
                phases: Vec::new(),
                next_id: 0,
                totals: Totals::default(),
            }),
        }
    }

    /// An id that was never given before.
    pub(crate) fn new_id(&self) -> u64 {
        let mut state = self.state.borrow_mut();
        state.next_id += 1;
        state.next_id
    }

    /// A call begins.
    pub(crate) fn begin(&self) -> Instant {
        self.state.borrow_mut().totals.open += 1;
        Instant::now()
    }

    /// A call that began then was answered; `strange` of its replies were another's.
    pub(crate) fn end(&self, began: Instant, told: &[Told], strange: u64) {
        let now = Instant::now();
        let took = now - began;
        let mut state = self.state.borrow_mut();
        let State {
            writes,
            phases,
            totals,
            ..
        } = &mut *state;
        totals.open -= 1;
        totals.calls += 1;
        totals.strange_replies += strange;
        totals.longest = totals.longest.max(took);
        totals.outlived += u64::from(took > self.deadline + self.tolerance);
        for one in told {
            totals.commands += 1;
            match one.fate {
                Fate::Acknowledged => totals.acknowledged += 1,
                Fate::NotSent => totals.not_sent += 1,
                Fate::Refused => totals.refused += 1,
                Fate::Unknown => totals.unknown += 1,
            }
            let entry = Entry {
                fate: one.fate,
                at: now,
            };
            match one.deed {
                Deed::Push(id) => drop(writes[one.cell].pushes.insert(id, entry)),
                Deed::Count => writes[one.cell].counts.push(entry),
                Deed::Other => {}
            }
        }
        if let Some(phase) = phases.last_mut() {
            phase.record(began, now, told);
        }
    }

    /// From now on calls are counted for this phase.
    pub(crate) fn enter(&self, phase: Phase) {
        self.state.borrow_mut().phases.push(phase);
    }

    /// Looks at the present phase, or changes it.
    pub(crate) fn phase<T>(&self, look: impl FnOnce(&mut Phase) -> T) -> Option<T> {
        self.state.borrow_mut().phases.last_mut().map(look)
    }

    pub(crate) fn totals(&self) -> Totals {
        self.state.borrow().totals
    }

    /// How long a call may take at most.
    pub(crate) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// How much later than its deadline an answer may be seen on a busy machine.
    pub(crate) fn tolerance(&self) -> Duration {
        self.tolerance
    }

    /// Looks at all writes and phases.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&[Writes], &[Phase]) -> T) -> T {
        let state = self.state.borrow();
        look(&state.writes, &state.phases)
    }
}
