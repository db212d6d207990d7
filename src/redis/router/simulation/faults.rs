//! What goes wrong in a simulation, and when.

use rand::RngExt;
use rand::seq::IndexedRandom;
use tokio::time::{Duration, Instant, sleep};

use super::ms;
use super::world::{CHUNKS, Fate, Mood, NODES, SHARDS, World};

/// One fault after the other until this instant, then none, and all is well again.
pub(super) async fn rage(world: World, until: Instant) {
    while Instant::now() < until {
        let (pause, fault) = {
            let mut state = world.quietly();
            (
                state.rng.random_range(20..700),
                state.rng.random_range(0..12),
            )
        };
        sleep(ms(pause)).await;
        strike(&world, fault);
    }
    world.change(|state| {
        state.calm = true;
        for node in &mut state.nodes {
            (node.up, node.paused, node.unreachable, node.mood) = (true, false, false, Mood::Well);
        }
        state.truth.failed = [false; NODES];
        for chunk in 0..CHUNKS {
            if let Some(shard) = state.migrating[chunk].take() {
                state.truth.owner[chunk] = shard;
                state.truth.epochs[shard] = state.truth.newest() + 1;
            }
        }
    });
    spread(&world);
}

fn strike(world: &World, fault: u32) {
    let (node, while_) = {
        let mut state = world.quietly();
        let node = state.rng.random_range(0..NODES);
        (node, ms(state.rng.random_range(100..5000)))
    };
    match fault {
        0 => {
            world.change(|state| state.nodes[node].up = false);
            later(world, while_, move |world| {
                world.change(|state| state.nodes[node].up = true);
            });
            fail_over_from(world, node);
        }
        1 => {
            world.change(|state| state.nodes[node].paused = true);
            later(world, while_, move |world| {
                world.change(|state| state.nodes[node].paused = false);
            });
            fail_over_from(world, node);
        }
        2 => {
            world.change(|state| state.nodes[node].unreachable = true);
            each_connection(world, Some(node), |_| Fate::Silent);
            later(world, while_, move |world| {
                world.change(|state| state.nodes[node].unreachable = false);
            });
        }
        3 | 4 => {
            let (execute, reset) = {
                let mut state = world.quietly();
                (state.rng.random(), state.rng.random())
            };
            each_connection(world, Some(node), |_| Fate::Cut { execute, reset });
        }
        5 => each_connection(world, None, |dice| match dice {
            0 => Fate::Silent,
            1 => Fate::Cut {
                execute: true,
                reset: false,
            },
            _ => Fate::Live,
        }),
        6 | 7 => fail_over(world, node % SHARDS),
        8 | 9 => migrate(world, while_),
        _ => {
            let moods = [
                Mood::Loading,
                Mood::ClusterDown,
                Mood::MasterDown,
                Mood::ReadOnly,
                Mood::Busy,
            ];
            world.change(|state| {
                let mood = *moods.choose(&mut state.rng).expect("there are some");
                state.nodes[node].mood = mood;
            });
            later(world, while_ / 2, move |world| {
                world.change(|state| state.nodes[node].mood = Mood::Well);
            });
        }
    }
}

/// Unless all is calm by then, which undoes everything itself.
fn later(world: &World, after: Duration, act: impl FnOnce(&World) + 'static) {
    let world = world.clone();
    tokio::task::spawn_local(async move {
        sleep(after).await;
        if !world.state().calm {
            act(&world);
        }
    });
}

/// Gives connections that live another fate: those of a node, or of all.
fn each_connection(world: &World, of: Option<usize>, fate: impl Fn(u32) -> Fate) {
    world.change(|state| {
        for conn in state.conns.values_mut() {
            let struck = conn.fate == Fate::Live && of.is_none_or(|node| conn.node == node);
            if struck {
                conn.fate = fate(state.rng.random_range(0..4));
            }
        }
    });
}

/// The nodes' ends of all connections.
pub(super) fn cut_all(world: &World) {
    world.change(|state| {
        for conn in state.conns.values_mut() {
            conn.fate = Fate::Cut {
                execute: false,
                reset: false,
            };
        }
    });
}

/// The cluster notices after a while that a primary is gone.
fn fail_over_from(world: &World, node: usize) {
    let notice = ms(world.quietly().rng.random_range(300..2500));
    later(world, notice, move |world| {
        let shard = node % SHARDS;
        let gone = {
            let state = world.state();
            let lost = !state.nodes[node].up || state.nodes[node].paused;
            lost && state.truth.primary[shard] == node
        };
        if gone {
            world.change(|state| state.truth.failed[node] = true);
            fail_over(world, shard);
        }
    });
}

fn fail_over(world: &World, shard: usize) {
    world.change(|state| {
        let primary = state.truth.primary[shard];
        let replica = if primary == shard {
            shard + SHARDS
        } else {
            shard
        };
        if state.nodes[replica].up {
            state.truth.primary[shard] = replica;
            state.truth.failed[replica] = false;
            state.truth.epochs[shard] = state.truth.newest() + 1;
        }
    });
    spread(world);
}

fn migrate(world: &World, while_: Duration) {
    let (chunk, shard) = {
        let mut state = world.quietly();
        (
            state.rng.random_range(0..CHUNKS),
            state.rng.random_range(0..SHARDS),
        )
    };
    let busy = {
        let state = world.state();
        state.migrating[chunk].is_some() || state.truth.owner[chunk] == shard
    };
    if busy {
        return;
    }
    world.change(|state| state.migrating[chunk] = Some(shard));
    later(world, while_ / 2, move |world| {
        world.change(|state| {
            state.migrating[chunk] = None;
            state.truth.owner[chunk] = shard;
            state.truth.epochs[shard] = state.truth.newest() + 1;
        });
        spread(world);
    });
}

/// Tells the truth of now to the nodes, to each after a while; never what is older than it knows.
fn spread(world: &World) {
    let truth = world.state().truth.clone();
    for node in 0..NODES {
        let delay = ms(world.quietly().rng.random_range(0..1200));
        let (world, truth) = (world.clone(), truth.clone());
        tokio::task::spawn_local(async move {
            sleep(delay).await;
            world.change(|state| {
                if state.nodes[node].view.newest() <= truth.newest() {
                    state.nodes[node].view = truth;
                }
            });
        });
    }
}
