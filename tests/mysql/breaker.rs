//! The circuit breaker of a pool.

use std::time::Duration;

use everlink::link::BreakerOption;
use everlink::mysql::{ErrorKind, Outcome, Statement};
use everlink::policy::{BreakerSettings, BreakerState, Force};
use tokio::time::Instant;

use crate::shop::{Shop, TestResult, server, settings};

#[actix::test]
async fn overdue_statements_open_it_and_answers_close_it() -> TestResult {
    let server = server!();
    let mut settings = settings(&server);
    let breaker = BreakerSettings::default().with_consecutive(3)?;
    let breaker = breaker.with_open(Duration::from_millis(300), Duration::from_millis(300))?;
    settings.link.breaker = BreakerOption::Set(breaker);
    let shop = Shop::ready(settings).await;
    // An error of the server is an answer.
    for _ in 0..5 {
        shop.pool
            .query("SELECT nothing")
            .await
            .expect_err("refused");
    }
    assert_eq!(shop.names(), ["connecting", "connected"]);
    for _ in 0..3 {
        let slow = Statement::new("DO SLEEP(60)").timeout(Duration::from_millis(100));
        shop.pool.query(slow).await.expect_err("overdue");
    }
    let began = Instant::now();
    let error = shop.pool.query("DO 1").await.expect_err("it is open");
    assert!(matches!(error.kind(), ErrorKind::CircuitOpen(_)), "{error}");
    assert_eq!(error.outcome(), Outcome::NotSent);
    assert!(began.elapsed() < Duration::from_millis(250));
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
