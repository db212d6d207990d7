//! What this process has used so far: [`Gauge`].

use std::alloc::System;
use std::fs;
use std::time::{Duration, Instant};

use cap::Cap;
use rustix::time::{ClockId, clock_gettime};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// At one instant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gauge {
    at: Instant,
    cpu: Duration,
    heap: usize,
    resident: usize,
}

impl Gauge {
    pub(crate) fn now() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        Self {
            at: Instant::now(),
            cpu: Duration::new(cpu.tv_sec as u64, cpu.tv_nsec as u32),
            heap: ALLOCATOR.allocated(),
            resident: resident(),
        }
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.at.elapsed().as_secs_f64()
    }

    /// CPU since then, in milliseconds.
    pub(crate) fn cpu_ms(&self) -> f64 {
        (Self::now().cpu - self.cpu).as_secs_f64() * 1_000.0
    }

    /// Bytes on the heap more than then.
    pub(crate) fn heap(&self) -> f64 {
        Self::now().heap as f64 - self.heap as f64
    }

    /// Bytes in memory more than then.
    pub(crate) fn resident(&self) -> f64 {
        Self::now().resident as f64 - self.resident as f64
    }

    /// The most bytes on the heap at any time, over those that were there then.
    pub(crate) fn most_heap(&self) -> f64 {
        ALLOCATOR.max_allocated() as f64 - self.heap as f64
    }

    /// Bytes that were asked for since the process began, including those that were given back.
    pub(crate) fn allocated() -> u64 {
        ALLOCATOR.total_allocated() as u64
    }
}

fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<usize>().ok());
    kib.unwrap_or_default() * 1_024
}
