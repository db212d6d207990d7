//! A whole client in a simulated cluster, in virtual time: six nodes over streams in memory, with
//! random faults and random callers. A seed is a world that can be had again.
//!
//! `EVERLINK_SIM_SEED=n` runs one seed and tells more; `EVERLINK_SIM_SEEDS=n` so many, from
//! `EVERLINK_SIM_FROM` (0) on.

#[cfg(test)]
mod arbiters;
#[cfg(test)]
mod callers;
#[cfg(test)]
mod events;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod idle;
#[cfg(test)]
mod wire;
#[cfg(test)]
mod world;

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::Actor;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, timeout};

use self::callers::{Doors, Told, call, judge, probe};
use self::events::Witness;
use self::world::World;
use crate::endpoint::Endpoint;
use crate::link::SharedGovernor;
use crate::policy::{Backoff, BreakerSettings, Governor, Jitter, RestartPolicy};
use crate::redis::config::{ClusterSettings, Config, InFlight, Timeouts};
use crate::redis::router::cluster::ClusterRouter;
use crate::redis::router::shutdown::Shutdown;
use crate::redis::router::surroundings::Surroundings;
use crate::registry::{Registry, Subscribe};

const COMMAND_TIMEOUT: Duration = Duration::from_secs(1);
/// How late an answer may be: timers have a resolution of a millisecond.
const TICK: Duration = Duration::from_millis(5);
/// As many as take some 20 s on two cores.
const SEEDS: u64 = 100;
const CALLS: u64 = 250;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn config() -> Config {
    let timeouts = Timeouts::default()
        .command(COMMAND_TIMEOUT)
        .connect(ms(1000))
        .drain(ms(400))
        .kill(ms(200));
    let backoff = Backoff::exponential(ms(20), 2.0)
        .and_then(|backoff| backoff.capped(ms(500)))
        .expect("valid")
        .jittered(Jitter::Full);
    let cluster = ClusterSettings::default()
        .refresh_timeout(ms(500))
        .refresh_cooldown(ms(200))
        .refresh_every(Duration::from_secs(5))
        .node_grace(ms(3000));
    // An open circuit must not hold calls back for longer than the links need to come back.
    let breaker = BreakerSettings::default().with_open(ms(100), ms(400));
    let mut config = Config::cluster([Endpoint::tcp("seed.test", 6379)])
        .timeouts(timeouts)
        .restart(RestartPolicy::default().with_backoff(backoff))
        .cluster_settings(cluster)
        .breaker(Some(breaker.expect("valid")))
        .in_flight(InFlight::default().requests(20));
    config.health = config.health.idle(ms(700)).timeout(ms(300));
    config
}

/// What was found wrong with a seed.
async fn run(seed: u64) -> (Vec<String>, String) {
    let world = World::new(seed);
    let mut rng = StdRng::seed_from_u64(!seed);
    let registry = Registry::start_new();
    let witness = Witness::new(world.clone()).start();
    let subscribe = Subscribe::new(witness.clone()).capacity(100_000);
    registry.send(subscribe).await.expect("the registry lives");
    let surroundings = Surroundings {
        dialer: wire::dialer(&world, 0),
        governor: SharedGovernor::new(Governor::default()),
        seed: rng.random(),
    };
    let launched = ClusterRouter::launch_in(config(), &registry, surroundings);
    let (router, shared) = launched.expect("valid");
    let doors = Doors { shared, router };
    let until = Instant::now() + ms(10_000);
    let faults = tokio::task::spawn_local(faults::rage(world.clone(), until));
    let seats = arbiters::come_and_go(
        world.clone(),
        doors.clone(),
        until,
        StdRng::seed_from_u64(rng.random()),
    );
    let seats = tokio::task::spawn_local(seats);
    let callers: Vec<_> = (0..CALLS)
        .map(|n| {
            let rng = StdRng::seed_from_u64(rng.random());
            tokio::task::spawn_local(call(world.clone(), doors.clone(), n * 10, rng))
        })
        .collect();
    let mut told: Vec<Told> = Vec::new();
    for caller in callers {
        match timeout(ms(60_000), caller).await {
            Ok(Ok(part)) => told.extend(part),
            Ok(Err(panic)) => world.violated(format!("a caller died: {panic}")),
            Err(_) => world.violated("a call hangs".to_owned()),
        }
    }
    drop(faults.await);
    let seats = seats.await.expect("no panic");
    // The nodes agree, the links come back.
    sleep(ms(8000)).await;
    let probed = probe(&world, &doors, CALLS * 10).await;
    judge(&world, &told);
    let executed: u64 = world.state().executed.values().map(|n| u64::from(*n)).sum();
    end(&world, doors, rng.random()).await;
    drop((registry, witness));
    for arbiter in seats {
        if !arbiter.ends_empty().await {
            world.violated("something is left on an arbiter".to_owned());
        }
    }
    // Nodes whose connections were silenced never noticed their end.
    faults::cut_all(&world);
    sleep(ms(10_000)).await;
    let (open, holders) = (world.state().open, world.holders());
    if open > 0 || holders > 1 {
        world.violated(format!(
            "at the end {open} sockets and {holders} holders are left"
        ));
    }
    let dials = world.state().next_conn;
    let trace = format!(
        "{} told, {executed} executed, {dials} dials, {probed} probed",
        told.len()
    );
    let violations = std::mem::take(&mut world.quietly().violations);
    (violations, trace)
}

/// Ends the client gracefully, or by letting go of it.
async fn end(world: &World, doors: Doors, graceful: bool) {
    let shared = Arc::downgrade(&doors.shared);
    if graceful {
        let timeout = ms(2000);
        let began = Instant::now();
        let ended = doors.router.send(Shutdown { timeout }).await;
        if ended.is_err() || began.elapsed() > timeout + ms(1000) {
            world.violated(format!("{ended:?} after {:?}", began.elapsed()));
        }
    }
    drop(doors);
    // The router ends at once; its links' actors, and what they hold, as they are next polled.
    sleep(ms(1000)).await;
    if shared.strong_count() > 0 {
        world.violated("what the router shared is still held".to_owned());
    }
}

/// A world of its own for each seed: runtime, clock and chance.
fn simulate(seed: u64) -> (Vec<String>, String) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(LocalSet::new().run_until(run(seed)))
}

fn wanted(name: &str) -> Option<u64> {
    Some(env::var(name).ok()?.parse().expect("a number"))
}

#[test]
fn a_client_keeps_its_promises_in_every_simulated_world() {
    if let Some(seed) = wanted("EVERLINK_SIM_SEED") {
        let (violations, trace) = simulate(seed);
        println!("seed {seed}: {trace}");
        assert!(violations.is_empty(), "{violations:#?}");
        return;
    }
    let seeds = wanted("EVERLINK_SIM_SEEDS").unwrap_or(SEEDS);
    let from = wanted("EVERLINK_SIM_FROM").unwrap_or(0);
    let next = AtomicU64::new(from);
    let worker = || {
        let mut failed = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + seeds || failed.len() >= 5 {
                return failed;
            }
            let (violations, _) = simulate(seed);
            if !violations.is_empty() {
                failed.push((seed, violations));
            }
        }
    };
    let failed: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(worker)).collect();
        let ends = workers.into_iter().map(|worker| worker.join());
        ends.flat_map(|end| end.expect("a worker ends")).collect()
    });
    for (seed, violations) in &failed {
        println!("EVERLINK_SIM_SEED={seed} fails: {violations:#?}");
    }
    let failing: Vec<_> = failed.iter().map(|(seed, _)| seed).collect();
    assert!(failing.is_empty(), "these seeds fail: {failing:?}");
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in 0..5 {
        assert_eq!(simulate(seed), simulate(seed), "seed {seed}");
    }
}
