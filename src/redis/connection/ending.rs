//! How a running connection is told to end: [`Ending`].

use std::cell::{Cell, RefCell};
use std::task::Waker;

pub(crate) use crate::link::Wish;

/// How a running connection is told to end.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    wish: Cell<Wish>,
    waker: RefCell<Option<Waker>>,
}

impl Ending {
    /// Take nothing more, finish what is in flight, end.
    pub(crate) fn drain(&self) {
        if self.wish.get() == Wish::Run {
            self.set(Wish::Drain);
        }
    }

    /// End at once.
    pub(crate) fn now(&self) {
        self.set(Wish::Now);
    }

    pub(crate) fn wish(&self) -> Wish {
        self.wish.get()
    }

    /// Whom to wake at the next wish. True: somebody else than before.
    pub(crate) fn remember(&self, waker: &Waker) -> bool {
        let mut known = self.waker.borrow_mut();
        if known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            return false;
        }
        *known = Some(waker.clone());
        true
    }

    fn set(&self, wish: Wish) {
        self.wish.set(wish);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
