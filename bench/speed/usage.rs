//! CPU time: of this process, of its children, and of servers.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Of all threads of this process.
pub(crate) fn own() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Of what [`own`] tells, the part that the kernel worked for it; in steps of 10 ms.
pub(crate) fn own_in_kernel() -> Duration {
    let [_, system, ..] = ticks();
    system
}

/// Of the children of this process that have ended, and the kernel's part of it; in steps of 10 ms.
pub(crate) fn children() -> (Duration, Duration) {
    let [.., user, system] = ticks();
    (user + system, system)
}

/// utime, stime, cutime and cstime of this process: fields 14 to 17, of which the first two are
/// cut off.
fn ticks() -> [Duration; 4] {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let mut ticks = (fields.split_whitespace().skip(11)).map(|field| field.parse().unwrap_or(0));
    std::array::from_fn(|_| Duration::from_millis(ticks.next().unwrap_or(0) * 10))
}

/// Of the main threads of these processes: where a Redis server executes commands.
pub(crate) fn of_servers(pids: &[u32]) -> Duration {
    let nanos = pids.iter().filter_map(|pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}
