//! In which state every connection of a pool begins, and begins again after each session.

use everlink::event::EventKind;
use everlink::exit::CauseKind;
use everlink::mysql::{Pool, Session};

use crate::shop::{Shop, TestResult, server, settings};
use crate::support::mariadb::MariaDb;

/// What was acknowledged is there, whichever way it was written.
async fn keeps_what_it_acknowledged(pool: &Pool, server: &MariaDb) -> TestResult {
    for round in 0..2 {
        pool.query("DELETE FROM t").await?;
        pool.query("INSERT INTO t VALUES (1)").await?;
        pool.exec("INSERT INTO t VALUES (?)", (2,)).await?;
        pool.transaction(async |session: &mut Session| {
            session.query("INSERT INTO t VALUES (3)").await
        })
        .await?;
        // After a session the connection is reset.
        pool.session(async |session: &mut Session| session.query("INSERT INTO t VALUES (4)").await)
            .await?;
        let rows = server
            .rows::<i32>("SELECT n FROM shop.t ORDER BY n")
            .await?;
        assert_eq!(rows, [1, 2, 3, 4], "round {round}");
    }
    Ok(())
}

#[actix::test]
async fn what_is_acknowledged_is_committed_on_a_server_without_autocommit() -> TestResult {
    let server = server!("--autocommit=0");
    server.run("CREATE TABLE shop.t (n INT)").await?;
    let mut settings = settings(&server);
    (settings.pool.min, settings.pool.max) = (1, 1);
    let shop = Shop::ready(settings).await;
    keeps_what_it_acknowledged(&shop.pool, &server).await
}

#[actix::test]
async fn what_is_acknowledged_is_committed_whatever_the_setup_says_of_autocommit() -> TestResult {
    let server = server!();
    server.run("CREATE TABLE shop.t (n INT)").await?;
    let mut settings = settings(&server);
    (settings.pool.min, settings.pool.max) = (1, 1);
    settings.setup = vec!["SET autocommit = 0".to_owned()];
    let shop = Shop::ready(settings).await;
    keeps_what_it_acknowledged(&shop.pool, &server).await
}

#[actix::test]
async fn setup_statements_are_executed_in_their_order_at_first_and_after_each_session() -> TestResult
{
    let server = server!();
    let mut settings = settings(&server);
    (settings.pool.min, settings.pool.max) = (1, 1);
    settings.setup = ["SET @a = 1", "SET @b = @a + 1", "SET @c = @b + 1"]
        .map(str::to_owned)
        .into();
    let pool = Shop::ready(settings).await.pool;
    for when in ["at first", "after a session"] {
        let seen: Option<(Option<i64>, Option<i64>)> =
            pool.query("SELECT @b, @c").await?.first()?;
        assert_eq!(seen, Some((Some(2), Some(3))), "{when}");
        pool.session(async |session: &mut Session| session.query("SET @b = 7").await)
            .await?;
    }
    Ok(())
}

#[actix::test]
async fn a_setup_that_leaves_a_transaction_open_parks_the_link() -> TestResult {
    let server = server!();
    let mut settings = settings(&server);
    settings.setup = vec!["BEGIN".to_owned()];
    let shop = Shop::open(settings).await;
    let EventKind::GaveUp { cause, .. } = shop.told("gave_up", 1).await else {
        panic!("another event");
    };
    assert_eq!(cause.kind(), CauseKind::Misconfigured, "{cause}");
    Ok(())
}
