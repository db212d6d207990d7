//! A real cluster that speaks TLS, also among its nodes.

use std::time::Duration;

use everlink::event::EventKind;
use everlink::exit::CauseKind;
use everlink::redis::config::Timeouts;
use everlink::redis::{Config, ErrorKind, Outcome, cmd};
use futures_util::future::try_join_all;

use crate::application::{Application, SOON, TestResult, local};
use crate::support::certificates::Validity;
use crate::support::redis_cluster::{RedisCluster, RedisClusterOptions};
use crate::support::redis_configuration::can_test_tls;
use crate::support::redis_server::RedisServerOptions;
use crate::{Ground, HERE};

const NAME: &str = "everlink-over-tls";

pub(crate) async fn cluster(
    server: RedisServerOptions,
    replicas_per_primary: usize,
) -> RedisCluster {
    let options = RedisClusterOptions {
        replicas_per_primary,
        server,
        ..RedisClusterOptions::default()
    };
    RedisCluster::start(options).await.expect("a cluster")
}

pub(crate) fn seeded(cluster: &RedisCluster, ground: &Ground) -> Config {
    let port = cluster.nodes()[0].tls_port().expect("with TLS");
    let timeouts = Timeouts::default()
        .command(SOON)
        .drain(Duration::from_millis(200));
    Config::cluster([local(port)])
        .client_name(NAME)
        .timeouts(timeouts)
        .tls(ground.settings())
}

/// Keys in all parts of the slots.
pub(crate) async fn write_and_read(application: &Application, value: &str) -> TestResult {
    let client = &application.client;
    let both = |n: u32| async move {
        let key = format!("key:{n}");
        client.query::<()>(cmd("SET").arg(&key).arg(value)).await?;
        client.query::<String>(cmd("GET").arg(&key)).await
    };
    let read = try_join_all((0..300).map(both)).await?;
    assert!(read.iter().all(|read| read == value));
    Ok(())
}

/// The ports of this node to which connections of this client lead.
async fn ports_used(
    cluster: &RedisCluster,
    index: usize,
) -> Result<Vec<u16>, Box<dyn std::error::Error>> {
    let list = cluster.tell(index, &["CLIENT", "LIST"]).await?;
    let list = list.text().unwrap_or_default();
    let own = list
        .lines()
        .filter(|line| line.contains(&format!("name={NAME} ")));
    let port = |line: &str| {
        let address = line.split(' ').find_map(|word| word.strip_prefix("laddr="));
        address.and_then(|it| it.rsplit(':').next()?.parse().ok())
    };
    Ok(own.filter_map(port).collect())
}

#[actix::test]
async fn every_node_is_dialled_with_tls_also_after_a_failover() -> TestResult {
    if !can_test_tls() {
        return Ok(());
    }
    let ground = Ground::new();
    let cluster = cluster(ground.options(), 1).await;
    let application = Application::ready(seeded(&cluster, &ground)).await?;
    write_and_read(&application, "before").await?;
    let old = cluster.primary_of_slot(16_000).await?;
    cluster.kill9(old).await?;
    cluster.wait_for_promotion(16_000, old).await?;
    write_and_read(&application, "after").await?;
    let mut used = 0;
    for (index, node) in cluster.nodes().iter().enumerate() {
        if index == old {
            continue;
        }
        let ports = ports_used(&cluster, index).await?;
        assert!(
            ports.iter().all(|port| Some(*port) == node.tls_port()),
            "{ports:?}"
        );
        used += ports.len();
    }
    assert!(used >= 3, "the three primaries at least");
    let lines = application.lines();
    let plain = cluster
        .nodes()
        .iter()
        .map(|node| format!(":{} ", node.port()));
    for port in plain {
        assert!(!lines.iter().any(|line| line.contains(&port)), "{lines:#?}");
    }
    Ok(())
}

#[actix::test]
async fn one_node_with_a_bad_certificate_parks_alone() -> TestResult {
    if !can_test_tls() {
        return Ok(());
    }
    let ground = Ground::new();
    let cluster = cluster(ground.options(), 0).await;
    let application = Application::ready(seeded(&cluster, &ground)).await?;
    write_and_read(&application, "before").await?;
    // Nodes of a cluster do not look whom a certificate is for, and when this one ended they have
    // their connections already.
    let bad = cluster.primary_of_slot(16_000).await?;
    ground.issue("server", &["elsewhere.example"], Validity::Now);
    cluster.restart(bad).await?;
    let EventKind::GaveUp { cause, .. } = application.told("gave_up", 1).await else {
        panic!("{:#?}", application.lines());
    };
    assert_eq!(cause.kind(), CauseKind::Certificate, "{cause}");
    cluster.wait_ok().await?;
    let key_of = |wanted: std::ops::Range<u16>| {
        (0_u32..)
            .map(|number| format!("key:{number}"))
            .find(|key| wanted.contains(&everlink::redis::Slot::of(key.as_bytes()).get()))
            .expect("each slot has keys")
    };
    application.run(cmd("GET").arg(key_of(0..5000))).await?;
    let error = application
        .error(cmd("GET").arg(key_of(16_000..16_384)))
        .await;
    assert!(matches!(error.kind(), ErrorKind::Parked(_)), "{error}");
    assert_eq!(error.outcome(), Outcome::NotSent);
    assert!(error.to_string().contains("another host"), "{error}");
    assert_eq!(
        application.count("gave_up"),
        1,
        "{:#?}",
        application.lines()
    );
    Ok(())
}

#[actix::test]
async fn a_cluster_whose_certificates_have_expired_says_so_to_the_first_call() -> TestResult {
    if !can_test_tls() {
        return Ok(());
    }
    let ground = Ground::new();
    let cluster = cluster(ground.options(), 0).await;
    ground.issue("server", &HERE, Validity::Past);
    for node in cluster.nodes() {
        node.command(&[
            "CONFIG",
            "SET",
            "tls-cert-file",
            &ground.path("server.pem").display().to_string(),
            "tls-key-file",
            &ground.path("server.key").display().to_string(),
        ])
        .await?
        .refused()?;
    }
    let application = Application::open(seeded(&cluster, &ground)).await?;
    let error = application.error(cmd("GET").arg("k")).await;
    assert_eq!(error.outcome(), Outcome::NotSent);
    // At once, and not by its deadline.
    assert!(matches!(error.kind(), ErrorKind::Parked(_)), "{error}");
    assert!(error.to_string().contains("has expired"), "{error}");
    let lines = application.lines();
    assert!(lines[0].contains("has expired"), "{lines:#?}");
    Ok(())
}
