//! The clock that everything is decided by: [`now`]; and for what may be a little later, [`soon`].

#[cfg(all(feature = "redis", target_os = "linux"))]
mod coarse;

use std::time::Instant;

#[cfg(all(feature = "redis", target_os = "linux", not(test)))]
pub(crate) use coarse::soon;
#[cfg(all(feature = "redis", any(test, not(target_os = "linux"))))]
pub(crate) use now as soon;

/// A shorter time is counted from [`now`]: of this one, what [`soon`] is ahead is 1 % at most.
#[cfg(feature = "redis")]
pub(crate) const SHORT: std::time::Duration = std::time::Duration::from_secs(1);

/// This instant. By tokio's clock, which timers follow and tests can pause; the standard library's is
/// banned in `clippy.toml`.
#[inline]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
