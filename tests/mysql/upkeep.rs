//! How a pool looks after its connections.

use std::time::Duration;

use everlink::event::LinkState;
use everlink::exit::CauseKind;
use everlink::mysql::{ErrorKind, Outcome};

use crate::shop::{SOON, Shop, TestResult, server, settings, until, until_server};

#[actix::test]
async fn it_is_warm_before_the_first_call_and_grows_and_shrinks_with_what_waits() -> TestResult {
    let server = server!();
    let mut settings = settings(&server);
    (settings.pool.min, settings.pool.max) = (3, 6);
    settings.pool.idle = Duration::from_millis(300);
    let shop = Shop::ready(settings).await;
    until(&shop.pool, |pool| pool.idle == 3).await;
    assert_eq!(server.connections().await?.len(), 3);
    let calls = (0..20).map(|_| shop.pool.query("DO SLEEP(0.2)"));
    let calls = futures_util::future::join_all(calls);
    let grown = until(&shop.pool, |pool| pool.in_use == 6 && pool.waiting > 0);
    let (answers, ()) = futures_util::future::join(calls, grown).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    until(&shop.pool, |pool| (pool.open, pool.idle) == (3, 3)).await;
    until_server(&server, |connections| connections.len() == 3).await
}

#[actix::test]
async fn a_pool_that_shrinks_closes_none_of_its_minimum() -> TestResult {
    let server = server!();
    let mut settings = settings(&server);
    (settings.pool.min, settings.pool.max) = (3, 8);
    settings.pool.idle = Duration::from_millis(300);
    let shop = Shop::ready(settings).await;
    let calls = (0..8).map(|_| shop.pool.query("DO SLEEP(0.5)"));
    let calls = futures_util::future::join_all(calls);
    let grown = until(&shop.pool, |pool| pool.in_use == 8);
    futures_util::future::join(calls, grown).await;
    let grown = server.connections().await?;
    until(&shop.pool, |pool| (pool.open, pool.idle) == (3, 3)).await;
    let kept = server.connections().await?;
    let known = |number: u64| grown.iter().any(|(other, _)| *other == number);
    assert!(
        kept.iter().all(|(number, _)| known(*number)),
        "{grown:?} {kept:?}"
    );
    Ok(())
}

#[actix::test]
async fn no_connection_outlives_its_lifetime_and_nobody_notices() -> TestResult {
    let server = server!();
    let mut settings = settings(&server);
    settings.pool.lifetime = Duration::from_millis(400);
    let shop = Shop::ready(settings).await;
    let first = server.connections().await?;
    until_server(&server, |now| {
        now.len() >= 2 && first.iter().all(|it| now.iter().all(|(id, _)| *id != it.0))
    })
    .await?;
    shop.pool.query("DO 1").await?;
    assert_eq!(shop.names(), ["connecting", "connected"]);
    Ok(())
}

#[actix::test]
async fn the_health_check_asks_what_the_user_chose() -> TestResult {
    let server = server!();
    server.run("CREATE TABLE shop.health (n INT)").await?;
    let mut settings = settings(&server);
    settings.health.query = "SELECT n FROM health".to_owned();
    settings.health.interval = Duration::from_millis(50);
    settings.health.failures = 2;
    let shop = Shop::ready(settings).await;
    server.run("DROP TABLE shop.health").await?;
    let cause = shop.lost().await;
    assert_eq!(cause.kind(), CauseKind::Unhealthy);
    assert!(
        cause.detail().contains("2 checks in a row failed"),
        "{cause}"
    );
    Ok(())
}

#[actix::test]
async fn more_calls_than_may_wait_fail_at_once_and_those_that_wait_for_too_long_fail_then()
-> TestResult {
    let server = server!();
    let mut settings = settings(&server);
    (settings.pool.min, settings.pool.max) = (1, 1);
    settings.pool.waiting = 2;
    settings.timeouts.acquire = Duration::from_millis(300);
    let shop = Shop::ready(settings).await;
    let pool = shop.pool.clone();
    let slow = actix::spawn(async move { pool.query("DO SLEEP(1)").await });
    until(&shop.pool, |pool| pool.in_use == 1).await;
    let calls = (0..3).map(|_| shop.pool.query("DO 1"));
    let answers = futures_util::future::join_all(calls).await;
    let errors: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    assert_eq!(errors.len(), 3);
    assert!(
        errors
            .iter()
            .all(|error| error.outcome() == Outcome::NotSent)
    );
    let full = |error: &&everlink::mysql::Error| matches!(error.kind(), ErrorKind::QueueFull(2));
    assert_eq!(errors.iter().filter(full).count(), 1, "{errors:?}");
    slow.await??;
    Ok(())
}

#[actix::test]
async fn a_stop_lets_calls_finish_closes_all_and_a_start_brings_it_back() -> TestResult {
    let server = server!();
    let shop = Shop::ready(settings(&server)).await;
    let pool = shop.pool.clone();
    let slow = actix::spawn(async move { pool.query("SELECT SLEEP(0.3)").await });
    until(&shop.pool, |pool| pool.in_use == 1).await;
    shop.pool.stop().await;
    slow.await??;
    until_server(&server, |connections| connections.is_empty()).await?;
    let error = shop.pool.query("DO 1").await.expect_err("stopped");
    assert!(matches!(error.kind(), ErrorKind::Stopped), "{error}");
    assert_eq!(
        shop.pool.status().await.expect("it lives").state,
        LinkState::Stopped
    );
    shop.pool.start().await;
    shop.pool.ready(SOON).await?;
    shop.pool.query("DO 1").await?;

    let before = server.connections().await?;
    shop.pool.reconnect().await;
    shop.told("reconnected", 1).await;
    until_server(&server, |now| {
        before
            .iter()
            .all(|it| now.iter().all(|(id, _)| *id != it.0))
    })
    .await?;
    // The last handle takes all with it.
    drop(shop);
    until_server(&server, |connections| connections.is_empty()).await
}
