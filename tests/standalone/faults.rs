//! What happens to calls when the server or its connection dies.

use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use everlink::event::EventKind;
use everlink::exit::CauseKind;
use everlink::redis::config::{Waiting, WhenDown};
use everlink::redis::{ErrorKind, HealthStatus, Outcome, cmd};
use futures_util::future::join_all;

use crate::application::{Application, SOON, TestResult, serving};
use crate::support::raw::Reply;
use crate::support::redis_server::{RedisServer, RedisServerOptions};
use crate::support::waiting::Wait;

async fn volatile() -> RedisServer {
    let options = RedisServerOptions::default().volatile();
    RedisServer::start(options).await.expect("a server")
}

/// What became of the calls that were made so far.
#[derive(Default)]
struct Tally {
    acknowledged: Cell<u64>,
    unknown: Cell<u64>,
    stop: Cell<bool>,
}

async fn count_up(application: Rc<Application>, tally: Rc<Tally>) {
    while !tally.stop.get() {
        match application.client.query::<u64>(cmd("INCR").arg("n")).await {
            Ok(_) => tally.acknowledged.set(tally.acknowledged.get() + 1),
            Err(error) if error.outcome() == Outcome::Unknown => {
                tally.unknown.set(tally.unknown.get() + 1);
            }
            Err(error) => panic!("a call that could wait failed: {error}"),
        }
    }
}

#[actix::test]
async fn a_server_killed_under_load_counts_nothing_twice_and_nothing_less() -> TestResult {
    let server = RedisServer::start(RedisServerOptions::default()).await?;
    let application = Rc::new(Application::ready(serving(&server)).await?);
    let tally = Rc::new(Tally::default());
    let callers: Vec<_> = (0..16)
        .map(|_| tokio::task::spawn_local(count_up(application.clone(), tally.clone())))
        .collect();
    for round in 1..=3 {
        let goal = tally.acknowledged.get() + 200;
        let mut wait = Wait::up_to(SOON, "calls to succeed");
        while tally.acknowledged.get() < goal {
            wait.again(tally.acknowledged.get()).await?;
        }
        server.kill9().await?;
        application.told("disconnected", round).await;
        server.restart().await?;
        application.told("reconnected", round).await;
    }
    let goal = tally.acknowledged.get() + 200;
    let mut wait = Wait::up_to(SOON, "calls to succeed after the last restart");
    while tally.acknowledged.get() < goal {
        wait.again(tally.acknowledged.get()).await?;
    }
    tally.stop.set(true);
    for end in join_all(callers).await {
        end?;
    }
    let counted: u64 = application.client.query(cmd("GET").arg("n")).await?;
    let (acknowledged, unknown) = (tally.acknowledged.get(), tally.unknown.get());
    assert!(
        (acknowledged..=acknowledged + unknown).contains(&counted),
        "{acknowledged} acknowledged, {unknown} unknown, {counted} counted"
    );
    Ok(())
}

#[actix::test]
async fn calls_wait_for_a_server_that_is_down_and_then_succeed_in_order() -> TestResult {
    let server = volatile().await;
    let application = Application::ready(serving(&server)).await?;
    server.kill9().await?;
    application.told("disconnected", 1).await;
    let calls = (0..100_u32).map(|n| {
        application
            .client
            .query::<u32>(cmd("RPUSH").arg("l").arg(n))
    });
    let (lengths, restarted) = tokio::join!(join_all(calls), server.restart());
    restarted?;
    for (n, length) in (1..).zip(lengths) {
        assert_eq!(length?, n);
    }
    let list: Vec<u32> = application
        .client
        .query(cmd("LRANGE").arg("l").arg((0, -1)))
        .await?;
    assert_eq!(list, (0..100).collect::<Vec<_>>());
    Ok(())
}

#[actix::test]
async fn calls_that_wait_in_vain_end_by_their_deadline_as_not_sent() -> TestResult {
    let server = volatile().await;
    let application = Application::ready(serving(&server)).await?;
    server.kill9().await?;
    application.told("disconnected", 1).await;
    let began = tokio::time::Instant::now();
    let timeout = Duration::from_millis(200);
    let error = application
        .error(cmd("INCR").arg("n").timeout(timeout))
        .await;
    assert!(matches!(error.kind(), ErrorKind::Deadline(_)), "{error}");
    assert_eq!(error.outcome(), Outcome::NotSent);
    assert!((timeout..timeout * 10).contains(&began.elapsed()));
    Ok(())
}

#[actix::test]
async fn calls_fail_at_once_while_the_link_is_down_where_that_is_asked_for() -> TestResult {
    let server = volatile().await;
    let config = serving(&server).when_down(WhenDown::Fail);
    let application = Application::ready(config).await?;
    server.kill9().await?;
    application.told("disconnected", 1).await;
    let error = application.error(cmd("INCR").arg("n")).await;
    assert!(matches!(error.kind(), ErrorKind::Down(_)), "{error}");
    assert_eq!(error.outcome(), Outcome::NotSent);
    server.restart().await?;
    application.told("reconnected", 1).await;
    assert_eq!(
        application
            .client
            .query::<u32>(cmd("INCR").arg("n"))
            .await?,
        1
    );
    Ok(())
}

#[actix::test]
async fn a_full_waiting_queue_refuses_and_keeps_what_it_has() -> TestResult {
    let server = volatile().await;
    let config = serving(&server).waiting(Waiting::default().requests(3));
    let application = Application::ready(config).await?;
    server.kill9().await?;
    application.told("disconnected", 1).await;
    let calls = (0..5).map(|_| application.client.query::<u32>(cmd("INCR").arg("n")));
    let (results, restarted) = tokio::join!(join_all(calls), server.restart());
    restarted?;
    let (kept, refused) = results.split_at(3);
    for (n, result) in (1..).zip(kept) {
        assert_eq!(result.as_ref().map_err(ToString::to_string), Ok(&n));
    }
    for result in refused {
        let error = result.as_ref().expect_err("the queue is full");
        assert!(
            matches!(error.kind(), ErrorKind::QueueFull { requests: 3, .. }),
            "{error}"
        );
        assert_eq!(error.outcome(), Outcome::NotSent);
    }
    Ok(())
}

#[actix::test]
async fn a_connection_closed_while_idle_is_replaced_before_the_next_command() -> TestResult {
    let server = volatile().await;
    let application = Application::ready(serving(&server)).await?;
    for round in 1..=3 {
        server
            .command(&["CLIENT", "KILL", "TYPE", "normal"])
            .await?
            .refused()?;
        let down = application.told("disconnected", round).await;
        assert!(
            matches!(&down, EventKind::Disconnected { cause } if cause.kind() == CauseKind::Closed
                || cause.kind() == CauseKind::Reset),
            "{down}"
        );
        let count: usize = application.client.query(cmd("INCR").arg("n")).await?;
        assert_eq!(count, round);
    }
    Ok(())
}

#[actix::test]
async fn a_server_that_loads_its_data_is_waited_for_and_told_apart_from_a_dead_one() -> TestResult {
    const LOOKS: &str = "loading-process-events-interval-bytes";
    let known = volatile().await.command(&["CONFIG", "GET", LOOKS]).await?;
    if matches!(&known, Reply::Array(setting) if setting.is_empty()) {
        // Past the capture of output, which hides what a test that passes says.
        let why =
            format!("NOT RUN: this server has no {LOOKS}: while it loads it answers too rarely");
        writeln!(std::io::stderr(), "{why}")?;
        return Ok(());
    }
    // It loads for as long as the test wants: 5 ms for a key, until it is told otherwise. From a
    // snapshot it looks at its sockets once in 1,024 bytes, which is one key.
    let options = RedisServerOptions::default()
        .volatile()
        .config("rdbcompression no")
        .config("key-load-delay 5000")
        .config(&format!("{LOOKS} 1024"));
    let server = RedisServer::start(options).await?;
    let application = Application::ready(serving(&server)).await?;
    let fill = "for i = 1, 20000 do redis.call('SET', 'k' .. i, i .. string.rep(' ', 1000)) end";
    application.run(cmd("EVAL").arg(fill).arg(0)).await?;
    server.command(&["SAVE"]).await?.refused()?;
    server.kill9().await?;
    application.told("disconnected", 1).await;
    let client = &application.client;
    let loading = async {
        application.told("reconnected", 1).await;
        let mut wait = Wait::up_to(SOON, "LOADING");
        loop {
            let report = client.health_check().await?;
            match &report.nodes[0].status {
                HealthStatus::Error { text } if text.contains("LOADING") => break,
                other => wait.again(format!("{other:?}")).await?,
            }
        }
        // Its deadline passes first: told in the server's words. Only just while it is asked once
        // more can nobody tell.
        let short = cmd("GET").arg("k7").timeout(Duration::from_millis(100));
        let mut error = application.error(short.clone()).await;
        while error.outcome() == Outcome::Unknown {
            error = application.error(short.clone()).await;
        }
        assert_eq!(
            (error.code(), error.outcome()),
            (Some("LOADING"), Outcome::Refused)
        );
        let (value, fast): (_, TestResult) =
            tokio::join!(client.query::<String>(cmd("GET").arg("k7")), async {
                server
                    .command(&["CONFIG", "SET", "key-load-delay", "0"])
                    .await?
                    .refused()?;
                Ok(())
            });
        fast?;
        value.map_err(Into::into)
    };
    let (value, restarted): (Result<String, Box<dyn std::error::Error>>, _) =
        tokio::join!(loading, server.restart());
    restarted?;
    assert_eq!(value?.trim_end(), "7");
    Ok(())
}

#[actix::test]
async fn a_restart_with_empty_data_is_seen_as_what_it_is() -> TestResult {
    let server = volatile().await;
    let application = Application::ready(serving(&server)).await?;
    let load = cmd("SCRIPT LOAD").arg("return 7");
    let sha: String = application.client.query(load).await?;
    let call = cmd("EVALSHA").arg(&sha).arg(0);
    assert_eq!(application.client.query::<u32>(call.clone()).await?, 7);
    server.kill9().await?;
    server.restart().await?;
    application.told("reconnected", 1).await;
    let error = application.error(call).await;
    assert_eq!(
        (error.code(), error.outcome()),
        (Some("NOSCRIPT"), Outcome::Refused)
    );
    Ok(())
}
