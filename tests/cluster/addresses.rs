//! Seeds and the addresses of nodes.

use everlink::endpoint::Endpoint;
use everlink::redis::config::EndpointMap;
use everlink::redis::{Config, cmd};

use crate::application::{Application, SOON, TestResult, local};
use crate::primaries;
use crate::support::fault_proxy::FaultProxy;
use crate::support::ports::Port;
use crate::support::redis_cluster::RedisCluster;

/// A key of each primary is served.
async fn serves(config: Config) -> Result<Application, Box<dyn std::error::Error>> {
    let application = Application::open(config.command_timeout(SOON)).await?;
    for key in [0, 6000, 16_000].map(crate::routing::key_in) {
        application.run(cmd("INCR").arg(key)).await?;
    }
    Ok(application)
}

fn port(cluster: &RedisCluster, index: usize) -> u16 {
    cluster.nodes()[index].port()
}

/// One cluster for all of it.
#[actix::test]
async fn seeds_and_addresses_of_nodes() -> TestResult {
    let cluster = primaries().await;
    seeds_may_be_dead_in_part(&cluster).await?;
    a_seed_by_name_leads_to_nodes_by_address(&cluster).await?;
    nodes_behind_other_addresses_are_reached_by_the_endpoint_map(&cluster).await?;
    a_user_who_may_not_see_the_cluster_is_told_so(&cluster).await
}

async fn seeds_may_be_dead_in_part(cluster: &RedisCluster) -> TestResult {
    let nobody = [Port::reserve()?, Port::reserve()?];
    let seeds = [
        local(nobody[0].number()),
        local(port(cluster, 1)),
        local(nobody[1].number()),
    ];
    let application = serves(Config::cluster(seeds)).await?;
    // Dead seeds are no nodes.
    assert_eq!(application.client.status().await?.len(), 3);
    Ok(())
}

async fn a_seed_by_name_leads_to_nodes_by_address(cluster: &RedisCluster) -> TestResult {
    let seed = Endpoint::tcp("localhost", port(cluster, 0));
    let application = serves(Config::cluster([seed])).await?;
    // One link for each node, by the address that it announces.
    let links = application.client.status().await?;
    assert_eq!(links.len(), 3, "{links:#?}");
    assert!(
        links
            .iter()
            .all(|link| { link.endpoint.as_ref().and_then(Endpoint::host) == Some("127.0.0.1") })
    );
    assert!(application.client.health_check().await?.healthy);
    Ok(())
}

async fn nodes_behind_other_addresses_are_reached_by_the_endpoint_map(
    cluster: &RedisCluster,
) -> TestResult {
    let mut map = EndpointMap::new();
    let mut proxies = Vec::new();
    for node in cluster.nodes() {
        let proxy = FaultProxy::start(node.port())?;
        map = map.entry(
            &local(node.port()).to_string(),
            &local(proxy.port()).to_string(),
        )?;
        proxies.push(proxy);
    }
    let seed = local(proxies[0].port());
    serves(Config::cluster([seed]).endpoint_map(map)).await?;
    assert!(proxies.iter().all(|proxy| proxy.connections() > 0));
    Ok(())
}

async fn a_user_who_may_not_see_the_cluster_is_told_so(cluster: &RedisCluster) -> TestResult {
    for index in 0..cluster.nodes().len() {
        let rules = [
            "ACL", "SETUSER", "blind", "on", ">secret", "~*", "+@all", "-cluster",
        ];
        cluster.tell(index, &rules).await?;
    }
    let config = Config::cluster([local(port(cluster, 0))])
        .command_timeout(SOON)
        .username("blind")
        .password("secret");
    let application = Application::open(config).await?;
    let error = application.error(cmd("GET").arg("k")).await;
    assert!(error.to_string().contains("CLUSTER SLOTS"), "{error}");
    assert_eq!(error.outcome(), everlink::redis::Outcome::NotSent);
    Ok(())
}
