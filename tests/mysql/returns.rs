//! A server that goes and comes back: what is told, how soon calls succeed again, and that nothing
//! is executed twice.

use std::time::{Duration, SystemTime};

use everlink::event::EventKind;
use everlink::exit::CauseKind;
use everlink::mysql::{MysqlSettings, Outcome, Statement, WhenDown};
use everlink::secret::Secret;

use crate::shop::{SOON, Shop, TestResult, server, settings};
use crate::support::mariadb::MariaDb;
use crate::support::story::in_short;

fn patient(server: &MariaDb) -> MysqlSettings {
    let mut settings = settings(server);
    settings.when_down = WhenDown::Wait;
    settings
}

/// A call that waits for the link succeeds, soon after this; what stands in the table then.
async fn succeeds_soon(
    shop: &Shop,
    server: &MariaDb,
    back: SystemTime,
) -> Result<Vec<i32>, Box<dyn std::error::Error>> {
    shop.pool.query("INSERT INTO t VALUES (2)").await?;
    shop.was_back_soon_after(back).await;
    let rows = server.rows("SELECT n FROM shop.t ORDER BY n").await?;
    Ok(rows)
}

#[actix::test]
async fn a_killed_server_is_in_use_again_soon_after_its_return() -> TestResult {
    let server = server!();
    let shop = Shop::ready(patient(&server)).await;
    shop.pool.query("CREATE TABLE t (n INT)").await?;
    shop.pool.query("INSERT INTO t VALUES (1)").await?;
    server.kill9().await?;
    shop.told("connect_failed", 2).await;
    server.restart().await?;
    let back = SystemTime::now();
    assert_eq!(succeeds_soon(&shop, &server, back).await?, [1, 2]);
    assert_eq!(
        in_short(&shop.names()),
        "connecting connected disconnected retried reconnecting connecting reconnected"
    );
    Ok(())
}

#[actix::test]
async fn what_a_paused_server_was_given_is_executed_once_at_the_most() -> TestResult {
    let server = server!();
    let mut settings = patient(&server);
    settings.health.interval = Duration::from_millis(200);
    settings.health.timeout = Duration::from_millis(300);
    settings.link.connect_timeout = Duration::from_millis(500);
    let shop = Shop::ready(settings).await;
    shop.pool.query("CREATE TABLE t (n INT)").await?;
    server.pause()?;
    // Written to a connection that was well a moment ago.
    let overdue = Statement::new("INSERT INTO t VALUES (1)").timeout(Duration::from_millis(400));
    let error = shop.pool.query(overdue).await.expect_err("no answer");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    shop.told("connect_failed", 1).await;
    server.resume()?;
    let back = SystemTime::now();
    let rows = succeeds_soon(&shop, &server, back).await?;
    assert!(rows == [2] || rows == [1, 2], "{rows:?}");
    assert_eq!(
        in_short(&shop.names()),
        "connecting connected disconnected retried reconnecting connecting reconnected"
    );
    Ok(())
}

#[actix::test]
async fn a_server_that_comes_back_on_another_port_is_followed_by_new_settings() -> TestResult {
    let mut server = server!();
    let shop = Shop::ready(patient(&server)).await;
    shop.pool.query("CREATE TABLE t (n INT)").await?;
    shop.pool.query("INSERT INTO t VALUES (1)").await?;
    server.kill9().await?;
    shop.told("connect_failed", 2).await;
    server.restart_elsewhere().await?;
    let back = SystemTime::now();
    shop.pool.reconfigure(patient(&server)).await?;
    assert_eq!(succeeds_soon(&shop, &server, back).await?, [1, 2]);
    // The settings may find the link in an attempt or between two.
    let told = in_short(&shop.names());
    let begins = "connecting connected disconnected retried ";
    assert!(told.starts_with(begins), "{told}");
    assert!(told.ends_with(" connecting reconnected"), "{told}");
    let endpoint = shop
        .events()
        .last()
        .and_then(|event| event.endpoint.clone());
    assert_eq!(endpoint.and_then(|it| it.port()), Some(server.port()));
    Ok(())
}

#[actix::test]
async fn a_password_that_was_changed_parks_the_link_at_the_next_loss_until_it_is_right()
-> TestResult {
    let server = server!();
    let shop = Shop::ready(patient(&server)).await;
    shop.pool.query("CREATE TABLE t (n INT)").await?;
    server
        .run("SET PASSWORD FOR 'app'@'%' = PASSWORD('another')")
        .await?;
    server.kill9().await?;
    shop.told("connect_failed", 1).await;
    server.restart().await?;
    let EventKind::GaveUp { cause, .. } = shop.told("gave_up", 1).await else {
        panic!("another event");
    };
    assert_eq!(cause.kind(), CauseKind::Denied, "{cause}");
    let error = shop.pool.query("INSERT INTO t VALUES (1)").await;
    let error = error.expect_err("parked: nobody waits for that");
    assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
    let mut right = patient(&server);
    right.password = Some(Secret::from("another"));
    let back = SystemTime::now();
    shop.pool.reconfigure(right).await?;
    shop.pool.ready(SOON).await?;
    assert_eq!(succeeds_soon(&shop, &server, back).await?, [2]);
    assert_eq!(
        in_short(&shop.names()),
        "connecting connected disconnected retried gave_up connecting reconnected"
    );
    Ok(())
}
