//! Clusters whose nodes all change their addresses, and addresses that only the client knows.

use everlink::redis::config::{ClusterSettings, EndpointMap};
use everlink::redis::{self, Config, cmd};
use std::time::Duration;

use crate::application::{Application, SOON, TestResult, local};
use crate::support::answers::FakeTopology;
use crate::support::fake_node::FakeNode;
use crate::support::fault_proxy::FaultProxy;
use crate::support::ports::Port;
use crate::support::waiting::Wait;
use crate::two_nodes::{TwoNodes, serving};

/// The name of the node that serves it.
async fn get(application: &Application, key: &str) -> redis::Result<String> {
    application.client.query(cmd("GET").arg(key)).await
}

#[actix::test]
async fn a_cluster_that_comes_back_on_other_addresses_is_found_by_its_seed() -> TestResult {
    // The seed stands for a name that leads to another node later on.
    let old = TwoNodes::start()?;
    let seed = FaultProxy::start(old.port(0))?;
    let config = Config::cluster([local(seed.port())]).command_timeout(SOON);
    let application = Application::ready(config).await?;
    for (key, name) in [("bar", "first"), ("foo", "second")] {
        assert_eq!(get(&application, key).await?, name);
    }

    let ports = [Port::reserve()?, Port::reserve()?];
    let numbers = [ports[0].number(), ports[1].number()];
    let topology = FakeTopology::even(&numbers);
    // A rebuilt cluster begins with low epochs again.
    let mut ranges = topology.ranges();
    ranges.iter_mut().for_each(|range| range.epoch = 0);
    topology.set(ranges);
    let [one, other] = ports;
    let _new = [
        FakeNode::start_on(one, serving(&topology, numbers[0], "new first").script())?,
        FakeNode::start_on(other, serving(&topology, numbers[1], "new second").script())?,
    ];
    seed.retarget(numbers[1]);
    for node in &old.nodes {
        node.stop().await?;
    }
    for (key, name) in [("bar", "new first"), ("foo", "new second")] {
        assert_eq!(get(&application, key).await?, name);
    }
    Ok(())
}

#[actix::test]
async fn seeds_that_are_dead_or_silent_do_not_keep_the_others_from_being_asked() -> TestResult {
    let cluster = TwoNodes::start()?;
    let nobody = Port::reserve()?;
    let silent = FakeNode::start(|_| Vec::new())?;
    let seeds = [
        local(nobody.number()),
        local(silent.port()),
        local(cluster.port(1)),
    ];
    let application = Application::open(Config::cluster(seeds).command_timeout(SOON)).await?;
    let began = tokio::time::Instant::now();
    assert_eq!(get(&application, "foo").await?, "second");
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
    Ok(())
}

#[actix::test]
async fn announced_addresses_are_mapped_to_those_that_can_be_reached() -> TestResult {
    let cluster = TwoNodes::start()?;
    let mut ranges = cluster.topology.ranges();
    for (range, host) in ranges.iter_mut().zip(["10.255.0.1", "10.255.0.2"]) {
        range.members[0].0 = host.to_owned();
    }
    cluster.topology.set(ranges);
    let map = EndpointMap::new().entry("10.255.0.1", "127.0.0.1")?.entry(
        &format!("10.255.0.2:{}", cluster.port(1)),
        &local(cluster.port(1)).to_string(),
    )?;
    let application = Application::ready(cluster.config().endpoint_map(map)).await?;
    for (key, name) in [("bar", "first"), ("foo", "second")] {
        assert_eq!(get(&application, key).await?, name);
    }
    // Redirects announce such addresses, too.
    let foo = crate::two_nodes::FOO;
    cluster.errs(1, format!("ASK {foo} 10.255.0.1:{}", cluster.port(0)));
    assert_eq!(get(&application, "foo").await?, "first");
    Ok(())
}

/// The client looks often, and a node that has left is let go soon.
fn soon_let_go(cluster: &TwoNodes) -> Config {
    let settings = ClusterSettings::default()
        .refresh_every(Duration::from_millis(100))
        .refresh_cooldown(Duration::from_millis(100))
        .node_grace(Duration::from_millis(300));
    cluster.config().cluster_settings(settings)
}

/// From now on the first node serves all slots, and the second is not of the cluster.
fn the_second_leaves(cluster: &TwoNodes) {
    let mut ranges = cluster.topology.ranges();
    ranges[0].last = ranges[1].last;
    ranges[0].epoch = 9;
    ranges.truncate(1);
    cluster.topology.set(ranges);
}

#[actix::test]
async fn a_node_that_left_is_let_go_after_its_grace_and_its_slots_are_served_elsewhere()
-> TestResult {
    let cluster = TwoNodes::start()?;
    let application = Application::ready(soon_let_go(&cluster)).await?;
    the_second_leaves(&cluster);
    application.told("stopped", 1).await;
    cluster.nodes[1]
        .wait_until("its connection to end", |node| node.open_connections() == 0)
        .await?;
    assert_eq!(get(&application, "foo").await?, "first");
    Ok(())
}

#[actix::test]
async fn a_node_that_left_is_forgotten_by_a_router_that_was_sent_a_message_once() -> TestResult {
    let cluster = TwoNodes::start()?;
    let application = Application::ready(soon_let_go(&cluster)).await?;
    let client = &application.client;
    let commands = client.router().commands();
    commands.send(cmd("GET").arg("foo")).await??;
    the_second_leaves(&cluster);
    application.told("stopped", 1).await;
    let mut wait = Wait::up_to(SOON, "its memory to be given back");
    loop {
        let links = client.memory().await.links;
        if links.len() == 1 {
            return Ok(());
        }
        wait.again(format!("{links:?}")).await?;
    }
}
