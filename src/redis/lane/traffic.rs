//! How many requests connections take from lanes, told without asking each: [`Traffic`].

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::redis::lane::Lane;

/// Lanes from which something was taken since they were last counted. A lane enters itself, once,
/// so that ten thousand idle ones cost whoever counts nothing.
#[derive(Debug, Default)]
pub(crate) struct Traffic(Mutex<Vec<Weak<Lane>>>);

impl Traffic {
    /// Counts those lanes; one that is gone counts no more.
    pub(crate) fn count(&self) -> Vec<(Arc<Lane>, usize)> {
        let entered = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
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
        let mut entered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entered.push(Weak::clone(lane));
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
