//! CPU time: of this process, of its children, and of servers.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Of all threads of this process.
pub(crate) fn own() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Of the children of this process that have ended; in steps of 10 ms.
pub(crate) fn children() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    // cutime and cstime: fields 16 and 17 of all, of which the first two are cut off.
    let ticks: u64 = fields
        .split_whitespace()
        .skip(13)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

/// Of the main threads of these processes: where a Redis server executes commands.
pub(crate) fn of_servers(pids: &[u32]) -> Duration {
    let nanos = pids.iter().filter_map(|pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}
