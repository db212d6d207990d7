//! Arbiters with seats in a simulation, which come and go. Each is a `LocalSet` in the world's own:
//! dropped, it takes all that lives there with it, as the end of a thread does.

use std::thread;

use rand::RngExt;
use rand::rngs::StdRng;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, LocalSet};
use tokio::time::{Instant, sleep, timeout};

use super::callers::Doors;
use super::world::World;
use super::{ms, wire};
use crate::redis::router::seat_book::Taken;
use crate::redis::seat::Seat;

/// How many there are at most.
const ARBITERS: usize = 2;

/// An arbiter, and the last handle of its seat.
struct Arbiter {
    runs: JoinHandle<()>,
    taken: Taken,
}

/// Whose connections a caller uses: of a seat that is taken or not, or the shared ones.
pub(super) fn any(rng: &mut StdRng) -> Seat {
    match rng.random_range(0..=ARBITERS) {
        0 => Seat::SHARED,
        place => Seat::at(place - 1).expect("few"),
    }
}

/// Takes seats, leaves them and lets their arbiters end, until this instant. Gives what has to be
/// ended with the client, and then to be looked at.
pub(super) async fn come_and_go(
    world: World,
    doors: Doors,
    until: Instant,
    mut rng: StdRng,
) -> Vec<Leftover> {
    let mut there: Vec<Arbiter> = Vec::new();
    let mut left: Vec<Leftover> = Vec::new();
    let mut number = 0;
    while Instant::now() < until {
        sleep(ms(rng.random_range(50..2500))).await;
        if there.len() < ARBITERS {
            number += 1;
            there.push(come(&world, &doors, number).await);
            continue;
        }
        let arbiter = there.remove(rng.random_range(0..ARBITERS));
        if rng.random() {
            // Its thread ends; its handle perhaps later.
            arbiter.runs.abort();
            sleep(ms(rng.random_range(0..500))).await;
        }
        left.push(Leftover::of(arbiter));
    }
    let remain = there.into_iter().map(|arbiter| Leftover {
        runs: arbiter.runs,
        taken: Some(arbiter.taken),
    });
    left.extend(remain);
    left
}

async fn come(world: &World, doors: &Doors, number: u64) -> Arbiter {
    // Any other thread than the router's.
    let thread = thread::spawn(|| thread::current().id());
    let thread = thread.join().expect("no panic");
    let (world, doors) = (world.clone(), doors.clone());
    let (sender, taken) = oneshot::channel();
    let set = LocalSet::new();
    set.spawn_local(async move {
        let dialer = || wire::dialer(&world, number);
        let taken = doors.shared.seats().take(thread, &doors.router, dialer);
        sender.send(taken).expect("awaited");
    });
    let runs = tokio::task::spawn_local(set);
    let taken = taken.await.expect("it runs");
    Arbiter { runs, taken }
}

/// What is left of an arbiter.
pub(super) struct Leftover {
    runs: JoinHandle<()>,
    /// Still held.
    taken: Option<Taken>,
}

impl Leftover {
    /// Its handle is gone.
    fn of(arbiter: Arbiter) -> Self {
        drop(arbiter.taken);
        let runs = arbiter.runs;
        Self { runs, taken: None }
    }

    /// Nothing of the client is left on it.
    pub(super) async fn ends_empty(self) -> bool {
        drop(self.taken);
        // An error: it was ended.
        timeout(ms(1000), self.runs).await.is_ok()
    }
}
