//! Faults, as seats see them: each heals, and none costs more than what was in flight.

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use everlink::policy::Force;
use everlink::redis::config::InFlight;
use everlink::redis::{Client, Error, Outcome, cmd};
use futures_util::future::join_all;

use crate::application::{Application, SOON, TestResult, serving};
use crate::support::waiting::{self, Wait};
use crate::worker::Worker;
use crate::{cluster, connection, key_in, keys, seeded, server};

/// Callers on an arbiter that never stop.
#[derive(Clone, Default)]
struct Load(Arc<Counts>);

#[derive(Default)]
struct Counts {
    stop: AtomicBool,
    /// For each key.
    acknowledged: [AtomicU64; 3],
    unknown: [AtomicU64; 3],
    errors: Mutex<Vec<Error>>,
}

impl Load {
    /// One caller for each key.
    async fn start(worker: &Worker, client: &Client, keys: [String; 3]) -> Self {
        let load = Self::default();
        let (counts, client) = (load.0.clone(), client.clone());
        worker
            .run(move || async move {
                for (place, key) in keys.into_iter().enumerate() {
                    let (counts, client) = (Arc::clone(&counts), client.clone());
                    actix::spawn(async move { counts.count_up(place, &key, &client).await });
                }
            })
            .await;
        load
    }

    async fn goes_on(&self, times: u64) -> waiting::Result<()> {
        let now = || {
            self.0
                .acknowledged
                .each_ref()
                .map(|count| count.load(Ordering::Relaxed))
        };
        let goals = now().map(|count| count + times);
        let mut wait = Wait::up_to(SOON, "each key to be counted up");
        while now().iter().zip(&goals).any(|(count, goal)| count < goal) {
            wait.again(format!("{:?} of {goals:?}", now())).await?;
        }
        Ok(())
    }

    fn errors(&self) -> Vec<Error> {
        self.0.errors.lock().expect("no panic").clone()
    }

    fn stop(&self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

impl Counts {
    async fn count_up(&self, place: usize, key: &str, client: &Client) {
        while !self.stop.load(Ordering::Relaxed) {
            match client.call(cmd("INCR").arg(key)).await {
                Ok(_) => {
                    self.acknowledged[place].fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    if error.outcome() == Outcome::Unknown {
                        self.unknown[place].fetch_add(1, Ordering::Relaxed);
                    }
                    self.errors.lock().expect("no panic").push(error);
                }
            }
        }
    }
}

/// Keys of the three primaries for one worker.
fn own_keys(worker: usize) -> [String; 3] {
    keys().map(|key| format!("{{{key}}}{worker}"))
}

#[actix::test]
async fn a_killed_primary_heals_on_every_seat() -> TestResult {
    let cluster = cluster(1).await;
    let application = Application::ready(seeded(&cluster)).await?;
    let mut workers = Vec::new();
    let mut loads = Vec::new();
    for number in 0..2 {
        let (worker, client) = Worker::seated(&application).await;
        loads.push(Load::start(&worker, &client, own_keys(number)).await);
        workers.push((worker, client));
    }
    for load in &loads {
        load.goes_on(50).await?;
    }
    cluster.kill9(0).await?;
    cluster.wait_for_promotion(0, 0).await?;
    for load in &loads {
        load.goes_on(50).await?;
        let errors = load.errors();
        // One caller for each key: what was in flight, and nothing else.
        assert!(errors.len() <= 1, "{errors:?}");
        assert!(errors.iter().all(|it| it.outcome() == Outcome::Unknown));
    }
    // Also over connections of their own again, and to the promoted node as well.
    cluster.restart(0).await?;
    cluster.wait_ok().await?;
    application.client.ready(SOON).await?;
    let [key, ..] = keys();
    let shared = connection(&application.client, &key).await;
    let mut connections = vec![shared];
    for (_, client) in &workers {
        connections.push(connection(client, &key).await);
    }
    connections.sort_unstable();
    connections.dedup();
    assert_eq!(connections.len(), 3);
    loads.iter().for_each(Load::stop);
    Ok(())
}

#[actix::test]
async fn the_shared_connection_is_asked_whether_it_lives_before_a_seat_relies_on_it() -> TestResult
{
    let server = server().await;
    let application = Application::ready(serving(&server)).await?;
    let (worker, client) = Worker::seated(&application).await;
    let load = Load::start(&worker, &client, own_keys(0)).await;
    load.goes_on(50).await?;
    let pid = server.pid()?.to_string();
    let mut killed = Command::new("kill").args(["-9", &pid]).spawn()?;
    // Meanwhile the router's thread stands still. When it goes on, it hears that the seat has lost
    // its connection before it looks at its own.
    #[expect(clippy::disallowed_methods, reason = "this thread is to stand still")]
    std::thread::sleep(Duration::from_millis(700));
    assert!(killed.wait()?.success());
    application.told("reconnecting", 2).await;
    server.restart().await?;
    load.goes_on(50).await?;
    let errors = load.errors();
    assert!(errors.len() <= 3, "one for each caller: {errors:?}");
    load.stop();
    drop(worker);
    Ok(())
}

#[actix::test]
async fn a_primary_that_only_seats_talk_to_stands_still() -> TestResult {
    let cluster = cluster(1).await;
    let application = Application::ready(seeded(&cluster)).await?;
    let (worker, client) = Worker::seated(&application).await;
    let load = Load::start(&worker, &client, own_keys(0)).await;
    load.goes_on(50).await?;
    // The shared connection has nothing in flight there, so it suspects nothing.
    cluster.pause(1).await?;
    let promoted = cluster.wait_for_promotion(6000, 1).await?;
    load.goes_on(1).await?;
    assert!(
        promoted.elapsed().as_secs() < 4,
        "{:?} after the promotion",
        promoted.elapsed()
    );
    cluster.resume(1)?;
    cluster.wait_ok().await?;
    load.goes_on(50).await?;
    load.stop();
    Ok(())
}

#[actix::test]
async fn slots_move_and_no_call_of_a_seat_fails() -> TestResult {
    let cluster = cluster(0).await;
    let application = Application::ready(seeded(&cluster)).await?;
    let mut workers = Vec::new();
    let mut loads = Vec::new();
    for number in 0..2 {
        let (worker, client) = Worker::seated(&application).await;
        let moving = [0, 1, 2].map(|slot| format!("{{{}}}{number}", key_in(slot)));
        loads.push(Load::start(&worker, &client, moving).await);
        workers.push((worker, client));
    }
    for load in &loads {
        load.goes_on(20).await?;
    }
    let moved = cluster.reshard(0, 2, 3).await?;
    assert_eq!(moved, [0, 1, 2]);
    for load in &loads {
        load.goes_on(20).await?;
        load.stop();
        assert_eq!(load.errors().len(), 0, "{:?}", load.errors());
    }
    assert_eq!(application.count("disconnected"), 0);
    let third = key_in(16_000);
    for (worker, client) in &workers {
        // Where the slot went each seat has one connection for both.
        let (client, key) = (client.clone(), third.clone());
        let (moved, there) = worker.run_alone(move || async move {
            let moved = connection(&client, &key_in(0)).await;
            (moved, connection(&client, &key).await)
        });
        assert_eq!(moved, there);
        assert_ne!(moved, connection(&application.client, &third).await);
    }
    Ok(())
}

#[actix::test]
async fn what_is_asked_for_on_the_other_side_of_a_moving_slot_is_asked_by_the_same_seat()
-> TestResult {
    let cluster = cluster(0).await;
    let application = Application::ready(seeded(&cluster)).await?;
    let (_worker, client) = Worker::seated(&application).await;
    cluster.set_migrating(12_182, 2, 0).await?;
    let own = connection(&client, &key_in(0)).await;
    // Not there, so it is made on the other side: ASK.
    client.query::<()>(cmd("SET").arg("foo").arg("new")).await?;
    let listed = cluster.tell(0, &["CLIENT", "LIST"]).await?;
    let listed = listed.text().unwrap_or_default();
    let is_own = |line: &&str| line.starts_with(&format!("id={own} "));
    let line = listed.lines().find(is_own).expect("listed");
    assert!(line.contains(" cmd=set "), "{line}");
    let value: String = application.client.query(cmd("GET").arg("foo")).await?;
    assert_eq!(value, "new");
    Ok(())
}

#[actix::test]
async fn a_seat_whose_connection_is_lost_goes_over_the_shared_one_meanwhile() -> TestResult {
    let server = server().await;
    let application = Application::ready(serving(&server)).await?;
    let (worker, client) = Worker::seated(&application).await;
    let shared = connection(&application.client, "k").await;
    let own = connection(&client, "k").await;
    server
        .command(&["CONFIG", "SET", "maxclients", "1"])
        .await?;
    let killed = cmd("CLIENT").arg(["KILL", "ID"]).arg(own);
    application.run(killed).await?;
    application.told("disconnected", 1).await;
    let mut wait = Wait::up_to(SOON, "the shared connection");
    while connection(&client, "k").await != shared {
        wait.again("its own").await?;
    }
    let raise = cmd("CONFIG").arg(["SET", "maxclients", "1000"]);
    application.run(raise).await?;
    client.ready(SOON).await?;
    let back = connection(&client, "k").await;
    assert!(![own, shared].contains(&back));
    // A fault of the seat alone is none of the node.
    assert_eq!(application.count("circuit_opened"), 0);
    drop(worker);
    Ok(())
}

/// Whatever is lost at once on all seats: calls of each end, and none hangs.
#[actix::test]
async fn every_connection_killed_at_once_costs_only_what_was_in_flight() -> TestResult {
    let cluster = cluster(0).await;
    let application = Application::ready(seeded(&cluster)).await?;
    let (worker, client) = Worker::seated(&application).await;
    let load = Load::start(&worker, &client, own_keys(0)).await;
    load.goes_on(50).await?;
    for _ in 0..3 {
        cluster.client_kill_all().await?;
        load.goes_on(50).await?;
    }
    load.stop();
    let errors = load.errors();
    assert!(errors.len() <= 9, "{errors:?}");
    assert!(errors.iter().all(|it| it.outcome() == Outcome::Unknown));
    for (place, key) in own_keys(0).iter().enumerate() {
        let counted: u64 = application.client.query(cmd("GET").arg(key)).await?;
        let acknowledged = load.0.acknowledged[place].load(Ordering::Relaxed);
        let unknown = load.0.unknown[place].load(Ordering::Relaxed);
        // One may be under way.
        let bounds = acknowledged..=acknowledged + unknown + 1;
        assert!(bounds.contains(&counted), "{counted} in {bounds:?}");
    }
    Ok(())
}

#[actix::test]
async fn what_a_seat_has_let_wait_is_not_asked_by_the_breaker_again_where_it_goes() -> TestResult {
    let server = server().await;
    let one_by_one = serving(&server).in_flight(InFlight::default().requests(1));
    let application = Application::ready(one_by_one).await?;
    let (worker, client) = Worker::seated(&application).await;
    let own = connection(&client, "k").await.to_string();
    let mut operator = server.connect().await?;
    operator
        .command(&["CONFIG", "SET", "maxclients", "1"])
        .await?;
    operator
        .command(&["CLIENT", "PAUSE", "60000", "WRITE"])
        .await?;
    let lost_seat = async {
        let mut wait = Wait::up_to(SOON, "one call of the seat in flight, and two behind it");
        loop {
            let links = client.memory().await.links;
            let seat = links.iter().find(|it| it.link.as_str().contains('@'));
            let seat = seat.expect("it has a link");
            if seat.in_flight > 0 && seat.write_buffer == 0 && seat.waiting > 0 {
                break;
            }
            wait.again(format!("{seat:?}")).await?;
        }
        let forced = application.client.force_breaker(None, Force::Open).await?;
        assert_eq!(forced.len(), 1, "seats and the shared link have one");
        operator.command(&["CLIENT", "KILL", "ID", &own]).await?;
        operator.command(&["CLIENT", "UNPAUSE"]).await?;
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    let calls = join_all((0..3).map(|_| client.query::<u32>(cmd("INCR").arg("n"))));
    let (replies, lost) = tokio::join!(biased; calls, lost_seat);
    lost?;
    let mut replies = replies.into_iter();
    let error = replies.next().expect("three").expect_err("was in flight");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    let waited: Vec<_> = replies
        .map(|reply| reply.map_err(|error| error.to_string()))
        .collect();
    assert_eq!(waited, [Ok(1), Ok(2)]);
    drop(worker);
    Ok(())
}
