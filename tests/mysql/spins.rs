//! A pool that has nothing to do does nothing.

use std::time::Duration;

use everlink::exit::CauseKind;
use everlink::mysql::Statement;

use crate::shop::{Shop, TestResult, server, settings, until};
use crate::support::cpu::computed;

#[actix::test]
async fn nothing_spins_while_a_pool_drains_or_a_check_takes_long() -> TestResult {
    let server = server!();
    let mut settings = settings(&server);
    settings.health.interval = Duration::from_millis(50);
    settings.health.timeout = Duration::from_secs(2);
    settings.health.failures = 1;
    let shop = Shop::ready(settings).await;
    let pool = shop.pool.clone();
    let slow = actix::spawn(async move { pool.query("DO SLEEP(2)").await });
    until(&shop.pool, |pool| pool.in_use == 1).await;
    let before = computed();
    shop.pool.stop().await;
    let drained = computed() - before;
    slow.await??;
    assert!(drained < Duration::from_millis(400), "{drained:?}");

    shop.pool.start().await;
    shop.pool.ready(crate::shop::SOON).await?;
    server.pause()?;
    let before = computed();
    shop.told("disconnected", 2).await;
    let checked = computed() - before;
    assert!(checked < Duration::from_millis(400), "{checked:?}");
    server.resume()?;
    Ok(())
}

#[actix::test]
async fn a_check_that_failed_is_followed_by_the_next_where_they_are_switched_off() -> TestResult {
    let server = server!();
    let mut settings = settings(&server);
    settings.health.enabled = false;
    settings.health.query = "SELECT n FROM missing".to_owned();
    settings.health.failures = 2;
    let shop = Shop::ready(settings).await;
    // It gives rise to the first check.
    let overdue = Statement::new("DO SLEEP(60)").timeout(Duration::from_millis(100));
    shop.pool.query(overdue).await.expect_err("overdue");
    let told = shop.told("disconnected", 1).await;
    let everlink::event::EventKind::Disconnected { cause } = told else {
        panic!("{told:?}");
    };
    assert_eq!(cause.kind(), CauseKind::Unhealthy, "{cause}");
    Ok(())
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
