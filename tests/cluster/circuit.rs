//! The circuit breaker of one node leaves the others alone.

use std::time::Duration;

use everlink::policy::{BreakerState, Force};
use everlink::redis::{ErrorKind, Outcome, cmd};
use futures_util::future::join_all;

use crate::application::{Application, TestResult, local};
use crate::routing::key_in;
use crate::{primaries, seeded};

const SHORT: Duration = Duration::from_millis(300);

/// How the breaker of each node stands, in the order of the nodes.
async fn breakers(application: &Application, ports: &[u16]) -> Vec<Option<BreakerState>> {
    let links = application.client.status().await.expect("a registry");
    let of = |port: &u16| {
        let link = links
            .iter()
            .find(|link| link.endpoint == Some(local(*port)));
        link.and_then(|link| link.breaker)
    };
    ports.iter().map(of).collect()
}

#[actix::test]
async fn an_open_circuit_of_one_node_leaves_the_other_nodes_untouched() -> TestResult {
    use BreakerState::{Closed, ForcedOpen, Open};
    let cluster = primaries().await;
    let ports: Vec<u16> = cluster.nodes().iter().map(|node| node.port()).collect();
    let application = Application::ready(seeded(&cluster)).await?;
    let [sick, second, third] = [0, 6000, 16_000].map(key_in);
    cluster.pause(0).await?;
    let calls = (0..5).map(|_| application.error(cmd("INCR").arg(&sick).timeout(SHORT)));
    join_all(calls).await;
    application.told("circuit_opened", 1).await;
    assert_eq!(
        breakers(&application, &ports).await,
        [Some(Open), Some(Closed), Some(Closed)]
    );
    for key in [&second, &third] {
        application.run(cmd("INCR").arg(key)).await?;
    }
    cluster.resume(0)?;

    let forced = application
        .client
        .force_breaker(Some(&local(ports[1])), Force::Open)
        .await?;
    assert_eq!(forced.len(), 1);
    let error = application.error(cmd("INCR").arg(&second)).await;
    assert!(matches!(error.kind(), ErrorKind::CircuitOpen(_)), "{error}");
    assert_eq!(error.outcome(), Outcome::NotSent);
    assert_eq!(error.endpoint(), Some(&local(ports[1])));
    application.run(cmd("INCR").arg(&third)).await?;
    let [_, second, third] = breakers(&application, &ports).await[..] else {
        panic!("three nodes");
    };
    assert_eq!([second, third], [Some(ForcedOpen), Some(Closed)]);
    Ok(())
}
