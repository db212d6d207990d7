//! What finished commands leave behind for the next ones: [`Spares`] of a thread, and the [`Depot`]
//! through which one thread's surplus reaches another.
//!
//! An allocator keeps a handful of freed pieces at hand (glibc: seven of a size for each thread)
//! and goes a long way for more. With 64 commands in flight each buffer and each request went
//! that way: 420 of the 3,820 instructions of a `GET`. Where callers and connection are on different threads,
//! each was freed under the lock of the callers' arena: with callers on a pool of two threads three of four calls
//! of the kernel's `futex` were for that.

use std::cell::RefCell;
use std::sync::{Mutex, MutexGuard};

/// How many a thread keeps.
const MOST: usize = 256;
/// How many go from one thread to another at once.
const BATCH: usize = MOST / 2;
/// How many lie between threads.
const MOST_SHARED: usize = 1024;

/// A few values that are not needed now, the last one first: it is still in the processor's cache.
#[derive(Debug)]
pub(crate) struct Spares<T: 'static> {
    kept: RefCell<Vec<T>>,
    depot: &'static Depot<T>,
}

/// Where a thread that frees more than it makes leaves a batch, and one that makes more fetches it. Nobody waits
/// for its lock: memory can be had elsewhere.
#[derive(Debug)]
pub(crate) struct Depot<T>(Mutex<Vec<T>>);

impl<T> Depot<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// None while another thread is at it.
    fn open(&self) -> Option<MutexGuard<'_, Vec<T>>> {
        self.0.try_lock().ok()
    }
}

impl<T> Spares<T> {
    pub(crate) const fn new(depot: &'static Depot<T>) -> Self {
        Self {
            kept: RefCell::new(Vec::new()),
            depot,
        }
    }

    #[inline]
    pub(crate) fn take(&self) -> Option<T> {
        let mut kept = self.kept.borrow_mut();
        match kept.pop() {
            None => self.fetch(&mut kept),
            spare => spare,
        }
    }

    /// Keeps it for later. Of too many the oldest go to other threads, or are dropped if those have enough.
    #[inline]
    pub(crate) fn keep(&self, spare: T) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() == MOST {
            self.pass_on(&mut kept);
        }
        kept.push(spare);
    }

    #[cold]
    fn fetch(&self, kept: &mut Vec<T>) -> Option<T> {
        let mut shared = self.depot.open()?;
        let rest = shared.len().saturating_sub(BATCH);
        kept.extend(shared.drain(rest..));
        kept.pop()
    }

    #[cold]
    fn pass_on(&self, kept: &mut Vec<T>) {
        let mut surplus = kept.drain(..BATCH);
        if let Some(mut shared) = self.depot.open() {
            let room = MOST_SHARED - shared.len();
            shared.extend(surplus.by_ref().take(room));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_given_out_again_and_bounded() {
        static DEPOT: Depot<usize> = Depot::new();
        let spares = Spares::new(&DEPOT);
        let all = 2 * (MOST + MOST_SHARED);
        (0..all).for_each(|spare| spares.keep(spare));
        let given: Vec<usize> = std::iter::from_fn(|| spares.take()).collect();
        assert_eq!(given.first(), Some(&(all - 1)), "the last one first");
        assert!(given.len() <= MOST + MOST_SHARED, "{}", given.len());
        assert!(given.len() >= BATCH + MOST_SHARED, "{}", given.len());
    }

    #[test]
    fn the_surplus_of_one_thread_is_used_by_another() {
        static DEPOT: Depot<usize> = Depot::new();
        let freeing = std::thread::spawn(|| {
            let spares = Spares::new(&DEPOT);
            (0..=MOST).for_each(|spare| spares.keep(spare));
        });
        freeing.join().expect("ends");
        let making = Spares::new(&DEPOT);
        let mut given: Vec<usize> = std::iter::from_fn(|| making.take()).collect();
        given.sort_unstable();
        assert!(given.iter().copied().eq(0..BATCH), "the oldest: {given:?}");
    }

    #[test]
    fn nobody_waits_for_another_thread_at_the_depot() {
        static DEPOT: Depot<usize> = Depot::new();
        let spares = Spares::new(&DEPOT);
        let shared = DEPOT.open().expect("nobody is at it");
        assert_eq!(spares.take(), None);
        (0..=MOST).for_each(|spare| spares.keep(spare));
        drop(shared);
        assert_eq!(
            std::iter::from_fn(|| spares.take()).count(),
            MOST - BATCH + 1
        );
    }
}
