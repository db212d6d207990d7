//! A pool that has nothing to do does nothing.

use std::time::Duration;

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
