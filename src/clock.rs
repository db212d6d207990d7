//! The clock that everything is decided by: [`now`].

use std::time::Instant;

/// This instant. By tokio's clock, which timers follow and tests can pause; the standard library's is
/// banned in `clippy.toml`.
#[inline]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
