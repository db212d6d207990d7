//! The runtime on which the fake nodes and the proxies run.
//!
//! It has a thread of its own, so that they answer also while the thread under test is busy, is
//! blocked or has its clock paused, and whatever runtime (actix, tokio, none) a test uses.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::runtime::{Builder, Handle, Runtime};

/// The handle of the one background runtime of this process.
pub fn handle() -> &'static Handle {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME
        .get_or_init(|| {
            Builder::new_multi_thread()
                .worker_threads(1)
                .thread_name("fixtures")
                .enable_all()
                .build()
                .expect("a process can start one more thread")
        })
        .handle()
}

/// State that the background shares with tests. Only whole values are stored there, so a panic of
/// another holder leaves it sound.
pub fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
