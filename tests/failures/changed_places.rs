//! Nodes that are somewhere else, or something else, than they were.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use everlink::endpoint::Endpoint;
use everlink::event::{EventKind, RefreshTrigger};
use everlink::redis::config::{ClusterSettings, EndpointMap};
use everlink::redis::{Config, Outcome, cmd};

use crate::application::{Application, SOON, TestResult, local, standalone};
use crate::support::fault_proxy::{Ending, FaultProxy};
use crate::support::redis_cluster::RedisCluster;
use crate::support::waiting::Wait;
use crate::{key_of_each_primary, partial_cluster, volatile};

/// What leads from an announced port to the port that is dialled: what a name service does for
/// names.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<Vec<(u16, u16)>>>);

impl Names {
    fn lead_to(&self, cluster: &RedisCluster, proxies: &[FaultProxy]) {
        let nodes = cluster.nodes().iter().map(|node| node.port());
        let pairs = nodes.zip(proxies.iter().map(FaultProxy::port)).collect();
        *self.0.lock().expect("no panic") = pairs;
    }

    fn map(&self) -> EndpointMap {
        let names = self.clone();
        EndpointMap::new().function(move |announced| {
            let pairs = names.0.lock().expect("no panic");
            let found = pairs
                .iter()
                .find(|(from, _)| Some(*from) == announced.port());
            found.map(|(_, to)| Endpoint::tcp("127.0.0.1", *to))
        })
    }
}

/// Looks again soon after a look that found nothing to do.
fn often() -> ClusterSettings {
    ClusterSettings::default()
        .refresh_cooldown(Duration::from_millis(100))
        .refresh_every(Duration::from_millis(300))
}

fn proxies(cluster: &RedisCluster) -> crate::support::waiting::Result<Vec<FaultProxy>> {
    let nodes = cluster.nodes().iter();
    nodes.map(|node| FaultProxy::start(node.port())).collect()
}

#[actix::test]
async fn a_cluster_whose_every_address_changes_is_found_by_its_seed_again_and_again() -> TestResult
{
    let cluster = partial_cluster(0).await;
    let names = Names::default();
    let mut reached_by = proxies(&cluster)?;
    names.lead_to(&cluster, &reached_by);
    // The seed stands for a name that always leads to some node.
    let seed = FaultProxy::start(cluster.nodes()[2].port())?;
    let config = Config::cluster([local(seed.port())])
        .endpoint_map(names.map())
        .cluster_settings(often().node_grace(Duration::from_millis(200)))
        .command_timeout(SOON);
    let application = Application::ready(config).await?;
    for round in 1..=3 {
        for key in key_of_each_primary() {
            let count = application.client.query::<u32>(cmd("INCR").arg(key));
            assert_eq!(count.await?, round);
        }
        let new = proxies(&cluster)?;
        names.lead_to(&cluster, &new);
        for old in &reached_by {
            old.refuse().await;
            old.end_all(Ending::Reset).await?;
        }
        reached_by = new;
    }
    for key in key_of_each_primary() {
        application.run(cmd("INCR").arg(key)).await?;
    }
    // The links to addresses that are gone end with the first refresh after their grace.
    let mut wait = Wait::up_to(SOON, "the old links to end");
    loop {
        let links = application.client.status().await?;
        if links.len() == 3 {
            return Ok(());
        }
        wait.again(format!("{} links", links.len())).await?;
    }
}

#[actix::test]
async fn a_failover_that_no_call_runs_into_is_found_all_the_same() -> TestResult {
    assert_eq!(
        ClusterSettings::default().refresh_every,
        Duration::from_secs(60),
        "on by default"
    );
    let cluster = partial_cluster(1).await;
    let config = Config::cluster([local(cluster.nodes()[0].port())])
        .cluster_settings(often())
        .command_timeout(SOON);
    let application = Application::ready(config).await?;
    // The first one may still meet the refreshes that follow the start.
    cluster.tell(3, &["CLUSTER", "FAILOVER"]).await?;
    cluster.wait_for_promotion(0, 0).await?;
    cluster.wait_ok().await?;
    application.told("topology_changed", 2).await;
    cluster.tell(0, &["CLUSTER", "FAILOVER"]).await?;
    cluster.wait_for_promotion(0, 3).await?;
    let changed = application.told("topology_changed", 3).await;
    let periodic = matches!(&changed, EventKind::TopologyChanged { trigger, slots_moved, .. }
        if *trigger == RefreshTrigger::Periodic && *slots_moved > 5000);
    assert!(periodic, "{changed}");
    // No connection was lost, no call was redirected: nothing else can have told.
    assert_eq!(application.count("disconnected"), 0);
    let [key, ..] = key_of_each_primary();
    application.run(cmd("INCR").arg(key)).await?;
    Ok(())
}

#[actix::test]
async fn a_demoted_server_is_left_for_the_one_its_name_leads_to_now() -> TestResult {
    let (first, second) = (volatile().await, volatile().await);
    let name = FaultProxy::start(first.port())?;
    let application = Application::ready(standalone(name.port())).await?;
    application.run(cmd("SET").arg("k").arg(1)).await?;

    let port = second.port().to_string();
    let demote = ["REPLICAOF", "127.0.0.1", port.as_str()];
    first.command(&demote).await?.refused()?;
    name.retarget(second.port());
    // Nothing closes the old connection: only the answer tells.
    let error = application.error(cmd("INCR").arg("k")).await;
    assert_eq!(
        (error.code(), error.outcome()),
        (Some("READONLY"), Outcome::Refused)
    );
    application.told("reconnected", 1).await;
    let count: u32 = application.client.query(cmd("INCR").arg("k")).await?;
    assert_eq!(count, 1);
    Ok(())
}
