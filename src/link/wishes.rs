//! How a connection that is one future is told to end: [`Wishes`].

use std::cell::Cell;

use tokio::sync::Notify;

use crate::link::backend::Close;
use crate::link::wish::Wish;

/// Between a [`Task`](crate::link::Task) and the work of its future.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    wish: Cell<Wish>,
    news: Notify,
    /// There is something to finish.
    running: Cell<bool>,
}

impl Wishes {
    /// From now on the work hears what is wished, and ends by itself.
    pub(crate) fn run(&self) {
        self.running.set(true);
    }

    /// For [`Task::on_close`](crate::link::Task::on_close): whether the work will end by itself.
    pub(crate) fn hear(&self, close: Close) -> bool {
        self.wish.set(match close {
            Close::Drain if self.wish.get() != Wish::Now => Wish::Drain,
            Close::Drain | Close::Now => Wish::Now,
        });
        self.news.notify_one();
        self.running.get()
    }

    pub(crate) fn wish(&self) -> Wish {
        self.wish.get()
    }

    /// Waits until something was wished since the last time.
    pub(crate) async fn changed(&self) {
        self.news.notified().await;
    }
}
