//! Every call that was made and what its caller was told: [`History`].
//!
//! Times are counted from the beginning of the round, so that the checker needs no clock.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use crate::laboratory::fate::Fate;

/// How much later than its deadline an answer may be seen, besides the time for which this process
/// itself did not get to run.
pub(crate) const TOLERANCE: Duration = Duration::from_millis(250);

/// One command: when it was made, when its caller was told, and what.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
    pub(crate) fate: Fate,
    /// The error, as its caller saw it.
    pub(crate) said: Option<Rc<str>>,
}

/// `RPUSH` of an id that no other command pushes.
#[derive(Debug, Clone)]
pub(crate) struct Push {
    pub(crate) record: Record,
    /// The length of the list that was replied: where the id stands.
    pub(crate) length: Option<u64>,
}

/// `INCR`.
#[derive(Debug, Clone)]
pub(crate) struct Count {
    pub(crate) record: Record,
    pub(crate) value: Option<u64>,
}

/// A successful `GET`, and which `SET` wrote what it saw.
#[derive(Debug, Clone)]
pub(crate) struct Get {
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
    pub(crate) value: Option<u64>,
}

/// All commands on one cell.
#[derive(Debug, Clone, Default)]
pub(crate) struct CellHistory {
    pub(crate) pushes: BTreeMap<u64, Push>,
    pub(crate) counts: Vec<Count>,
    pub(crate) sets: BTreeMap<u64, Record>,
    pub(crate) gets: Vec<Get>,
}

/// What a command did, with what its reply said of it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Deed {
    Push { id: u64, length: Option<u64> },
    Count { value: Option<u64> },
    Set { id: u64 },
    Get { value: Option<u64> },
}

/// A call that was answered later than its deadline and [`TOLERANCE`].
#[derive(Debug, Clone)]
pub(crate) struct Late {
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) allowed: Duration,
    pub(crate) said: String,
}

/// Sums over one round.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub(crate) struct Totals {
    /// A pipeline is one call.
    pub(crate) calls: u64,
    pub(crate) commands: u64,
    pub(crate) acknowledged: u64,
    pub(crate) not_sent: u64,
    pub(crate) refused: u64,
    pub(crate) unknown: u64,
    /// Calls whose caller went away before the answer.
    pub(crate) given_up: u64,
    /// Commands of unknown outcome that the caller sent again, where it does so.
    pub(crate) sent_again: u64,
    /// Calls that were not answered when the round ended.
    pub(crate) open: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.commands += other.commands;
        self.acknowledged += other.acknowledged;
        self.not_sent += other.not_sent;
        self.refused += other.refused;
        self.unknown += other.unknown;
        self.given_up += other.given_up;
        self.sent_again += other.sent_again;
        self.open += other.open;
    }
}

/// Records one round. All of it runs on one thread, so a `RefCell` will do.
#[derive(Debug)]
pub(crate) struct History {
    began: Instant,
    state: RefCell<State>,
}

#[derive(Debug)]
struct State {
    cells: Vec<CellHistory>,
    next_id: u64,
    totals: Totals,
    longest: Duration,
    late: Vec<Late>,
    strange: Vec<String>,
}

impl History {
    pub(crate) fn new(cells: usize) -> Self {
        Self {
            began: Instant::now(),
            state: RefCell::new(State {
                cells: vec![CellHistory::default(); cells],
                next_id: 0,
                totals: Totals::default(),
                longest: Duration::ZERO,
                late: Vec::new(),
                strange: Vec::new(),
            }),
        }
    }

    /// The time now.
    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// An id that was never given before in this round.
    pub(crate) fn new_id(&self) -> u64 {
        let mut state = self.state.borrow_mut();
        state.next_id += 1;
        state.next_id
    }

    pub(crate) fn open(&self) -> u64 {
        self.state.borrow().totals.open
    }

    /// A call begins.
    pub(crate) fn begin(&self) -> Duration {
        let mut state = self.state.borrow_mut();
        state.totals.open += 1;
        state.totals.calls += 1;
        self.now()
    }

    /// A call was answered that had `allowed` time.
    pub(crate) fn answered(&self, began: Duration, allowed: Duration, said: impl Fn() -> String) {
        let ended = Instant::now();
        let began = self.began + began;
        let mut state = self.state.borrow_mut();
        state.longest = state.longest.max(ended - began);
        if ended - began > allowed + TOLERANCE {
            let said = said();
            state.late.push(Late {
                began,
                ended,
                allowed,
                said,
            });
        }
    }

    pub(crate) fn given_up(&self) {
        self.state.borrow_mut().totals.given_up += 1;
    }

    pub(crate) fn sent_again(&self) {
        self.state.borrow_mut().totals.sent_again += 1;
    }

    /// A reply that does not belong to its command.
    pub(crate) fn strange(&self, what: String) {
        self.state.borrow_mut().strange.push(what);
    }

    /// A call is over, its records follow.
    pub(crate) fn end(&self) {
        self.state.borrow_mut().totals.open -= 1;
    }

    pub(crate) fn record(&self, cell: usize, deed: Deed, record: Record) {
        let mut state = self.state.borrow_mut();
        state.totals.commands += 1;
        match record.fate {
            Fate::Acknowledged => state.totals.acknowledged += 1,
            Fate::NotSent => state.totals.not_sent += 1,
            Fate::Refused => state.totals.refused += 1,
            Fate::Unknown => state.totals.unknown += 1,
        }
        let cell = &mut state.cells[cell];
        match deed {
            Deed::Push { id, length } => drop(cell.pushes.insert(id, Push { record, length })),
            Deed::Count { value } => cell.counts.push(Count { record, value }),
            Deed::Set { id } => drop(cell.sets.insert(id, record)),
            Deed::Get { value } if record.fate == Fate::Acknowledged => cell.gets.push(Get {
                began: record.began,
                ended: record.ended,
                value,
            }),
            Deed::Get { .. } => {}
        }
    }

    pub(crate) fn totals(&self) -> Totals {
        self.state.borrow().totals
    }

    pub(crate) fn longest(&self) -> Duration {
        self.state.borrow().longest
    }

    /// Looks at all of it: the cells, calls that were answered late, replies that were strange.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&[CellHistory], &[Late], &[String]) -> T) -> T {
        let state = self.state.borrow();
        look(&state.cells, &state.late, &state.strange)
    }
}
