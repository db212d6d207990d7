//! The server's own benchmark tool: one connection, as many commands in a pipeline as there are
//! tasks. It does nothing with a reply but count it.

use std::process::Command;
use std::time::{Duration, Instant};

use super::Target;
use crate::load::{Sample, Seen};
use crate::stage::Threads;
use crate::support::waiting::{Failure, Result};
use crate::usage;
use crate::workload::{Call, Workload};

/// The least that tells its speed.
const TRIAL: Duration = Duration::from_millis(50);

/// Whether it can do this with one connection.
pub(crate) fn can(workload: &Workload) -> bool {
    workload.threads == Threads::One && !workload.cluster
}

/// # Errors
/// It is not installed, or fails.
pub(crate) fn benchmark(
    target: &Target,
    workload: &Workload,
    time: Duration,
    servers: &[u32],
) -> Result<Sample> {
    // Its run is measured in commands, not in time: first it tells how many it can do. Of a run too
    // short for its clock it says that it is infinitely fast.
    let mut least = workload.tasks as u64 * 20 * workload.commands_per_call() as u64;
    let trial = loop {
        let began = Instant::now();
        let trial = run(target, workload, least)?;
        if began.elapsed() >= TRIAL && trial.per_second.is_finite() {
            break trial;
        }
        least *= 4;
    };
    let wanted = (trial.per_second * time.as_secs_f64()) as u64;
    let seen = Seen::now(servers);
    let before = usage::children();
    let began = Instant::now();
    let told = run(target, workload, wanted.max(least))?;
    let after = usage::children();
    let (cpu, in_kernel) = (after.0 - before.0, after.1 - before.1);
    Ok(Sample {
        per_second: told.per_second / workload.commands_per_call(),
        p50_us: told.p50_ms * 1_000.0,
        p99_us: told.p99_ms * 1_000.0,
        cpu_us: cpu.as_secs_f64() * 1e6 / told.calls as f64,
        in_kernel: in_kernel.as_secs_f64() / cpu.as_secs_f64(),
        server_busy: seen.busy_since(servers, began.elapsed()),
    })
}

struct Told {
    calls: u64,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

fn run(target: &Target, workload: &Workload, calls: u64) -> Result<Told> {
    let call = workload.call;
    let (key, value) = (call.key(0), call.value());
    let (depth, command): (usize, Vec<&str>) = match call {
        Call::Get(_) => (1, vec!["GET", &key]),
        Call::Set(_) => (1, vec!["SET", &key, &value]),
        Call::Incr => (1, vec!["INCR", &key]),
        Call::Pipeline(count) => (count, vec!["GET", &key]),
        Call::Range(_) => (1, vec!["LRANGE", &key, "0", "-1"]),
    };
    let output = Command::new("redis-benchmark")
        .args([
            "-h",
            "127.0.0.1",
            "-p",
            &target.ports[0].to_string(),
            "-c",
            "1",
            "--csv",
        ])
        .args([
            "-P",
            &(depth * workload.tasks).to_string(),
            "-n",
            &calls.to_string(),
        ])
        .args(command)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().last().unwrap_or_default();
    // "test","rps","avg_latency_ms","min","p50","p95","p99","max": the test may hold commas.
    let fields: Vec<f64> = (line.rsplit(','))
        .take(7)
        .filter_map(|field| field.trim_matches('"').parse().ok())
        .collect();
    match fields[..] {
        [_max, p99_ms, _p95, p50_ms, _min, _average, per_second] => Ok(Told {
            calls,
            per_second,
            p50_ms,
            p99_ms,
        }),
        _ => Err(Failure::new(format!("redis-benchmark said: {text}"))),
    }
}
