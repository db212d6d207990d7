//! Calls on a cluster in which nothing happens.

use everlink::redis::{
    AnyRouter, ClusterRouter, ErrorKind, HealthStatus, Outcome, Value, cmd, pipe,
};
use futures_util::future::join_all;

use crate::application::{Application, SOON, TestResult};
use crate::routing::key_of_each_slot;
use crate::support::redis_cluster::RedisCluster;
use crate::{primaries, seeded};

/// How many errors of this kind all nodes have answered with.
async fn errors(cluster: &RedisCluster, kind: &str) -> Result<u64, Box<dyn std::error::Error>> {
    let mut errors = 0;
    for node in cluster.nodes() {
        let stats = node.info("errorstats").await?;
        let line = stats
            .lines()
            .find(|line| line.starts_with(&format!("errorstat_{kind}:")));
        let count = line.and_then(|line| line.trim().rsplit('=').next()?.parse::<u64>().ok());
        errors += count.unwrap_or(0);
    }
    Ok(errors)
}

/// One cluster for all of it: nothing here disturbs the others.
#[actix::test]
async fn calls_on_a_cluster_in_which_nothing_happens() -> TestResult {
    let cluster = primaries().await;
    let application = Application::ready(seeded(&cluster)).await?;
    every_slot_is_served_without_a_redirect(&cluster, &application).await?;
    pipelines_over_all_nodes_keep_their_order(&application).await?;
    hash_tags_keep_keys_together(&application).await?;
    keys_in_different_slots_are_refused_before_sending(&cluster, &application).await?;
    commands_without_a_key_are_served(&application).await?;
    both_doors_lead_to_the_same_cluster(&cluster, &application).await?;
    calls_before_the_topology_is_known_find_their_nodes(&cluster).await?;
    operations_tell_of_every_node(&cluster, &application).await
}

async fn every_slot_is_served_without_a_redirect(
    cluster: &RedisCluster,
    application: &Application,
) -> TestResult {
    let keys = key_of_each_slot();
    let client = &application.client;
    let sets = keys
        .iter()
        .map(|key| client.query::<()>(cmd("SET").arg(key).arg(key)));
    for set in join_all(sets).await {
        set?;
    }
    let gets = keys
        .iter()
        .map(|key| client.query::<String>(cmd("GET").arg(key)));
    for (key, value) in keys.iter().zip(join_all(gets).await) {
        assert_eq!(&value?, key);
    }
    assert_eq!(errors(cluster, "MOVED").await?, 0);
    Ok(())
}

async fn pipelines_over_all_nodes_keep_their_order(application: &Application) -> TestResult {
    let mut pipeline = pipe();
    for n in 0..3000 {
        pipeline.add(cmd("SET").arg(format!("p{n}")).arg(n));
        pipeline.add(cmd("GET").arg(format!("p{n}")));
        if n % 100 == 0 {
            pipeline.add(cmd("LPUSH").arg(format!("p{n}")).arg("x"));
        }
    }
    let mut replies = application.client.pipeline(pipeline).await.into_iter();
    let mut next = || replies.next().expect("one for each command");
    for n in 0..3000 {
        assert_eq!(next()?, Value::Simple("OK".into()));
        assert_eq!(next()?, Value::Bulk(n.to_string().into()));
        if n % 100 == 0 {
            let error = next().expect_err("no list");
            assert_eq!(
                (error.code(), error.outcome()),
                (Some("WRONGTYPE"), Outcome::Refused)
            );
        }
    }
    assert!(replies.next().is_none());
    Ok(())
}

async fn hash_tags_keep_keys_together(application: &Application) -> TestResult {
    let client = &application.client;
    let pairs = [("{user1}a", 1), ("{user1}b", 2), ("x{user1}", 3)];
    client.query::<()>(cmd("MSET").arg(pairs)).await?;
    let values: Vec<u32> = client
        .query(cmd("MGET").arg(pairs.map(|(key, _)| key)))
        .await?;
    assert_eq!(values, [1, 2, 3]);
    let script = "return redis.call('GET', KEYS[1]) + redis.call('GET', KEYS[2])";
    let sum = cmd("EVAL").arg(script).arg((2, "{user1}a", "{user1}b"));
    assert_eq!(client.query::<u32>(sum).await?, 3);
    Ok(())
}

async fn keys_in_different_slots_are_refused_before_sending(
    cluster: &RedisCluster,
    application: &Application,
) -> TestResult {
    for command in [
        cmd("MSET").arg((("foo", 1), ("bar", 2))),
        cmd("SUNIONSTORE").arg(["foo", "bar"]),
        cmd("EVAL").arg("return 1").arg((2, "foo", "bar")),
    ] {
        let error = application.error(command).await;
        assert!(matches!(error.kind(), ErrorKind::CrossSlot), "{error:?}");
        assert_eq!(error.outcome(), Outcome::NotSent);
    }
    assert_eq!(errors(cluster, "CROSSSLOT").await?, 0);
    Ok(())
}

async fn commands_without_a_key_are_served(application: &Application) -> TestResult {
    let client = &application.client;
    assert_eq!(client.query::<String>(cmd("PING")).await?, "PONG");
    assert_eq!(client.query::<String>(cmd("ECHO").arg("x")).await?, "x");
    let info: String = client.query(cmd("CLUSTER INFO")).await?;
    assert!(info.contains("cluster_state:ok"));
    Ok(())
}

async fn both_doors_lead_to_the_same_cluster(
    cluster: &RedisCluster,
    application: &Application,
) -> TestResult {
    let AnyRouter::Cluster(router) = application.client.router() else {
        panic!("not a router of a cluster");
    };
    router.send(cmd("SET").arg("door").arg("open")).await??;
    let value: String = application.client.query(cmd("GET").arg("door")).await?;
    assert_eq!(value, "open");
    let alone = ClusterRouter::open(seeded(cluster))?;
    assert_eq!(
        alone.send(cmd("GET").arg("door")).await??,
        Value::Bulk("open".into())
    );
    let replies = alone.send(pipe().push(cmd("GET").arg("door"))).await?;
    assert_eq!(replies.all::<String>()?, ["open"]);
    Ok(())
}

async fn calls_before_the_topology_is_known_find_their_nodes(cluster: &RedisCluster) -> TestResult {
    let before = errors(cluster, "MOVED").await?;
    let application = Application::open(seeded(cluster)).await?;
    let client = &application.client;
    let early = (0..100).map(|n| client.query::<u32>(cmd("GET").arg(format!("p{}", n * 7 + 1))));
    for (n, value) in (0..).zip(join_all(early).await) {
        assert_eq!(value?, n * 7 + 1);
    }
    let cross = Application::open(seeded(cluster)).await?;
    let error = cross.error(cmd("MGET").arg(["foo", "bar"])).await;
    assert!(matches!(error.kind(), ErrorKind::CrossSlot), "{error:?}");
    assert_eq!(errors(cluster, "MOVED").await?, before);
    Ok(())
}

async fn operations_tell_of_every_node(
    cluster: &RedisCluster,
    application: &Application,
) -> TestResult {
    let client = &application.client;
    let report = client.health_check().await?;
    assert!(report.healthy && report.nodes.len() == 3, "{report:?}");
    assert!(
        report
            .nodes
            .iter()
            .all(|node| matches!(node.status, HealthStatus::Ok { .. }))
    );
    assert_eq!(client.reconnect().await?, []);
    assert_eq!(
        application.count("reconnected"),
        3,
        "{:#?}",
        application.lines()
    );
    assert_eq!(
        client.query::<String>(cmd("GET").arg("door")).await?,
        "open"
    );
    let summary = client.shutdown(SOON).await?;
    assert_eq!((summary.links, summary.drained, summary.unsent), (3, 3, 0));
    let error = application.error(cmd("GET").arg("door")).await;
    assert!(matches!(error.kind(), ErrorKind::Stopped), "{error}");
    for node in cluster.nodes() {
        assert!(node.is_running());
    }
    Ok(())
}
