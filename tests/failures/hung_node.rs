//! One node that hangs or dies: nobody else notices.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use everlink::redis::config::EndpointMap;
use everlink::redis::{Config, cmd};
use tokio::time::Instant;

use crate::application::{Application, SOON, TestResult, local};
use crate::support::fault_proxy::{Ending, FaultProxy};
use crate::support::redis_cluster::RedisCluster;
use crate::support::waiting::Wait;
use crate::{key_of_each_primary, partial_cluster};

/// No call on a healthy loopback server takes this long unless something holds it up.
const HELD_UP: Duration = Duration::from_millis(100);

/// How many calls were made, and how many of them were held up.
#[derive(Default)]
struct Tally {
    calls: Cell<u64>,
    held_up: Cell<u64>,
    errors: RefCell<Vec<String>>,
    stop: Cell<bool>,
}

async fn count_up(application: Rc<Application>, key: String, tally: Rc<Tally>) {
    while !tally.stop.get() {
        let began = Instant::now();
        if let Err(error) = application.run(cmd("INCR").arg(&key)).await {
            tally.errors.borrow_mut().push(error.to_string());
        }
        tally.calls.set(tally.calls.get() + 1);
        if began.elapsed() > HELD_UP {
            tally.held_up.set(tally.held_up.get() + 1);
        }
        tokio::task::yield_now().await;
    }
}

impl Tally {
    /// Waits for so many calls more, and tells how many of them were held up.
    async fn held_up_of(&self, calls: u64) -> Result<u64, Box<dyn std::error::Error>> {
        let (goal, before) = (self.calls.get() + calls, self.held_up.get());
        let mut wait = Wait::up_to(SOON, "calls on the other slots");
        while self.calls.get() < goal {
            wait.again(self.calls.get()).await?;
        }
        Ok(self.held_up.get() - before)
    }
}

#[actix::test]
async fn one_paused_primary_of_three_holds_up_no_call_on_the_other_slots() -> TestResult {
    const CALLS: u64 = 3000;
    let cluster = partial_cluster(0).await;
    let config =
        Config::cluster([local(cluster.nodes()[0].port())]).command_timeout(Duration::from_secs(2));
    let application = Rc::new(Application::ready(config).await?);
    let [first, paused, third] = key_of_each_primary();
    let (others, affected) = (Rc::new(Tally::default()), Rc::new(Tally::default()));
    let mut callers = Vec::new();
    for (key, tally) in [(&first, &others), (&third, &others), (&paused, &affected)] {
        for _ in 0..8 {
            let caller = count_up(Rc::clone(&application), key.clone(), Rc::clone(tally));
            callers.push(tokio::task::spawn_local(caller));
        }
    }
    let before = others.held_up_of(CALLS).await?;
    cluster.pause(1).await?;
    let mut during = 0;
    let mut rounds = 0;
    // Long enough for the pause to be noticed, for refreshes, stalls and new dials.
    while application.count("disconnected") == 0 || affected.errors.borrow().len() < 16 {
        during += others.held_up_of(CALLS).await?;
        rounds += 1;
    }
    cluster.resume(1)?;
    for tally in [&others, &affected] {
        tally.stop.set(true);
    }
    for caller in callers {
        caller.await?;
    }
    assert!(others.errors.borrow().is_empty(), "{:?}", others.errors);
    // One call in a hundred may be held up by a busy machine; 16 callers that wait for the paused
    // node would be many times that.
    assert!(
        during <= (before + CALLS / 100) * rounds,
        "{during} calls in {rounds} rounds of {CALLS} were held up, {before} before"
    );
    Ok(())
}

/// A proxy before each node, and a client that knows only those.
async fn behind_proxies(
    cluster: &RedisCluster,
) -> Result<(Vec<FaultProxy>, Application), Box<dyn std::error::Error>> {
    let mut map = EndpointMap::new();
    let mut proxies = Vec::new();
    for node in cluster.nodes() {
        let proxy = FaultProxy::start(node.port())?;
        let (from, to) = (local(node.port()), local(proxy.port()));
        map = map.entry(&from.to_string(), &to.to_string())?;
        proxies.push(proxy);
    }
    let config = Config::cluster([local(proxies[0].port())])
        .endpoint_map(map)
        .command_timeout(SOON);
    let application = Application::ready(config).await?;
    Ok((proxies, application))
}

#[actix::test]
async fn a_node_that_is_reconnected_is_reconnected_alone() -> TestResult {
    let cluster = partial_cluster(0).await;
    let (proxies, application) = behind_proxies(&cluster).await?;
    let before: Vec<usize> = proxies.iter().map(FaultProxy::connections).collect();
    for round in 1..=5 {
        proxies[1].end_all(Ending::Reset).await?;
        application.told("disconnected", round).await;
        application.told("reconnected", round).await;
        for key in key_of_each_primary() {
            application.run(cmd("INCR").arg(key)).await?;
        }
    }
    let after: Vec<usize> = proxies.iter().map(FaultProxy::connections).collect();
    assert_eq!(
        after,
        [before[0], before[1] + 5, before[2]],
        "{:#?}",
        application.lines()
    );
    assert_eq!(application.count("disconnected"), 5);
    Ok(())
}
