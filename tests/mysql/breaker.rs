//! The circuit breaker of a pool.

use std::time::Duration;

use everlink::link::BreakerOption;
use everlink::mysql::{ErrorKind, Outcome, Statement};
use everlink::policy::{BreakerSettings, BreakerState, Force};

use crate::shop::{SOON, Shop, TestResult, server, settings};
use crate::support::mariadb::MariaDb;

/// A pool whose breaker opens after three statements that are overdue, for so long.
async fn breaking(server: &MariaDb, open: Duration) -> Result<Shop, Box<dyn std::error::Error>> {
    let mut settings = settings(server);
    let breaker = BreakerSettings::default().with_consecutive(3)?;
    settings.link.breaker = BreakerOption::Set(breaker.with_open(open, open)?);
    Ok(Shop::ready(settings).await)
}

async fn three_overdue(shop: &Shop) {
    for _ in 0..3 {
        let slow = Statement::new("DO SLEEP(60)").timeout(Duration::from_millis(100));
        shop.pool.query(slow).await.expect_err("overdue");
    }
}

#[actix::test]
async fn overdue_statements_open_it_and_answers_of_any_kind_do_not() -> TestResult {
    let server = server!();
    // For longer than the test takes.
    let shop = breaking(&server, 10 * SOON).await?;
    // An error of the server is an answer.
    for _ in 0..5 {
        shop.pool
            .query("SELECT nothing")
            .await
            .expect_err("refused");
    }
    assert_eq!(shop.names(), ["connecting", "connected"]);
    three_overdue(&shop).await;
    let error = shop.pool.query("DO 1").await.expect_err("it is open");
    assert!(matches!(error.kind(), ErrorKind::CircuitOpen(_)), "{error}");
    assert_eq!(error.outcome(), Outcome::NotSent);
    shop.told("circuit_opened", 1).await;
    Ok(())
}

#[actix::test]
async fn answers_close_it_once_it_is_half_open() -> TestResult {
    let server = server!();
    let shop = breaking(&server, Duration::from_millis(100)).await?;
    three_overdue(&shop).await;
    shop.told("circuit_opened", 1).await;
    shop.told("circuit_half_open", 1).await;
    for _ in 0..3 {
        shop.pool.query("DO 1").await?;
    }
    shop.told("circuit_closed", 1).await;
    Ok(())
}

#[actix::test]
async fn an_operator_forces_it() -> TestResult {
    let server = server!();
    let shop = Shop::ready(settings(&server)).await;
    assert!(shop.pool.force_breaker(Force::Open).await);
    shop.pool.query("DO 1").await.expect_err("forced open");
    let status = shop.pool.status().await.expect("it lives");
    assert_eq!(status.breaker, Some(BreakerState::ForcedOpen));
    shop.pool.force_breaker(Force::Closed).await;
    shop.pool.query("DO 1").await?;
    Ok(())
}
