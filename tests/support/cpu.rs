//! How much a thread has computed.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// What this thread has computed so far: waiting costs nothing.
pub fn computed() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}
