//! Whose error it is, and what is said of work that was not rolled back.

use everlink::mysql::{Error, ErrorKind, Outcome, Session};

use crate::shop::{Shop, TestResult, pool_and_table, server, settings, settings_on};
use crate::support::fault_proxy::{FaultProxy, Way};
use crate::support::lane::Ending;

#[actix::test]
async fn an_unknown_outcome_elsewhere_stays_unknown_when_it_ends_a_transaction() -> TestResult {
    let server = server!();
    server.run("CREATE TABLE shop.t (n INT)").await?;
    let proxy = FaultProxy::start(server.port())?;
    let mut elsewhere = settings_on(&server, proxy.port());
    elsewhere.name = "elsewhere".into();
    (elsewhere.pool.min, elsewhere.pool.max) = (1, 1);
    elsewhere.health.enabled = false;
    // Else a ping comes first.
    elsewhere.pool.validate_after = crate::shop::SOON;
    let elsewhere = Shop::ready(elsewhere).await;
    let shop = Shop::ready(settings(&server)).await;
    let other = elsewhere.pool.clone();
    proxy.cut_after(Way::ToClient, 1, Ending::Reset);
    let error = shop
        .pool
        .transaction(async move |session: &mut Session| {
            session.query("INSERT INTO t VALUES (1)").await?;
            other.query("INSERT INTO t VALUES (2)").await
        })
        .await
        .expect_err("it is cut");
    assert_eq!(server.rows::<i32>("SELECT n FROM shop.t").await?, [2]);
    assert!(matches!(error.kind(), ErrorKind::Lost(_)), "{error}");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    Ok(())
}

#[actix::test]
async fn what_another_connection_or_session_did_is_not_called_rolled_back() -> TestResult {
    let server = server!();
    let pool = pool_and_table(&server, "n INT PRIMARY KEY").await?;
    // Rows of another connection that do not convert: its statement was executed.
    let other = pool.clone();
    let error = pool
        .transaction(async move |_: &mut Session| {
            other
                .query("INSERT INTO t VALUES (1) RETURNING 'text'")
                .await?
                .first::<u8>()
        })
        .await
        .expect_err("no number");
    assert_eq!(error.outcome(), Outcome::Executed, "{error}");
    // Those of its own: rolled back with all else.
    let error = pool
        .transaction(async |session: &mut Session| {
            session
                .query("INSERT INTO t VALUES (2) RETURNING 'text'")
                .await?
                .first::<u8>()
        })
        .await
        .expect_err("no number");
    assert_eq!(error.outcome(), Outcome::RolledBack, "{error}");
    // A reason from a session that was committed statement by statement.
    let other = pool.clone();
    let error = pool
        .transaction(async move |_: &mut Session| {
            other
                .session(async |session: &mut Session| {
                    session.query("INSERT INTO t VALUES (3)").await?;
                    Err::<(), _>(Error::custom("no"))
                })
                .await
        })
        .await
        .expect_err("its reason");
    assert!(matches!(error.kind(), ErrorKind::Custom(_)), "{error}");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    let rows: Vec<i32> = pool.query("SELECT n FROM t").await?.rows()?;
    assert_eq!(rows, [1, 3]);
    Ok(())
}

#[actix::test]
async fn a_reason_that_ends_a_session_says_that_nothing_was_taken_back() -> TestResult {
    let server = server!();
    let pool = pool_and_table(&server, "n INT").await?;
    let error = pool
        .session(async |session: &mut Session| {
            session.query("INSERT INTO t VALUES (1)").await?;
            Err::<(), _>(Error::custom("no"))
        })
        .await
        .expect_err("its reason");
    let rows: Vec<i32> = pool.query("SELECT n FROM t").await?.rows()?;
    assert_eq!(rows, [1]);
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    // Nothing was written: nothing was done.
    let error = pool
        .session(async |_: &mut Session| Err::<(), _>(Error::custom("no")))
        .await
        .expect_err("its reason");
    assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
    Ok(())
}
