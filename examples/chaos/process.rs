//! What this process holds: [`Holdings`], as Linux tells in `/proc`.

use std::fs;
use std::time::Duration;

use serde::Serialize;

use crate::support::waiting::{Failure, Result};

/// Taken while nothing is asked of the client.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Holdings {
    pub(crate) resident_kib: u64,
    pub(crate) threads: u64,
    pub(crate) sockets: u64,
    /// How often the threads woke up within [`WATCHED`]: a timer that was left behind shows here.
    pub(crate) wake_ups: u64,
}

/// How long the wake-ups are counted.
const WATCHED: Duration = Duration::from_secs(2);
/// What memory may grow by: the allocator keeps what was used once.
const MEMORY_SLACK_KIB: u64 = 48 * 1024;
/// Wake-ups come and go with health checks and refreshes.
const WAKE_UP_SLACK: u64 = 150;

impl Holdings {
    /// # Errors
    /// There is no `/proc`.
    pub(crate) async fn take() -> Result<Self> {
        let before = wake_ups()?;
        // What is counted is what wakes up in this time.
        tokio::time::sleep(WATCHED).await;
        let wake_ups = wake_ups()?.saturating_sub(before);
        let status = fs::read_to_string("/proc/self/status")?;
        let figure = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let figure = line.and_then(|rest| rest.split_whitespace().nth(1));
            let figure = figure.and_then(|figure| figure.parse().ok());
            figure.ok_or_else(|| Failure::new(format!("/proc/self/status tells no {name}")))
        };
        Ok(Self {
            resident_kib: figure("VmRSS")?,
            threads: figure("Threads")?,
            sockets: sockets()?,
            wake_ups,
        })
    }

    /// In what they exceed the baseline.
    pub(crate) fn exceed(&self, baseline: &Self) -> Vec<String> {
        let limits = [
            (
                "KiB of memory",
                self.resident_kib,
                baseline.resident_kib + MEMORY_SLACK_KIB,
            ),
            ("threads", self.threads, baseline.threads),
            ("sockets", self.sockets, baseline.sockets),
            (
                "wake-ups when idle",
                self.wake_ups,
                baseline.wake_ups * 2 + WAKE_UP_SLACK,
            ),
        ];
        let exceeding = limits.iter().filter(|(_, now, limit)| now > limit);
        exceeding
            .map(|(what, now, limit)| format!("{now} {what}, at most {limit} expected"))
            .collect()
    }
}

/// How many sockets are open.
///
/// # Errors
/// There is no `/proc`.
pub(crate) fn sockets() -> Result<u64> {
    let open = fs::read_dir("/proc/self/fd")?;
    // One that is closed meanwhile is none.
    let targets = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let sockets = targets.filter(|target| target.to_string_lossy().starts_with("socket:"));
    Ok(sockets.count() as u64)
}

fn wake_ups() -> Result<u64> {
    let mut all = 0;
    for thread in fs::read_dir("/proc/self/task")? {
        // A thread that ends meanwhile wakes up no more.
        let Ok(status) = fs::read_to_string(thread?.path().join("status")) else {
            continue;
        };
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        all += line
            .and_then(|count| count.trim().parse::<u64>().ok())
            .unwrap_or(0);
    }
    Ok(all)
}
