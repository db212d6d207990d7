//! What a client does that nobody uses, in virtual time.

use std::time::Duration;

use actix::fut::{ActorFutureExt, wrap_future};
use actix::{Actor, AsyncContext};
use tokio::sync::oneshot;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};

use super::callers::Doors;
use super::world::{Mood, World};
use super::{config, ms, wire};
use crate::link::SharedGovernor;
use crate::policy::{Governor, RetryBudget};
use crate::redis::command::cmd;
use crate::redis::config::{ClusterSettings, Config, Health};
use crate::redis::error::Result;
use crate::redis::router::cluster::ClusterRouter;
use crate::redis::router::operations::AwaitReady;
use crate::redis::router::shutdown::Shutdown;
use crate::redis::router::surroundings::Surroundings;
use crate::redis::value::Value;
use crate::registry::Registry;

const HOUR: Duration = Duration::from_secs(3600);

/// Nothing is asked of servers at intervals.
fn quiet() -> Config {
    let health = Health::default().enabled(false);
    let cluster = ClusterSettings::default().refresh_every(10 * HOUR);
    config().health(health).cluster_settings(cluster)
}

fn surroundings(world: &World) -> Surroundings {
    Surroundings {
        dialer: wire::dialer(world, 0),
        governor: SharedGovernor::new(Governor::default()),
        seed: 1,
    }
}

/// A client of a sound cluster, all of whose links are up.
async fn ready(world: &World, config: Config) -> Doors {
    world.quietly().calm = true;
    let surroundings = surroundings(world);
    let launched = ClusterRouter::launch_in(config, &Registry::start_new(), surroundings);
    let (router, shared) = launched.expect("valid");
    let doors = Doors { shared, router };
    let timeout = Duration::from_secs(10);
    let ready = doors.router.send(AwaitReady { timeout }).await;
    ready.expect("it lives").expect("all links come up");
    doors
}

async fn get(doors: &Doors) -> Result<Value> {
    let command = cmd("GETBIT").arg("key").arg(1);
    doors.router.send(command).await.expect("it lives")
}

fn in_virtual_time(run: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(LocalSet::new().run_until(run));
}

#[test]
fn an_idle_router_looks_at_none_of_its_links() {
    in_virtual_time(async {
        let world = World::new(1);
        let doors = ready(&world, quiet()).await;
        let looks = || doors.shared.ledger().looks();
        // What was said while the links came up is counted, and buffers are released.
        sleep(Duration::from_secs(60)).await;
        let before = looks();
        assert_ne!(before, 0);
        sleep(HOUR).await;
        assert_eq!(looks(), before, "each second, or now and then");
        // One call is counted, at the one node it went to, whose connection then comes to rest.
        get(&doors).await.expect("an answer");
        sleep(Duration::from_secs(60)).await;
        let after_a_call = looks();
        assert!(after_a_call - before < 20, "{}", after_a_call - before);
        sleep(HOUR).await;
        assert_eq!(looks(), after_a_call);
    });
}

#[test]
fn a_router_ends_at_the_instant_its_last_handle_is_dropped() {
    in_virtual_time(async {
        let world = World::new(1);
        let doors = ready(&world, quiet()).await;
        let mut ended = doors.shared.ended();
        // Between two of its looks, whatever it looks at.
        sleep(ms(1337)).await;
        let before = Instant::now();
        drop(doors);
        drop(ended.wait_for(|ended| *ended).await);
        assert_eq!(before.elapsed(), Duration::ZERO);
    });
}

#[test]
fn what_is_sent_before_the_last_address_is_dropped_is_taken() {
    in_virtual_time(async {
        let surroundings = surroundings(&World::new(1));
        let registry = Registry::start_new();
        let prepared = ClusterRouter::prepare(quiet(), &registry, surroundings);
        let (router, _shared) = prepared.expect("valid");
        let (go, wait) = oneshot::channel::<()>();
        let (tell, told) = oneshot::channel();
        drop(ClusterRouter::create(|ctx| {
            let me = ctx.address();
            // The first of what the router runs: it looked into its mailbox just before.
            let last_word = async move {
                wait.await.expect("the test says when");
                let timeout = ms(100);
                drop(tell.send(me.send(Shutdown { timeout })));
            };
            ctx.spawn(wrap_future::<_, ClusterRouter>(last_word).map(|(), _, _| ()));
            router
        }));
        sleep(ms(10)).await;
        go.send(()).expect("it waits");
        let answer = told.await.expect("sent").await;
        answer.expect("taken, as it came before the end");
    });
}

#[test]
fn traffic_earns_retries_in_the_ten_seconds_after_it_and_not_later() {
    // Each request earns a tenth of a retry.
    let budget = RetryBudget::new(0.1, 0).expect("valid");
    for (pause, served) in [(5, true), (15, false)] {
        in_virtual_time(async {
            let world = World::new(1);
            let doors = ready(&world, quiet().retry_budget(budget)).await;
            for _ in 0..300 {
                get(&doors).await.expect("an answer");
            }
            // The budget is asked for the first time after this.
            sleep(Duration::from_secs(pause)).await;
            set_mood(&world, Mood::Loading);
            let (answer, ()) = tokio::join!(get(&doors), async {
                sleep(ms(100)).await;
                set_mood(&world, Mood::Well);
            });
            assert_eq!(answer.is_ok(), served, "after {pause} s: {answer:?}");
        });
    }
}

fn set_mood(world: &World, mood: Mood) {
    world.change(|state| state.nodes.iter_mut().for_each(|node| node.mood = mood));
}
