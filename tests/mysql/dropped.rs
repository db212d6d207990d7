//! Callers that go away.

use std::time::Duration;

use everlink::mysql::{ErrorKind, Outcome, Session, Statement};
use futures_util::FutureExt;

use crate::shop::{Shop, TestResult, server, settings, until, until_server};

#[actix::test]
async fn a_dropped_call_ends_its_statement_at_the_server_and_leaves_no_dirt() -> TestResult {
    let server = server!();
    let mut settings = settings(&server);
    (settings.pool.min, settings.pool.max) = (1, 1);
    let shop = Shop::ready(settings).await;
    shop.pool.query("CREATE TABLE t (n INT)").await?;
    let pool = shop.pool.clone();
    let call = actix::spawn(async move {
        pool.transaction(async |session: &mut Session| {
            session.query("INSERT INTO t VALUES (1)").await?;
            session.query("DO SLEEP(600)").await
        })
        .await
    });
    until_server(&server, |connections| {
        let sleeps = |doing: &Option<String>| doing.as_ref().is_some_and(|it| it.contains("SLEEP"));
        connections.iter().any(|(_, doing)| sleeps(doing))
    })
    .await?;
    let (before, _) = server.connections().await?[0];
    call.abort();
    // The one connection of the pool is another one now, and the old one is no more.
    let number: Option<u64> = shop.pool.query("SELECT CONNECTION_ID()").await?.first()?;
    assert_ne!(number, Some(before));
    until_server(&server, |connections| {
        connections.iter().all(|(number, _)| *number != before)
    })
    .await?;
    let left: Vec<i32> = shop.pool.query("SELECT n FROM t").await?.rows()?;
    assert_eq!(left, [0; 0]);
    assert_eq!(shop.names(), ["connecting", "connected"]);
    Ok(())
}

#[actix::test]
async fn a_statement_beyond_its_deadline_is_ended_at_the_server_too() -> TestResult {
    let server = server!();
    let shop = Shop::ready(settings(&server)).await;
    // It would not see by itself that its client is gone.
    let busy =
        "SELECT COUNT(*) FROM seq_1_to_1000000 a, seq_1_to_1000000 b WHERE a.seq < b.seq * 2";
    let busy = Statement::new(busy).timeout(Duration::from_millis(300));
    let error = shop.pool.query(busy).await.expect_err("too slow");
    assert!(matches!(error.kind(), ErrorKind::Deadline(_)), "{error}");
    assert_eq!(error.outcome(), Outcome::Unknown);
    until_server(&server, |connections| {
        connections.iter().all(|(_, doing)| doing.is_none())
    })
    .await?;
    assert_eq!(shop.names(), ["connecting", "connected"]);
    Ok(())
}

#[actix::test]
async fn a_statement_that_its_session_did_not_wait_for_ends_the_session() -> TestResult {
    let server = server!();
    let pool = Shop::ready(settings(&server)).await.pool;
    let second = pool
        .session(async |session: &mut Session| {
            assert!(session.query("DO SLEEP(600)").now_or_never().is_none());
            session.query("DO 1").await
        })
        .await;
    assert_eq!(second.expect_err("no more use").outcome(), Outcome::NotSent);
    until_server(&server, |connections| {
        connections.iter().all(|(_, doing)| doing.is_none())
    })
    .await
}

#[actix::test]
async fn a_call_that_waits_and_is_dropped_is_never_sent() -> TestResult {
    let server = server!();
    let mut settings = settings(&server);
    (settings.pool.min, settings.pool.max) = (1, 1);
    let shop = Shop::ready(settings).await;
    shop.pool.query("CREATE TABLE t (n INT)").await?;
    let (first, second) = (shop.pool.clone(), shop.pool.clone());
    let first = actix::spawn(async move { first.query("DO SLEEP(0.5)").await });
    until(&shop.pool, |pool| pool.in_use == 1).await;
    let second = actix::spawn(async move { second.query("INSERT INTO t VALUES (1)").await });
    until(&shop.pool, |pool| pool.waiting == 1).await;
    second.abort();
    first.await??;
    let left: Vec<i32> = shop.pool.query("SELECT n FROM t").await?.rows()?;
    assert_eq!(left, [0; 0]);
    Ok(())
}
