//! One run of one client, in a process of its own: [`sample`]. So its CPU time is that of the
//! client and its callers, and nothing that another client left behind.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use crate::cores;
use crate::failure;
use crate::histogram::Histogram;
use crate::peers::{
    BareActor, BareLoop, Cluster, Contender, Fred, Manager, Multiplexed, Peer, Rustis, Target,
    ThroughClient, ThroughRouter, benchmark,
};
use crate::stage::Threads;
use crate::support::waiting::{Failure, Result};
use crate::usage;
use crate::workload::{Call, Workload};

/// One call in so many has its time taken, if there are many: clocks cost CPU, too.
const TIMED: u64 = 8;

/// What a process for one run is told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) contender: Contender,
    pub(crate) workload: Workload,
    pub(crate) target: Target,
    /// Of the servers that do the work.
    pub(crate) pids: Vec<u32>,
    /// On which this process may run.
    pub(crate) cores: Vec<usize>,
    pub(crate) seconds: f64,
}

/// What one run gave.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Calls; a pipeline is one.
    pub(crate) per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// CPU of the client and its callers, for each command.
    pub(crate) cpu_us: f64,
    /// How much of that the kernel worked: for sockets, nearly all of it.
    pub(crate) in_kernel: f64,
    /// How much of its time the server worked; of all servers together in a cluster.
    pub(crate) server_busy: f64,
}

/// The servers' CPU time so far.
pub(crate) struct Seen(Duration);

impl Seen {
    pub(crate) fn now(servers: &[u32]) -> Self {
        Self(usage::of_servers(servers))
    }

    pub(crate) fn busy_since(&self, servers: &[u32], elapsed: Duration) -> f64 {
        let worked = usage::of_servers(servers).saturating_sub(self.0);
        worked.as_secs_f64() / elapsed.as_secs_f64()
    }
}

impl Workload {
    /// Commands in a call.
    pub(crate) fn commands_per_call(&self) -> f64 {
        match self.call {
            Call::Pipeline(count) => count as f64,
            _ => 1.0,
        }
    }
}

/// # Errors
/// The client does not connect, a call fails, or an answer is not the right one.
pub(crate) fn sample(order: &Order) -> Result<Sample> {
    // Threads that are started later, and processes, inherit it.
    cores::stay(&order.cores)?;
    match order.contender {
        Contender::EverlinkClient => everlink::<ThroughClient>(order),
        Contender::EverlinkRouter => everlink::<ThroughRouter>(order),
        Contender::EverlinkHere => here(order),
        Contender::BareLoop => everlink::<BareLoop>(order),
        Contender::BareActor => everlink::<BareActor>(order),
        Contender::RedisRs => peer::<Multiplexed>(order),
        Contender::RedisRsManager => peer::<Manager>(order),
        Contender::RedisRsCluster => peer::<Cluster>(order),
        Contender::Fred => peer::<Fred>(order),
        Contender::Rustis => peer::<Rustis>(order),
        Contender::RedisBenchmark => {
            let time = Duration::from_secs_f64(order.seconds);
            benchmark(&order.target, &order.workload, time, &order.pids)
        }
    }
}

/// In an actix system, unless the callers are on a thread pool.
fn everlink<P: Peer>(order: &Order) -> Result<Sample> {
    match order.workload.threads {
        Threads::Pool(threads) => pool::<P>(order, threads),
        Threads::One | Threads::Each(_) => on_threads(order, |share| {
            let peer = P::connect(&order.target);
            actix::System::new().block_on(run(share, peer, |task| actix::spawn(task)))
        }),
    }
}

/// One client for all arbiters. Its router has a thread of its own, on which nobody calls, like
/// the thread that starts an actix-web server; each caller's arbiter has a connection.
fn here(order: &Order) -> Result<Sample> {
    // No actix system runs on this thread: so the client makes one.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let client = runtime.block_on(ThroughClient::connect(&order.target))?;
    on_threads(order, |share| {
        let peer = client.clone().here();
        actix::System::new().block_on(run(share, peer, |task| actix::spawn(task)))
    })
}

fn peer<P: Peer>(order: &Order) -> Result<Sample> {
    match order.workload.threads {
        Threads::Pool(threads) => pool::<P>(order, threads),
        Threads::One | Threads::Each(_) => on_threads(order, |share| {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let peer = P::connect(&order.target);
            runtime
                .enable_all()
                .build()?
                .block_on(run(share, peer, |task| tokio::spawn(task)))
        }),
    }
}

fn pool<P: Peer>(order: &Order, threads: usize) -> Result<Sample> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(threads).enable_all().build()?;
    on_threads(order, |share| {
        let peer = P::connect(&order.target);
        runtime.block_on(run(share, peer, |task| tokio::spawn(task)))
    })
}

/// One client's part of the work.
struct Share<'a> {
    order: &'a Order,
    first: usize,
    tasks: usize,
    /// Everybody begins and ends together.
    gate: &'a Gate,
}

/// Where the clients of one process meet: once all are warm, one of them takes the time.
struct Gate {
    warm: std::sync::Barrier,
    measuring: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
}

/// What the tasks of one client did while it was measured.
struct Tally {
    calls: u64,
    latencies: Histogram,
    elapsed: Duration,
    cpu: Duration,
    in_kernel: Duration,
    server_busy: f64,
}

/// Runs each client on a thread of its own, and puts their figures together.
fn on_threads(order: &Order, run: impl Fn(Share<'_>) -> Result<Tally> + Sync) -> Result<Sample> {
    let clients = order.workload.threads.clients();
    let gate = Gate {
        warm: std::sync::Barrier::new(clients),
        measuring: Arc::default(),
        over: Arc::default(),
    };
    let tasks = order.workload.tasks;
    let shares = (0..clients).map(|client| {
        let first = tasks * client / clients;
        Share {
            order,
            first,
            tasks: tasks * (client + 1) / clients - first,
            gate: &gate,
        }
    });
    let tallies: Result<Vec<Tally>> = std::thread::scope(|scope| {
        let threads: Vec<_> = shares.map(|share| scope.spawn(|| run(share))).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined
            .map(|ended| ended.unwrap_or_else(|_| Err(Failure::new("a client panicked"))))
            .collect()
    });
    Ok(together(order, &tallies?))
}

fn together(order: &Order, tallies: &[Tally]) -> Sample {
    let mut latencies = Histogram::new();
    let mut calls = 0;
    for tally in tallies {
        calls += tally.calls;
        latencies.add(&tally.latencies);
    }
    // All saw the same time, and the same process.
    let seen = &tallies[0];
    Sample {
        per_second: calls as f64 / seen.elapsed.as_secs_f64(),
        p50_us: latencies.quantile_us(0.5),
        p99_us: latencies.quantile_us(0.99),
        cpu_us: seen.cpu.as_secs_f64() * 1e6
            / (calls.max(1) as f64 * order.workload.commands_per_call()),
        in_kernel: seen.in_kernel.as_secs_f64() / seen.cpu.as_secs_f64(),
        server_busy: seen.server_busy,
    }
}

async fn run<P: Peer, S>(
    share: Share<'_>,
    peer: impl Future<Output = Result<P>>,
    spawn: S,
) -> Result<Tally>
where
    S: Fn(std::pin::Pin<Box<dyn Future<Output = Result<u64>> + Send>>) -> JoinHandle<Result<u64>>,
{
    let order = share.order;
    let peer = peer.await?;
    let latencies = Arc::new(Mutex::new(Histogram::new()));
    let tasks: Vec<_> = (share.first..share.first + share.tasks)
        .map(|task| {
            let caller = Caller {
                peer: peer.clone(),
                call: order.workload.call,
                key: order.workload.call.key(task),
                timed: if order.workload.tasks >= 8 { TIMED } else { 1 },
                latencies: Arc::clone(&latencies),
                measuring: Arc::clone(&share.gate.measuring),
                over: Arc::clone(&share.gate.over),
            };
            spawn(Box::pin(caller.work()))
        })
        .collect();
    let time = Duration::from_secs_f64(order.seconds);
    // Warm-up: caches, buffers and the sizes of batches find their level.
    tokio::time::sleep(time / 4).await;
    // The callers of this thread stand still for a moment; the others are not measured yet.
    share.gate.warm.wait();
    share.gate.measuring.store(true, Ordering::Relaxed);
    let (began, seen) = (Instant::now(), Seen::now(&order.pids));
    let (cpu, in_kernel) = (usage::own(), usage::own_in_kernel());
    // The time over which calls are counted.
    tokio::time::sleep(time).await;
    let (cpu, in_kernel) = (usage::own() - cpu, usage::own_in_kernel() - in_kernel);
    let elapsed = began.elapsed();
    let server_busy = seen.busy_since(&order.pids, elapsed);
    share.gate.over.store(true, Ordering::Relaxed);
    let mut calls = 0;
    for task in tasks {
        calls += task.await.map_err(failure)??;
    }
    let latencies = std::mem::take(&mut *held(&latencies));
    Ok(Tally {
        calls,
        latencies,
        elapsed,
        cpu,
        in_kernel,
        server_busy,
    })
}

fn held(latencies: &Mutex<Histogram>) -> MutexGuard<'_, Histogram> {
    latencies.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One task: one call after the other.
struct Caller<P> {
    peer: P,
    call: Call,
    key: String,
    timed: u64,
    /// Of all tasks of this client: one for each would not stay in the processor's cache, and
    /// be seen in everybody's CPU time.
    latencies: Arc<Mutex<Histogram>>,
    measuring: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
}

impl<P: Peer> Caller<P> {
    /// How many calls it made while it was measured.
    async fn work(mut self) -> Result<u64> {
        let payload = self.call.payload();
        let (mut made, mut measured) = (0u64, 0);
        while !self.over.load(Ordering::Relaxed) {
            let measuring = self.measuring.load(Ordering::Relaxed);
            let began = made.is_multiple_of(self.timed).then(Instant::now);
            let size = self.peer.call(self.call, &self.key, &payload).await?;
            made += 1;
            if let Some(expected) = self.call.expected()
                && size != expected
            {
                return Err(Failure::new(format!(
                    "an answer of {size}, not of {expected}"
                )));
            }
            if measuring {
                measured += 1;
                if let Some(began) = began {
                    held(&self.latencies).note(began.elapsed());
                }
            }
        }
        Ok(measured)
    }
}
