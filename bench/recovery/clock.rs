//! One clock for all processes of this machine: [`now`].

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The time since the machine started.
pub(crate) fn now() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
