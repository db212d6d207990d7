//! When the cluster itself may lose what it acknowledged: [`Windows`].

use std::cell::RefCell;
use std::time::Duration;

/// How long before a primary is lost its replica may lag behind it.
const LAG: Duration = Duration::from_secs(1);

/// From shortly before a primary was lost until its successor was accepted by all, for the cells
/// that it served: replication is asynchronous, what a primary acknowledged in that time its replica
/// may never have got. No client can prevent that.
#[derive(Debug, Clone)]
struct Window {
    cells: Vec<bool>,
    from: Duration,
    until: Duration,
}

/// All of one round.
#[derive(Debug, Default)]
pub(crate) struct Windows(RefCell<Vec<Window>>);

impl Windows {
    /// A failover of the node that served these cells was seen, at some time between these two.
    pub(crate) fn add(&self, cells: Vec<bool>, from: Duration, until: Duration) {
        let from = from.saturating_sub(LAG);
        self.0.borrow_mut().push(Window { cells, from, until });
    }

    /// Whether some of the time from `began` to `ended` is in a window of this cell.
    pub(crate) fn touch(&self, cell: usize, began: Duration, ended: Duration) -> bool {
        let windows = self.0.borrow();
        let mut of_cell = windows.iter().filter(|window| window.cells[cell]);
        of_cell.any(|window| window.from <= ended && began <= window.until)
    }
}
