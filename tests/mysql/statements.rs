//! What one asks and what comes back.

use everlink::mysql::{Error, ErrorKind, Outcome, Session, Statement, params};
use std::time::Duration;

use crate::shop::{Shop, TestResult, pool_and_table, server, settings};

#[actix::test]
async fn statements_parameters_and_rows_go_both_ways() -> TestResult {
    let server = server!();
    let pool = Shop::ready(settings(&server)).await.pool;
    pool.query("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(20), n BIGINT)")
        .await?;
    let inserted = pool
        .exec(
            "INSERT INTO t (name, n) VALUES (?, ?), (?, ?)",
            ("a", 1, "b", 2),
        )
        .await?;
    assert_eq!(
        (inserted.affected_rows(), inserted.last_insert_id()),
        (2, Some(1))
    );
    let named = params! { "name" => "b" };
    let rows: Vec<(i32, String, i64)> = pool
        .exec("SELECT id, name, n FROM t WHERE name = :name", named)
        .await?
        .rows()?;
    assert_eq!(rows, [(2, "b".to_owned(), 2)]);
    let one: Option<i64> = pool.query("SELECT SUM(n) FROM t").await?.first()?;
    assert_eq!(one, Some(3));
    let first_of_two: Option<i64> = pool.query("SELECT 1; SELECT 2").await?.first()?;
    assert_eq!(first_of_two, Some(1));
    Ok(())
}

#[actix::test]
async fn the_servers_refusal_is_told_and_shows_no_values() -> TestResult {
    let server = server!();
    let pool = pool_and_table(&server, "name VARCHAR(20) UNIQUE").await?;
    let insert = "INSERT INTO t VALUES ('hunter2')";
    pool.query(insert).await?;
    let error = pool.query(insert).await.expect_err("a duplicate");
    assert_eq!(
        (error.code(), error.outcome()),
        (Some(1062), Outcome::Refused)
    );
    let shown = format!("{error} {error:?} {:?}", error.kind());
    assert!(shown.contains("INSERT at 127.0.0.1"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
    let ErrorKind::Server(server_error) = error.kind() else {
        panic!("{error}");
    };
    assert!(server_error.message().contains("hunter2"));
    // The second of two: what the first did stays, so nobody can call it refused.
    let both = "INSERT INTO t VALUES ('first'); INSERT INTO t VALUES ('hunter2')";
    let error = pool.query(both).await.expect_err("a duplicate");
    assert_eq!(error.outcome(), Outcome::Unknown);
    Ok(())
}

#[actix::test]
async fn parameters_that_do_not_fit_are_not_sent_and_cost_no_connection() -> TestResult {
    let server = server!();
    let mut settings = settings(&server);
    (settings.pool.min, settings.pool.max) = (1, 1);
    let pool = Shop::ready(settings).await.pool;
    let number = "SELECT CONNECTION_ID()";
    let before: Option<u64> = pool.query(number).await?.first()?;
    let error = pool.exec("SELECT ?", (1, 2)).await.expect_err("too many");
    assert!(matches!(error.kind(), ErrorKind::Parameters(_)), "{error}");
    assert_eq!(error.outcome(), Outcome::NotSent);
    let after: Option<u64> = pool.query(number).await?.first()?;
    assert_eq!(before, after);
    let error = pool.exec("SELECT :a", params! { "b" => 1 }).await;
    let error = error.expect_err("missing");
    assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
    let wrong: Result<Vec<u8>, Error> = pool.query("SELECT 'text'").await?.rows();
    assert_eq!(wrong.expect_err("no number").outcome(), Outcome::Executed);
    Ok(())
}

#[actix::test]
async fn an_answer_larger_than_allowed_is_an_error() -> TestResult {
    let server = server!();
    let mut settings = settings(&server);
    settings.pool.answer_bytes = 100_000;
    let pool = Shop::ready(settings).await.pool;
    let error = pool.query("SELECT seq FROM seq_1_to_100000").await;
    let error = error.expect_err("too large");
    assert!(matches!(error.kind(), ErrorKind::TooLarge(100_000)));
    assert_eq!(error.outcome(), Outcome::Unknown);
    let one: Option<i32> = pool.query("SELECT 1").await?.first()?;
    assert_eq!(one, Some(1));
    Ok(())
}

#[actix::test]
async fn a_transaction_is_whole_or_nothing() -> TestResult {
    let server = server!();
    let pool = pool_and_table(&server, "n INT PRIMARY KEY").await?;
    let sum = pool
        .transaction(async |session: &mut Session| {
            session.exec("INSERT INTO t VALUES (?)", (1,)).await?;
            session.query("INSERT INTO t VALUES (2)").await?;
            session
                .query("SELECT CAST(SUM(n) AS SIGNED) FROM t")
                .await?
                .first::<i64>()
        })
        .await?;
    assert_eq!(sum, Some(3));
    let error = pool
        .transaction(async |session: &mut Session| {
            session.query("INSERT INTO t VALUES (3)").await?;
            Err::<(), _>(Error::custom("changed my mind"))
        })
        .await
        .expect_err("rolled back");
    assert_eq!(error.outcome(), Outcome::RolledBack);
    let error = pool
        .transaction(async |session: &mut Session| {
            session.query("INSERT INTO t VALUES (4)").await?;
            session.query("INSERT INTO t VALUES (1)").await
        })
        .await
        .expect_err("a duplicate");
    assert_eq!(error.code(), Some(1062));
    let error = pool
        .transaction(async |session: &mut Session| {
            session.query("INSERT INTO t VALUES (5)").await?;
            let slow = Statement::new("SELECT SLEEP(30)").timeout(Duration::from_millis(200));
            session.query(slow).await
        })
        .await
        .expect_err("too slow");
    assert_eq!(error.outcome(), Outcome::RolledBack, "{error}");
    let left: Vec<i32> = pool.query("SELECT n FROM t").await?.rows()?;
    assert_eq!(left, [1, 2]);
    Ok(())
}

#[actix::test]
async fn nothing_follows_a_deadlock_within_its_transaction() -> TestResult {
    let server = server!();
    let pool = pool_and_table(&server, "n INT PRIMARY KEY, v INT").await?;
    pool.query("INSERT INTO t VALUES (1, 0), (2, 0)").await?;
    let work = |first: i32, second: i32| {
        let pool = pool.clone();
        async move {
            pool.transaction(async move |session: &mut Session| {
                let add = "UPDATE t SET v = v + 1 WHERE n = ?";
                session.exec(add, (first,)).await?;
                session.query("SELECT SLEEP(0.3)").await?;
                // Careless: what it gives is not looked at.
                let second = session.exec(add, (second,)).await;
                let third = session.query("INSERT INTO t VALUES (3, 0)").await;
                assert_eq!(second.is_err(), third.is_err());
                Ok(())
            })
            .await
        }
    };
    let (one, two) = futures_util::future::join(work(1, 2), work(2, 1)).await;
    let errors: Vec<_> = [one, two].into_iter().filter_map(Result::err).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0].outcome(), Outcome::RolledBack);
    let rows: Vec<(i32, i32)> = pool.query("SELECT n, v FROM t ORDER BY n").await?.rows()?;
    assert_eq!(rows, [(1, 1), (2, 1), (3, 0)]);
    Ok(())
}

#[actix::test]
async fn nobody_sees_what_another_did_to_a_connection() -> TestResult {
    let server = server!();
    let mut settings = settings(&server);
    (settings.pool.min, settings.pool.max) = (1, 1);
    settings.setup = vec!["SET @greeting = 'hello'".to_owned()];
    let pool = Shop::ready(settings).await.pool;
    pool.query("CREATE TABLE t (n INT)").await?;
    pool.session(async |session: &mut Session| {
        session.query("SET @mine = 1, @greeting = 'bye'").await?;
        session.query("CREATE TEMPORARY TABLE mine (n INT)").await?;
        session.query("BEGIN").await?;
        session.query("INSERT INTO t VALUES (1)").await
    })
    .await?;
    let seen: Option<(Option<i64>, String)> =
        pool.query("SELECT @mine, @greeting").await?.first()?;
    assert_eq!(seen, Some((None, "hello".to_owned())));
    let error = pool.query("SELECT * FROM mine").await.expect_err("gone");
    assert_eq!(error.code(), Some(1146));
    // Also what a single statement leaves open.
    let mut inserted = 0;
    for open in ["BEGIN", "SET autocommit = 0", "BEGIN; SELECT nothing"] {
        let left = pool.query(open).await;
        assert_eq!(left.is_err(), open.contains("nothing"));
        pool.query("INSERT INTO t VALUES (2)").await?;
        inserted += 1;
        // Others see it at once: it was committed by itself.
        let rows = server.rows::<i32>("SELECT n FROM shop.t").await?;
        assert_eq!(rows, vec![2; inserted], "after {open}");
    }
    let resets: Vec<(String, u64)> = server
        .rows("SHOW GLOBAL STATUS LIKE 'Com_reset_connection'")
        .await?;
    for _ in 0..20 {
        pool.query("SELECT 1").await?;
        pool.exec("INSERT INTO t VALUES (?)", (3,)).await?;
    }
    let after: Vec<(String, u64)> = server
        .rows("SHOW GLOBAL STATUS LIKE 'Com_reset_connection'")
        .await?;
    assert_eq!(resets, after, "plain statements need no reset");
    Ok(())
}

#[actix::test]
async fn a_panic_of_the_work_harms_nobody_else() -> TestResult {
    let server = server!();
    let shop = Shop::ready(settings(&server)).await;
    let panics = shop.pool.transaction(async |session: &mut Session| {
        session.query("SELECT 1").await?;
        panic!("on purpose");
        #[expect(unreachable_code, reason = "its type")]
        Ok(())
    });
    let beside = shop.pool.query("SELECT SLEEP(0.5)");
    let (panicked, beside) = futures_util::future::join(panics, beside).await;
    let error = panicked.expect_err("it panicked");
    assert!(matches!(error.kind(), ErrorKind::Panicked), "{error}");
    beside?;
    assert_eq!(shop.names(), ["connecting", "connected"]);
    Ok(())
}

#[test]
fn a_handle_works_from_any_thread_and_runtime() -> TestResult {
    let (sender, receiver) = std::sync::mpsc::channel();
    let (done, waiting) = tokio::sync::oneshot::channel::<()>();
    let arbiter = std::thread::spawn(move || {
        actix::System::new().block_on(async move {
            let run = async {
                let server = server!();
                let pool = Shop::ready(settings(&server)).await.pool;
                sender.send(Some(pool))?;
                waiting.await?;
                TestResult::Ok(())
            };
            run.await.map_err(|error| error.to_string())
        })
    });
    let Ok(Some(pool)) = receiver.recv() else {
        arbiter.join().expect("no panic")?;
        return Ok(());
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()?;
    let calls: Vec<_> = (0..20)
        .map(|n| {
            let pool = pool.clone();
            runtime.spawn(async move { pool.exec("SELECT ?", (n,)).await?.first::<i32>() })
        })
        .collect();
    for (n, call) in (0..20).zip(calls) {
        assert_eq!(runtime.block_on(call)??, Some(n));
    }
    done.send(()).map_err(|()| "it ended")?;
    arbiter.join().expect("no panic")?;
    // Its arbiter is gone: nothing hangs.
    let error = runtime.block_on(pool.query("SELECT 1")).expect_err("gone");
    assert!(matches!(error.kind(), ErrorKind::Stopped), "{error}");
    Ok(())
}
