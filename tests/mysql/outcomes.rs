//! What is said of a statement that failed, and what the server did.

use everlink::mysql::{ErrorKind, Outcome, Pool, Session};

use crate::shop::{Shop, TestResult, pool_and_table, server, settings};

#[actix::test]
async fn a_refused_statement_had_no_effect_and_what_had_one_in_part_is_unknown() -> TestResult {
    let server = server!();
    let shop = Shop::ready(settings(&server)).await;
    let pool = &shop.pool;
    pool.query("CREATE TABLE t (n INT PRIMARY KEY)").await?;
    pool.query("CREATE PROCEDURE p() BEGIN INSERT INTO t VALUES (1); SIGNAL SQLSTATE '45000'; END")
        .await?;
    // Its second statement is one that the server cannot even parse.
    let twice = "BEGIN INSERT INTO t VALUES (2); EXECUTE IMMEDIATE 'nonsense'; END";
    pool.query(format!("CREATE PROCEDURE q() {twice}")).await?;
    pool.query("CREATE TABLE gone (n INT)").await?;
    let count = "SELECT COUNT(*) FROM t";
    for (row, statement) in [
        (1, "CALL p()"),
        (2, "CALL q()"),
        (
            2,
            "BEGIN NOT ATOMIC INSERT INTO t VALUES (2); SIGNAL SQLSTATE '45000'; END",
        ),
        (
            2,
            "/* why */ IF TRUE THEN INSERT INTO t VALUES (2); INSERT INTO t VALUES (2); END IF",
        ),
        (2, "EXECUTE IMMEDIATE 'CALL q()'"),
    ] {
        for prepared in [false, true] {
            pool.query("DELETE FROM t").await?;
            let failed = match prepared {
                false => pool.query(statement).await,
                true => pool.exec(statement, ()).await,
            };
            let error = failed.expect_err(statement);
            let left: Vec<i32> = pool.query("SELECT n FROM t").await?.rows()?;
            // Not all of them can be prepared.
            let expected = match left.is_empty() && prepared {
                false => {
                    assert_eq!(left, [row], "{statement}");
                    Outcome::Unknown
                }
                true => Outcome::Refused,
            };
            assert_eq!(error.outcome(), expected, "{statement}: {error}");
        }
    }
    let error = pool.query("DROP TABLE gone, missing").await;
    assert_eq!(error.expect_err("half").outcome(), Outcome::Unknown);
    let error = pool.query("SELECT * FROM gone").await;
    assert_eq!(error.expect_err("it is gone").code(), Some(1146));

    pool.query("DELETE FROM t").await?;
    pool.query("INSERT INTO t VALUES (1)").await?;
    for statement in [
        "INSERT INTO t VALUES (2), (1)",
        "-- of the shop\ninsert into t VALUES (2), (1)",
        "/* of the shop */ REPLACE INTO t SELECT 2 UNION ALL SELECT NULL",
        "UPDATE t SET n = NULL",
        "SELECT nothing",
        "CREATE TABLE t (n INT)",
        "CREATE nonsense",
        "TRUNCATE missing",
        "SET nothing = 1",
    ] {
        let error = pool.query(statement).await.expect_err(statement);
        assert_eq!(error.outcome(), Outcome::Refused, "{statement}: {error}");
        let left: Option<i32> = pool.query(count).await?.first()?;
        assert_eq!(left, Some(1), "{statement}");
    }

    // Within a transaction its work is told the same; with the work it is rolled back.
    let error = pool
        .transaction(async |session: &mut Session| {
            session.query("DELETE FROM t").await?;
            let error = session.query("CALL p()").await.expect_err("it signals");
            assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
            Err::<(), _>(error)
        })
        .await;
    assert_eq!(error.expect_err("its error").outcome(), Outcome::RolledBack);
    Ok(())
}

#[actix::test]
async fn what_answers_too_much_is_executed_to_its_end() -> TestResult {
    let server = server!();
    let mut settings = settings(&server);
    (settings.pool.min, settings.pool.max) = (1, 1);
    settings.pool.answer_bytes = 10_000;
    let shop = Shop::ready(settings).await;
    let pool = &shop.pool;
    pool.query("CREATE TABLE t (n INT PRIMARY KEY, pad CHAR(200))")
        .await?;
    pool.query("CREATE TABLE done (n INT)").await?;
    pool.query(
        "CREATE PROCEDURE p() BEGIN SELECT * FROM t, t AS u WHERE u.n <= 40; INSERT INTO done VALUES (1); END",
    )
    .await?;
    let number = "SELECT CONNECTION_ID()";
    let before: Option<u64> = pool.query(number).await?.first()?;
    // More than fits into the buffers between here and there.
    let fill = "REPLACE INTO t SELECT seq, REPEAT('x', 200) FROM seq_1_to_1000";
    for statement in [
        "CALL p()",
        "SELECT * FROM t, t AS u WHERE u.n <= 40; INSERT INTO done VALUES (1)",
        "DELETE FROM t RETURNING *",
    ] {
        pool.query("DELETE FROM done").await?;
        pool.query(fill).await?;
        let error = pool.query(statement).await.expect_err(statement);
        assert!(
            matches!(error.kind(), ErrorKind::TooLarge(10_000)),
            "{error}"
        );
        assert_eq!(error.outcome(), Outcome::Executed, "{statement}");
        let rows: Option<(i64, i64)> = pool
            .query("SELECT (SELECT COUNT(*) FROM t), (SELECT COUNT(*) FROM done)")
            .await?
            .first()?;
        let expected = match statement.starts_with("DELETE") {
            true => (0, 0),
            false => (1000, 1),
        };
        assert_eq!(rows, Some(expected), "{statement}");
    }
    let after: Option<u64> = pool.query(number).await?.first()?;
    assert_eq!(before, after, "it is as good as before");
    Ok(())
}

/// Adds 5 and 6 with an error between them, at which it does not look.
async fn careless(pool: &Pool, fails: &'static str) -> everlink::mysql::Result<()> {
    pool.transaction(async move |session: &mut Session| {
        session.query("INSERT INTO t VALUES (5)").await?;
        let error = session.query(fails).await.expect_err(fails);
        assert!(error.code().is_some(), "{error}");
        // It may be refused: that is not looked at either.
        drop(session.query("INSERT INTO t VALUES (6)").await);
        Ok(())
    })
    .await
}

#[actix::test]
async fn nothing_follows_an_error_that_ended_its_transaction() -> TestResult {
    let server = server!(
        "--innodb-rollback-on-timeout",
        "--innodb-lock-wait-timeout=1"
    );
    let pool = pool_and_table(&server, "n INT PRIMARY KEY").await?;
    pool.query("INSERT INTO t VALUES (1)").await?;
    let other = pool.clone();
    let result = pool
        .transaction(async move |session: &mut Session| {
            session
                .query("SELECT n FROM t WHERE n = 1 FOR UPDATE")
                .await?;
            Ok(careless(&other, "DELETE FROM t WHERE n = 1").await)
        })
        .await?;
    let left: Vec<i32> = pool.query("SELECT n FROM t ORDER BY n").await?.rows()?;
    assert_eq!(left, [1], "{result:?}");
    let error = result.expect_err("the half of it");
    assert_eq!(error.outcome(), Outcome::RolledBack, "{error}");

    // After any other error it goes on.
    careless(&pool, "INSERT INTO t VALUES (1)").await?;
    let left: Vec<i32> = pool.query("SELECT n FROM t ORDER BY n").await?.rows()?;
    assert_eq!(left, [1, 5, 6]);
    Ok(())
}

#[actix::test]
async fn a_reading_statement_that_is_cut_off_is_not_called_executed() -> TestResult {
    let server = server!("--log-bin-trust-function-creators=1");
    let mut settings = settings(&server);
    settings.pool.answer_bytes = 10_000;
    let pool = Shop::ready(settings).await.pool;
    pool.query("CREATE TABLE done (n INT)").await?;
    // It reads by its first word, and writes by a function.
    pool.query(
        "CREATE FUNCTION f(n INT) RETURNS INT MODIFIES SQL DATA \
         BEGIN INSERT INTO done VALUES (n); RETURN n; END",
    )
    .await?;
    let statement = "SELECT f(seq), REPEAT('x', 10000) FROM seq_1_to_100000";
    let error = pool.query(statement).await.expect_err("too large");
    assert!(matches!(error.kind(), ErrorKind::TooLarge(_)), "{error}");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    Ok(())
}
