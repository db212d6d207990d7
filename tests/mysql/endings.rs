//! What becomes of calls and figures when a pool or a session comes to an end.

use std::time::Duration;

use everlink::exit::CauseKind;
use everlink::mysql::{ErrorKind, Outcome, Session, Statement};

use crate::shop::{SOON, Shop, TestResult, server, settings, settings_unhealthy_after, until};

#[actix::test]
async fn a_stop_that_takes_too_long_leaves_no_figures_and_says_why_calls_were_lost() -> TestResult {
    let server = server!();
    let mut settings = settings(&server);
    settings.link.drain_timeout = Duration::from_millis(100);
    settings.link.kill_timeout = Duration::from_millis(100);
    let shop = Shop::ready(settings).await;
    // An earlier loss has another cause.
    server.kill9().await?;
    shop.told("disconnected", 1).await;
    server.restart().await?;
    shop.pool.ready(SOON).await?;
    let pool = shop.pool.clone();
    let slow = actix::spawn(async move { pool.query("DO SLEEP(60)").await });
    until(&shop.pool, |pool| pool.in_use == 1).await;
    shop.pool.stop().await;
    let error = slow.await?.expect_err("it was cut off");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    let kind = error.cause().map(everlink::exit::Cause::kind);
    assert!(
        matches!(kind, Some(CauseKind::Requested | CauseKind::Aborted)),
        "{error}"
    );
    let left = shop.pool.statistics();
    assert_eq!((left.open, left.in_use, left.idle), (0, 0, 0), "{left:?}");
    Ok(())
}

#[actix::test]
async fn after_a_deadline_a_session_says_that_and_not_how_another_was_lost() -> TestResult {
    let server = server!();
    let shop = Shop::ready(settings(&server)).await;
    server.kill9().await?;
    shop.told("disconnected", 1).await;
    server.restart().await?;
    shop.pool.ready(SOON).await?;
    let error = shop
        .pool
        .session(async |session: &mut Session| {
            let slow = Statement::new("DO SLEEP(60)").timeout(Duration::from_millis(100));
            session.query(slow).await.expect_err("overdue");
            session.query("DO 1").await
        })
        .await
        .expect_err("no more use");
    assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
    let ErrorKind::Lost(cause) = error.kind() else {
        panic!("{error}");
    };
    assert!(cause.detail().contains("deadline"), "{cause}");
    Ok(())
}

#[actix::test]
async fn a_check_that_fails_while_a_pool_drains_cuts_nothing_off() -> TestResult {
    let server = server!();
    let shop = Shop::ready(settings_unhealthy_after(1, &server)).await;
    let pool = shop.pool.clone();
    let drains = actix::spawn(async move { pool.query("SELECT SLEEP(2)").await });
    let pool = shop.pool.clone();
    let overdue = actix::spawn(async move {
        let statement = Statement::new("DO SLEEP(60)").timeout(Duration::from_millis(500));
        pool.query(statement).await
    });
    until(&shop.pool, |pool| pool.in_use == 2).await;
    shop.pool.stop().await;
    overdue.await?.expect_err("overdue");
    drains.await??;
    Ok(())
}

#[actix::test]
async fn a_setup_that_cannot_work_parks_the_link_and_is_quoted_nowhere() -> TestResult {
    let server = server!();
    for setup in ["SET @key nonsense 'hunter2'", "SET sql_mode = 'hunter2'"] {
        let mut settings = settings(&server);
        settings.setup = vec![setup.to_owned()];
        let shop = Shop::open(settings).await;
        let everlink::event::EventKind::GaveUp { cause, .. } = shop.told("gave_up", 1).await else {
            panic!("another event");
        };
        assert_eq!(cause.kind(), CauseKind::Misconfigured, "{cause}");
        let told = shop.lines().join("\n");
        assert!(!told.contains("hunter2"), "{told}");
    }
    Ok(())
}
