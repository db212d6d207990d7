//! What the connections of one client do, told without asking each: [`Traffic`].

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::redis::lane::Lane;

/// What goes over the connections of one client.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// Lanes from which something was taken since they were last counted. A lane enters itself,
    /// once, so that ten thousand idle ones cost whoever counts nothing.
    entered: Mutex<Vec<Weak<Lane>>>,
    /// Connections whose servers have enough to do.
    working: AtomicUsize,
}

impl Traffic {
    /// Counts those lanes; one that is gone counts no more.
    pub(crate) fn count(&self) -> Vec<(Arc<Lane>, usize)> {
        let entered = std::mem::take(&mut *self.entered());
        let there = entered.iter().filter_map(Weak::upgrade);
        there
            .map(|lane| {
                // What is taken from now on enters it anew.
                lane.lock().entered = false;
                let taken = lane.count_taken();
                (lane, taken)
            })
            .collect()
    }

    #[cold]
    pub(super) fn enter(&self, lane: &Weak<Lane>) {
        self.entered().push(Weak::clone(lane));
    }

    fn entered(&self) -> MutexGuard<'_, Vec<Weak<Lane>>> {
        self.entered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether one connection's server has enough to do; and whether another's has.
#[derive(Debug)]
pub(crate) struct Working {
    traffic: Arc<Traffic>,
    counted: bool,
}

impl Working {
    pub(crate) fn for_lane(lane: &Lane) -> Self {
        Self {
            traffic: Arc::clone(&lane.traffic),
            counted: false,
        }
    }

    #[inline]
    pub(crate) fn set(&mut self, works: bool) {
        if works == self.counted {
            return;
        }
        self.counted = works;
        if works {
            self.traffic.working.fetch_add(1, Ordering::Relaxed);
        } else {
            self.traffic.working.fetch_sub(1, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn others_work(&self) -> bool {
        self.traffic.working.load(Ordering::Relaxed) > usize::from(self.counted)
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.set(false);
    }
}

impl Lane {
    /// How many requests connections took from here since somebody last counted. The lane stays
    /// entered where it is.
    pub(crate) fn count_taken(&self) -> usize {
        std::mem::take(&mut self.lock().taken)
    }

    /// How often somebody looked at it.
    #[cfg(test)]
    pub(crate) fn looks(&self) -> u64 {
        self.looks.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
