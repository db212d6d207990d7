//! Which seed may say what of the whole cluster.

use std::time::Duration;

use everlink::redis::config::ClusterSettings;
use everlink::redis::{Config, ErrorKind, cmd};

use crate::application::{Application, SOON, TestResult, local};
use crate::support::answers::{Answers, FakeTopology};
use crate::support::fake_node::FakeNode;
use crate::support::ports::Port;
use crate::two_nodes::serving;

#[actix::test]
async fn a_seed_that_is_no_cluster_costs_nothing_once_another_one_is_back() -> TestResult {
    let stranger = FakeNode::start(Answers::new().script())?;
    let port = Port::reserve()?;
    let number = port.number();
    // The one that will answer is asked last, and first: both ways the first reading fails.
    let seeds = [local(stranger.port()), local(number)];
    let quick = ClusterSettings::default()
        .unsettled_every(Duration::from_millis(50), Duration::from_millis(100));
    let config = Config::cluster(seeds)
        .command_timeout(SOON)
        .cluster_settings(quick);
    let application = Application::open(config).await?;
    let failed = application.told("topology_failed", 1).await.to_string();
    assert!(failed.contains("not part of a cluster"), "{failed}");

    let topology = FakeTopology::even(&[number]);
    let node = FakeNode::start_on(port, serving(&topology, number, "back").script())?;
    let name: String = application.client.query(cmd("GET").arg("foo")).await?;
    assert_eq!(name, "back");
    assert!(node.connections() > 0);
    Ok(())
}

#[actix::test]
async fn seeds_that_are_all_no_cluster_fail_calls_at_once() -> TestResult {
    let strangers = [
        FakeNode::start(Answers::new().script())?,
        FakeNode::start(Answers::new().script())?,
    ];
    let seeds = strangers.each_ref().map(|node| local(node.port()));
    let application = Application::open(Config::cluster(seeds).command_timeout(SOON)).await?;
    let error = application.error(cmd("GET").arg("foo")).await;
    assert!(matches!(error.kind(), ErrorKind::Parked(_)), "{error}");
    assert!(
        error.to_string().contains("not part of a cluster"),
        "{error}"
    );
    Ok(())
}
