//! Primaries that die, stand still or step down, under load.

use std::rc::Rc;
use std::time::Duration;

use everlink::redis::{Outcome, cmd};

use crate::application::{Application, TestResult, local};
use crate::load::Load;
use crate::routing::key_in;
use crate::support::redis_server::field;
use crate::support::waiting::Wait;
use crate::{cluster, seeded};

/// A key of each of the three primaries of the beginning.
fn keys() -> [String; 3] {
    [0, 6000, 16_000].map(key_in)
}

#[actix::test]
async fn calls_go_on_when_a_primary_is_killed_and_the_others_do_not_notice() -> TestResult {
    let cluster = cluster().await;
    let application = Rc::new(Application::ready(seeded(&cluster)).await?);
    let [dying, second, third] = keys();
    let affected = Load::start(&application, [dying]);
    let others = Load::start(&application, [second, third]);
    affected.goes_on(50).await?;

    cluster.kill9(0).await?;
    others.goes_on(50).await?;
    cluster.wait_for_promotion(0, 0).await?;
    let promoted = tokio::time::Instant::now();
    affected.goes_on(1).await?;
    assert!(
        promoted.elapsed() < Duration::from_secs(3),
        "{:?}",
        promoted.elapsed()
    );
    affected.goes_on(50).await?;
    assert!(
        affected
            .errors()
            .iter()
            .all(|error| error.outcome() == Outcome::Unknown)
    );
    assert_eq!(others.errors().len(), 0, "{:?}", others.errors());

    // It comes back as a replica, and is connected to as itself.
    cluster.restart(0).await?;
    cluster.wait_ok().await?;
    let back = cluster.nodes()[0].info("replication").await?;
    assert_eq!(field(&back, "role"), Some("slave"));
    let endpoint = local(cluster.nodes()[0].port());
    let mut wait = Wait::up_to(crate::application::SOON, "the returned node's link");
    loop {
        let links = application.client.status().await?;
        let link = links
            .iter()
            .find(|link| link.endpoint.as_ref() == Some(&endpoint));
        match link {
            Some(link) if link.state == everlink::event::LinkState::Up => break,
            other => wait.again(format!("{other:?}")).await?,
        }
    }
    affected.goes_on(50).await?;
    others.goes_on(50).await?;
    affected.settle(&application, false).await?;
    others.settle(&application, true).await
}

#[actix::test]
async fn calls_go_on_when_a_primary_stands_still() -> TestResult {
    let cluster = cluster().await;
    let application = Rc::new(Application::ready(seeded(&cluster)).await?);
    let [first, paused, third] = keys();
    let affected = Load::start(&application, [paused]);
    let others = Load::start(&application, [first, third]);
    affected.goes_on(50).await?;

    cluster.pause(1).await?;
    others.goes_on(50).await?;
    cluster.wait_for_promotion(6000, 1).await?;
    let promoted = tokio::time::Instant::now();
    affected.goes_on(1).await?;
    assert!(
        promoted.elapsed() < Duration::from_secs(4),
        "{:?}",
        promoted.elapsed()
    );
    cluster.resume(1)?;
    cluster.wait_ok().await?;
    affected.goes_on(50).await?;
    others.goes_on(50).await?;
    assert_eq!(others.errors().len(), 0, "{:?}", others.errors());
    affected.settle(&application, false).await?;
    others.settle(&application, true).await
}

#[actix::test]
async fn no_call_fails_when_a_primary_steps_down() -> TestResult {
    let cluster = cluster().await;
    let application = Rc::new(Application::ready(seeded(&cluster)).await?);
    let load = Load::start(&application, keys());
    load.goes_on(50).await?;
    for (replica, primary) in [(3, 0), (0, 3)] {
        cluster.tell(replica, &["CLUSTER", "FAILOVER"]).await?;
        cluster.wait_for_promotion(0, primary).await?;
        load.goes_on(50).await?;
        // The one that stepped down must follow before it can take over again.
        cluster.wait_ok().await?;
    }
    assert_eq!(load.errors().len(), 0, "{:?}", load.errors());
    load.settle(&application, true).await?;
    assert_eq!(
        application.count("disconnected"),
        0,
        "{:#?}",
        application.lines()
    );
    Ok(())
}

#[actix::test]
async fn every_connection_killed_at_once_costs_only_what_was_in_flight() -> TestResult {
    let cluster = cluster().await;
    let application = Rc::new(Application::ready(seeded(&cluster)).await?);
    let load = Load::start(&application, keys());
    load.goes_on(50).await?;
    for _ in 0..3 {
        cluster.client_kill_all().await?;
        load.goes_on(50).await?;
    }
    // One caller for each key: at most one call for each of them and each round.
    assert!(load.errors().len() <= 9, "{:?}", load.errors());
    assert!(
        load.errors()
            .iter()
            .all(|error| error.outcome() == Outcome::Unknown)
    );
    load.settle(&application, true).await?;
    // A key of no caller is served as well.
    application.run(cmd("SET").arg("after").arg(1)).await?;
    Ok(())
}
