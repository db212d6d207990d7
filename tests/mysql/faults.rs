//! What breaks, and how the link heals.

use std::time::{Duration, SystemTime};

use everlink::event::EventKind;
use everlink::exit::CauseKind;
use everlink::mysql::{ErrorKind, Outcome, Statement, WhenDown};

use crate::shop::{
    SOON, Shop, TestResult, server, settings, settings_on, settings_unhealthy_after, until,
    until_server,
};
use crate::support::fault_proxy::{FaultProxy, Way};
use crate::support::lane::Ending;

#[actix::test]
async fn a_killed_server_is_told_calls_fail_at_once_and_it_comes_back() -> TestResult {
    let server = server!();
    let shop = Shop::ready(settings(&server)).await;
    let slow = shop.pool.query("DO SLEEP(30)");
    let killing = async {
        until_server(&server, |connections| {
            connections.iter().any(|(_, doing)| doing.is_some())
        })
        .await?;
        server.kill9().await?;
        TestResult::Ok(())
    };
    let (slow, killed) = futures_util::future::join(slow, killing).await;
    killed?;
    let error = slow.expect_err("its server is gone");
    assert!(matches!(error.kind(), ErrorKind::Lost(_)), "{error}");
    assert_eq!(error.outcome(), Outcome::Unknown);
    shop.told("disconnected", 1).await;
    let error = shop.pool.query("DO 1").await.expect_err("it is down");
    assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
    // One that had waited would say so: no connection in so long.
    assert!(matches!(error.kind(), ErrorKind::Down(Some(_))), "{error}");
    shop.told("connect_failed", 2).await;

    server.restart().await?;
    let back = SystemTime::now();
    shop.pool.ready(SOON).await?;
    shop.was_back_soon_after(back).await;
    shop.pool.query("DO 1").await?;
    let names = shop.names();
    assert_eq!(names[..3], ["connecting", "connected", "disconnected"]);
    assert_eq!(
        names[3..6],
        ["reconnecting", "connecting", "connect_failed"]
    );
    assert_eq!(names.last(), Some(&"reconnected"));
    let status = shop.pool.status().await.expect("it lives");
    assert_eq!((status.connects, status.disconnects), (2, 1));
    Ok(())
}

#[actix::test]
async fn a_call_that_waits_for_the_link_in_vain_was_not_sent() -> TestResult {
    let server = server!();
    let mut settings = settings(&server);
    settings.when_down = WhenDown::Wait;
    settings.timeouts.acquire = Duration::from_secs(1);
    // Whichever connection it is given, a ping finds that one dead before anything is written.
    settings.pool.validate_after = Duration::ZERO;
    let shop = Shop::ready(settings).await;
    server.kill9().await?;
    let error = shop.pool.query("DO 1").await.expect_err("nobody is there");
    assert!(
        matches!(error.kind(), ErrorKind::NoConnection { .. }),
        "{error}"
    );
    assert_eq!(error.outcome(), Outcome::NotSent);
    assert!(error.cause().is_some(), "{error}");
    Ok(())
}

#[actix::test]
async fn a_call_waits_for_the_link_where_that_is_asked_for() -> TestResult {
    let server = server!();
    let mut settings = settings(&server);
    settings.when_down = WhenDown::Wait;
    settings.pool.validate_after = Duration::ZERO;
    let shop = Shop::ready(settings).await;
    server.kill9().await?;
    let calls = (0..5).map(|_| shop.pool.query("DO 1"));
    let waiting = futures_util::future::join_all(calls);
    let back = async {
        until(&shop.pool, |pool| pool.waiting == 5).await;
        server.restart().await
    };
    let (answers, back) = futures_util::future::join(waiting, back).await;
    back?;
    for answer in answers {
        answer?;
    }
    Ok(())
}

#[actix::test]
async fn a_paused_server_is_noticed_by_its_health_check_and_by_an_overdue_call() -> TestResult {
    let server = server!();
    let mut settings = settings(&server);
    settings.health.interval = Duration::from_millis(200);
    settings.health.timeout = Duration::from_millis(300);
    settings.link.connect_timeout = Duration::from_millis(500);
    let shop = Shop::ready(settings).await;
    shop.pool.query("CREATE TABLE t (n INT)").await?;
    let overdue = Statement::new("UPDATE t SET n = 1").timeout(Duration::from_millis(400));
    server.pause()?;
    let error = shop.pool.query(overdue).await.expect_err("no answer");
    assert!(!matches!(error.kind(), ErrorKind::Server(_)), "{error}");
    let cause = shop.lost().await;
    assert_eq!(cause.kind(), CauseKind::Unhealthy, "{cause}");
    assert!(cause.detail().contains("3 checks in a row"), "{cause}");
    // The kernel still accepts the dial; the deadline finds that nobody answers.
    let EventKind::ConnectFailed { cause, .. } = shop.told("connect_failed", 1).await else {
        panic!("another event");
    };
    assert_eq!(cause.kind(), CauseKind::ConnectTimeout, "{cause}");
    server.resume()?;
    shop.told("reconnected", 1).await;
    shop.pool.query("DO 1").await?;
    Ok(())
}

#[actix::test]
async fn a_check_that_failed_is_followed_by_the_next_where_they_are_switched_off() -> TestResult {
    let server = server!();
    let shop = Shop::ready(settings_unhealthy_after(2, &server)).await;
    // It gives rise to the first check.
    let overdue = Statement::new("DO SLEEP(60)").timeout(Duration::from_millis(100));
    shop.pool.query(overdue).await.expect_err("overdue");
    let cause = shop.lost().await;
    assert_eq!(cause.kind(), CauseKind::Unhealthy, "{cause}");
    Ok(())
}

#[actix::test]
async fn a_half_open_connection_is_closed_at_the_deadline_of_its_statement() -> TestResult {
    let server = server!();
    let proxy = FaultProxy::start(server.port())?;
    let mut settings = settings_on(&server, proxy.port());
    settings.timeouts.query = Duration::from_millis(500);
    settings.health.timeout = Duration::from_millis(300);
    settings.pool.min = 1;
    let shop = Shop::ready(settings).await;
    shop.pool.query("CREATE TABLE t (n INT)").await?;
    proxy.stall(Way::ToClient);
    let error = shop.pool.query("INSERT INTO t VALUES (1)").await;
    let error = error.expect_err("the answer never comes");
    assert!(matches!(error.kind(), ErrorKind::Deadline(_)), "{error}");
    assert_eq!(error.outcome(), Outcome::Unknown);
    // And it was executed indeed.
    assert_eq!(server.rows::<i32>("SELECT n FROM shop.t").await?, [1]);
    shop.told("disconnected", 1).await;
    proxy.heal();
    shop.pool.ready(SOON).await?;
    let n: Option<i32> = shop.pool.query("SELECT n FROM t").await?.first()?;
    assert_eq!(n, Some(1));
    Ok(())
}

#[actix::test]
async fn one_connection_that_dies_costs_one_call_at_the_most_and_not_the_link() -> TestResult {
    let server = server!();
    let mut settings = settings(&server);
    settings.pool.min = 3;
    let shop = Shop::ready(settings).await;
    until(&shop.pool, |pool| pool.idle == 3).await;
    let slow = shop.pool.query("DO SLEEP(30)");
    let killing = async {
        let busy = |connections: &[(u64, Option<String>)]| {
            let found = connections.iter().find(|(_, doing)| doing.is_some());
            found.map(|(number, _)| *number)
        };
        until_server(&server, |connections| busy(connections).is_some()).await?;
        let number = busy(&server.connections().await?).ok_or("it ended")?;
        server.run(&format!("KILL {number}")).await?;
        TestResult::Ok(())
    };
    let (slow, killed) = futures_util::future::join(slow, killing).await;
    killed?;
    let error = slow.expect_err("it was killed");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    until(&shop.pool, |pool| pool.idle == 3).await;
    assert_eq!(shop.names(), ["connecting", "connected"]);
    Ok(())
}

#[actix::test]
async fn connections_that_the_server_closed_while_idle_are_found_before_they_are_lent() -> TestResult
{
    let server = server!("--wait-timeout=1");
    let mut settings = settings(&server);
    settings.pool.validate_after = Duration::from_millis(200);
    let shop = Shop::ready(settings).await;
    shop.pool.query("CREATE TABLE t (n INT)").await?;
    for n in 0..3 {
        // Not while the pool is looking: until the server has none left of those it had.
        let before = server.connections().await?;
        until_server(&server, |now| before.iter().all(|it| !now.contains(it))).await?;
        let insert = shop.pool.exec("INSERT INTO t VALUES (?)", (n,)).await;
        insert.map_err(|error| format!("call {n}: {error}"))?;
    }
    assert_eq!(shop.names(), ["connecting", "connected"]);
    assert_eq!(server.rows::<i32>("SELECT n FROM shop.t").await?, [0, 1, 2]);
    Ok(())
}

#[actix::test]
async fn a_reset_in_the_middle_repeats_only_what_is_marked_idempotent() -> TestResult {
    let server = server!();
    let proxy = FaultProxy::start(server.port())?;
    let mut settings = settings_on(&server, proxy.port());
    settings.when_down = WhenDown::Wait;
    settings.health.enabled = false;
    settings.pool.min = 1;
    let shop = Shop::ready(settings).await;
    shop.pool.query("CREATE TABLE t (n INT)").await?;
    for (idempotent, kind) in [(false, "once"), (true, "again")] {
        shop.pool.ready(SOON).await?;
        // Nothing else is under way: what is cut is the answer to the statement.
        until(&shop.pool, |pool| pool.idle == pool.open && pool.idle > 0).await;
        proxy.cut_after(Way::ToClient, 1, Ending::Reset);
        let mut insert = Statement::new(format!("INSERT INTO t VALUES ({})", kind.len()));
        if idempotent {
            insert = insert.idempotent();
        }
        let result = shop.pool.query(insert).await;
        match idempotent {
            true => assert_eq!(result?.affected_rows(), 1),
            false => {
                let error = result.expect_err("nobody knows");
                assert!(matches!(error.kind(), ErrorKind::Lost(_)), "{error}");
                assert_eq!(error.outcome(), Outcome::Unknown);
            }
        }
    }
    assert_eq!(
        server
            .rows::<i32>("SELECT n FROM shop.t ORDER BY n")
            .await?,
        [4, 5, 5]
    );
    Ok(())
}

#[actix::test]
async fn new_settings_lead_a_pool_whose_server_refuses_it_to_another_port() -> TestResult {
    let server = server!();
    let proxy = FaultProxy::start(server.port())?;
    let mut before = settings_on(&server, proxy.port());
    // Nothing is written on a connection that is found dead by its ping.
    before.pool.validate_after = Duration::ZERO;
    let shop = Shop::ready(before).await;
    proxy.refuse().await;
    proxy.end_all(Ending::Reset).await?;
    let error = shop.pool.query("DO 1").await.expect_err("it is gone");
    assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
    let EventKind::ConnectFailed { cause, .. } = shop.told("connect_failed", 1).await else {
        panic!("another event");
    };
    assert_eq!(cause.kind(), CauseKind::Refused, "{cause}");
    shop.pool.reconfigure(settings(&server)).await?;
    shop.pool.ready(SOON).await?;
    shop.pool.query("DO 1").await?;
    let status = shop.pool.status().await.expect("it lives");
    let endpoint = status.endpoint.expect("it has one");
    assert_eq!(endpoint.port(), Some(server.port()));
    Ok(())
}
