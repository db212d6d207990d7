//! Calls that end before their reply comes: by their deadline, or because the caller has gone.

use std::time::Duration;

use everlink::redis::{Client, ErrorKind, Outcome, cmd, pipe};
use futures_util::future::join_all;
use tokio::time::Instant;

use crate::application::{Application, SOON, TestResult, serving, standalone};
use crate::support::fault_proxy::{FaultProxy, Way};
use crate::support::redis_server::{RedisServer, RedisServerOptions};
use crate::support::waiting::Wait;

const SHORT: Duration = Duration::from_millis(200);
/// What a busy machine may add to a deadline.
const LATE: Duration = Duration::from_secs(2);

async fn server() -> RedisServer {
    let options = RedisServerOptions::default().volatile();
    RedisServer::start(options).await.expect("a server")
}

/// Each of these calls gets its own reply.
async fn echoes_are_in_step(client: &Client) -> TestResult {
    let echoes = join_all((0..200_u32).map(|n| client.query::<u32>(cmd("ECHO").arg(n)))).await;
    for (n, echo) in (0..).zip(echoes) {
        assert_eq!(echo?, n);
    }
    Ok(())
}

#[actix::test]
async fn a_call_ends_by_its_deadline_and_late_replies_reach_nobody_else() -> TestResult {
    let server = server().await;
    // So many overdue calls would trip the breaker.
    let application = Application::ready(serving(&server).breaker(None)).await?;
    application.run(cmd("SET").arg("n").arg(0)).await?;
    server.pause().await?;

    let began = Instant::now();
    let calls = (0..50).map(|_| application.error(cmd("INCR").arg("n").timeout(SHORT)));
    for error in join_all(calls).await {
        assert!(
            matches!(error.kind(), ErrorKind::Deadline(told) if *told == SHORT),
            "{error}"
        );
        assert_eq!(error.outcome(), Outcome::Unknown);
        assert_eq!(error.command(), Some("INCR"));
    }
    let took = began.elapsed();
    assert!(took >= SHORT && took < SHORT + LATE, "{took:?}");

    // What follows waits behind them, on the same connection, and gets its own replies.
    let (_, resumed) = tokio::join!(echoes_are_in_step_soon(&application.client), async {
        server.resume()
    });
    resumed?;
    echoes_are_in_step(&application.client).await?;
    assert_eq!(
        application.client.query::<u32>(cmd("GET").arg("n")).await?,
        50
    );
    assert_eq!(
        application.count("disconnected"),
        0,
        "{:#?}",
        application.lines()
    );
    Ok(())
}

async fn echoes_are_in_step_soon(client: &Client) {
    echoes_are_in_step(client).await.expect("own replies");
}

#[actix::test]
async fn a_slow_command_costs_its_caller_the_deadline_and_nobody_a_wrong_reply() -> TestResult {
    let server = server().await;
    let application = Application::ready(serving(&server)).await?;
    let error = application
        .error(cmd("DEBUG SLEEP").arg(1).timeout(SHORT))
        .await;
    assert_eq!(error.outcome(), Outcome::Unknown);
    echoes_are_in_step(&application.client).await?;
    assert_eq!(application.count("disconnected"), 0);
    Ok(())
}

#[actix::test]
async fn a_pipeline_ends_by_its_deadline_with_what_was_answered() -> TestResult {
    let server = server().await;
    let application = Application::ready(serving(&server)).await?;
    let pipeline = pipe()
        .push(cmd("SET").arg("a").arg(1))
        .push(cmd("DEBUG SLEEP").arg(1))
        .push(cmd("INCR").arg("a"))
        .timeout(SHORT);
    let began = Instant::now();
    let replies = application.client.pipeline(pipeline).await;
    assert!(began.elapsed() < Duration::from_secs(1) + LATE);
    let outcomes: Vec<_> = replies
        .into_iter()
        .map(|reply| reply.err().map(|error| error.outcome()))
        .collect();
    assert_eq!(
        outcomes[1..],
        [Some(Outcome::Unknown), Some(Outcome::Unknown)]
    );
    // Executed later all the same: that is what "unknown" warns of.
    assert_eq!(
        application.client.query::<u32>(cmd("GET").arg("a")).await?,
        2
    );
    Ok(())
}

#[actix::test]
async fn callers_that_go_away_shift_no_reply() -> TestResult {
    let server = server().await;
    let proxy = FaultProxy::start(server.port())?;
    let application = Application::ready(standalone(proxy.port())).await?;
    proxy.stall(Way::ToClient);
    let before = proxy.forwarded(Way::ToServer);
    let calls: Vec<_> = (0..1000_u32)
        .map(|n| {
            let client = application.client.clone();
            let call = async move { client.query::<u32>(cmd("ECHO").arg(n + 1000)).await };
            tokio::task::spawn_local(call)
        })
        .collect();
    // They are written, one and all; then half of the callers go away.
    let bytes = 1000 * cmd("ECHO").arg(1000).wire().len() as u64;
    let mut wait = Wait::up_to(SOON, "all to be written");
    while proxy.forwarded(Way::ToServer) < before + bytes {
        wait.again(proxy.forwarded(Way::ToServer)).await?;
    }
    for call in calls.iter().step_by(2) {
        call.abort();
    }
    proxy.resume(Way::ToClient);
    for (n, call) in (1000..).zip(calls) {
        match call.await {
            Ok(echo) => assert_eq!(echo?, n),
            Err(gone) => assert!(gone.is_cancelled() && n % 2 == 0),
        }
    }
    echoes_are_in_step(&application.client).await?;
    assert_eq!(application.count("disconnected"), 0);
    Ok(())
}

#[actix::test]
async fn replies_in_single_bytes_reach_their_callers() -> TestResult {
    let server = server().await;
    let proxy = FaultProxy::start(server.port())?;
    proxy.split(Way::ToClient, 1);
    proxy.split(Way::ToServer, 1);
    let application = Application::ready(standalone(proxy.port())).await?;
    echoes_are_in_step(&application.client).await
}

#[actix::test]
async fn a_half_open_connection_is_found_and_replaced() -> TestResult {
    let server = server().await;
    let proxy = FaultProxy::start(server.port())?;
    let config = standalone(proxy.port()).command_timeout(Duration::from_millis(300));
    let application = Application::ready(config).await?;
    // What the proxy has taken over a stalled connection stays there for ever.
    proxy.stall(Way::ToClient);
    let error = application.error(cmd("INCR").arg("n")).await;
    assert_eq!(error.outcome(), Outcome::Unknown);
    application.told("disconnected", 1).await;
    proxy.heal();
    application.told("reconnected", 1).await;
    let incr = cmd("INCR").arg("n").timeout(SOON);
    assert_eq!(application.client.query::<u32>(incr).await?, 2);
    Ok(())
}
