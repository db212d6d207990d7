//! What an operator asks: ready, health, status, reconnect, shutdown.

use std::time::Duration;

use everlink::event::LinkState;
use everlink::redis::config::WhenDown;
use everlink::redis::{ErrorKind, HealthStatus, Outcome, cmd, pipe};
use futures_util::future::join_all;

use crate::application::{Application, SOON, TestResult, local, serving, standalone};
use crate::support::fault_proxy::{FaultProxy, Way};
use crate::support::ports::Port;
use crate::support::redis_server::{RedisServer, RedisServerOptions};

async fn server() -> RedisServer {
    let options = RedisServerOptions::default().volatile();
    RedisServer::start(options).await.expect("a server")
}

#[actix::test]
async fn ready_waits_for_the_connection_and_no_longer_than_told() -> TestResult {
    let server = server().await;
    let application = Application::open(serving(&server)).await?;
    application.client.ready(SOON).await?;
    assert_eq!(application.count("connected"), 1);

    let nobody = Port::reserve()?;
    let application = Application::open(standalone(nobody.number())).await?;
    let late = application.client.ready(Duration::from_millis(100)).await;
    let error = late.expect_err("nobody listens there");
    assert!(matches!(error.kind(), ErrorKind::Deadline(_)), "{error}");
    Ok(())
}

#[actix::test]
async fn the_health_check_tells_each_answer_apart() -> TestResult {
    let server = server().await;
    let config = serving(&server)
        .health(everlink::redis::config::Health::default().timeout(Duration::from_millis(200)));
    let application = Application::ready(config).await?;
    let report = application.client.health_check().await?;
    assert!(report.healthy);
    assert_eq!(report.nodes.len(), 1);
    assert_eq!(report.nodes[0].endpoint, local(server.port()));
    assert!(
        matches!(report.nodes[0].status, HealthStatus::Ok { round_trip } if round_trip > Duration::ZERO)
    );

    server.pause().await?;
    let report = application.client.health_check().await?;
    assert!(!report.healthy);
    assert!(
        matches!(report.nodes[0].status, HealthStatus::PingFailed { .. }),
        "{report:?}"
    );
    server.resume()?;

    server.kill9().await?;
    application.told("disconnected", 1).await;
    let report = application.client.health_check().await?;
    assert!(!report.healthy);
    assert!(
        matches!(report.nodes[0].status, HealthStatus::PingFailed { .. }),
        "{report:?}"
    );
    Ok(())
}

#[actix::test]
async fn reconnecting_replaces_the_connection_and_fails_no_call() -> TestResult {
    reconnect_under_calls(WhenDown::Wait).await
}

#[actix::test]
async fn reconnecting_fails_no_call_either_where_calls_fail_while_the_link_is_down() -> TestResult {
    reconnect_under_calls(WhenDown::Fail).await
}

async fn reconnect_under_calls(when_down: WhenDown) -> TestResult {
    let server = server().await;
    let application = Application::ready(serving(&server).when_down(when_down)).await?;
    let id = || application.client.query::<u64>(cmd("CLIENT ID"));
    let before = id().await?;
    let calls = async {
        for n in 1..=500 {
            let count: u32 = application.client.query(cmd("INCR").arg("n")).await?;
            assert_eq!(count, n);
        }
        Ok::<(), everlink::redis::Error>(())
    };
    let (calls, failed) = tokio::join!(calls, application.client.reconnect());
    calls?;
    assert_eq!(failed?, []);
    assert_ne!(id().await?, before);
    assert_eq!(
        application.count("reconnected"),
        1,
        "{:#?}",
        application.lines()
    );
    Ok(())
}

#[actix::test]
async fn the_status_tells_how_the_link_stands() -> TestResult {
    let server = server().await;
    let application = Application::ready(serving(&server).name("cache")).await?;
    application.run(cmd("PING")).await?;
    let link = || async {
        let links = application.client.status().await.expect("a snapshot");
        assert_eq!(links.len(), 1, "{links:?}");
        links.into_iter().next().expect("one link")
    };
    let up = link().await;
    assert_eq!(
        up.link.as_str(),
        format!("cache/127.0.0.1:{}", server.port())
    );
    assert_eq!(up.endpoint, Some(local(server.port())));
    assert_eq!(
        (up.state, up.connects, up.disconnects),
        (LinkState::Up, 1, 0)
    );
    assert!(up.last_error.is_none() && up.last_used.is_some(), "{up:?}");

    server.kill9().await?;
    application.told("disconnected", 1).await;
    let down = link().await;
    assert_ne!(down.state, LinkState::Up);
    assert_eq!((down.connects, down.disconnects), (1, 1));
    assert!(down.last_error.is_some());
    server.restart().await?;
    application.told("reconnected", 1).await;
    let again = link().await;
    assert_eq!((again.state, again.connects), (LinkState::Up, 2));
    assert!(again.generation > up.generation);
    Ok(())
}

#[actix::test]
async fn a_shutdown_answers_what_was_accepted_and_refuses_what_comes_later() -> TestResult {
    let server = server().await;
    let proxy = FaultProxy::start(server.port())?;
    let application = Application::ready(standalone(proxy.port())).await?;
    let client = &application.client;
    proxy.delay(Way::ToClient, Duration::from_millis(100));
    let calls = join_all((0..100).map(|_| client.query::<u32>(cmd("INCR").arg("n"))));
    // Polled first, so that the calls are made before the shutdown is asked for.
    let (replies, summary) = tokio::join!(biased; calls, client.shutdown(SOON));
    for (n, reply) in (1..).zip(replies) {
        assert_eq!(reply?, n);
    }
    let summary = summary?;
    assert_eq!((summary.links, summary.drained, summary.unsent), (1, 1, 0));

    let error = application.error(cmd("INCR").arg("n")).await;
    assert!(matches!(error.kind(), ErrorKind::Stopped), "{error}");
    assert_eq!(error.outcome(), Outcome::NotSent);
    let replies = client.pipeline(pipe().push(cmd("PING"))).await;
    assert!(matches!(replies.get(0), Some(Err(error)) if error.outcome() == Outcome::NotSent));
    assert!(client.health_check().await.is_err());
    assert!(client.shutdown(SOON).await.is_err());
    proxy
        .wait_until("the connection to end", |proxy| {
            proxy.open_connections() == 0
        })
        .await?;
    assert_eq!(
        server.command(&["GET", "n"]).await?.text().as_deref(),
        Some("100")
    );
    Ok(())
}

#[actix::test]
async fn a_shutdown_of_a_client_that_is_down_answers_what_waits_as_not_sent() -> TestResult {
    let nobody = Port::reserve()?;
    let application = Application::open(standalone(nobody.number())).await?;
    application.told("connect_failed", 1).await;
    let client = &application.client;
    let calls = join_all((0..10).map(|_| client.call(cmd("INCR").arg("n"))));
    let (replies, summary) = tokio::join!(biased; calls, client.shutdown(SOON));
    for reply in replies {
        let error = reply.expect_err("there is no server");
        assert!(matches!(error.kind(), ErrorKind::Stopped), "{error}");
        assert_eq!(error.outcome(), Outcome::NotSent);
    }
    assert_eq!(summary?.unsent, 10);
    Ok(())
}

#[actix::test]
async fn a_shutdown_does_not_wait_longer_than_told_for_a_server_that_is_silent() -> TestResult {
    let server = server().await;
    let application = Application::ready(serving(&server)).await?;
    server.pause().await?;
    let began = tokio::time::Instant::now();
    let client = &application.client;
    let call = client.call(cmd("INCR").arg("n"));
    let shutdown = client.shutdown(Duration::from_millis(200));
    let (reply, summary) = tokio::join!(biased; call, shutdown);
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
    let error = reply.expect_err("no reply came");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    assert_eq!(summary?.drained, 0);
    Ok(())
}

#[test]
fn a_client_works_without_an_actix_system() -> TestResult {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let server = server().await;
        let client = everlink::redis::Client::open(serving(&server)).await?;
        client.ready(SOON).await?;
        let calls = (0..8).map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.query::<u32>(cmd("INCR").arg("n")).await })
        });
        let mut counts = Vec::new();
        for count in join_all(calls).await {
            counts.push(count??);
        }
        counts.sort_unstable();
        assert_eq!(counts, (1..=8).collect::<Vec<_>>());
        client.shutdown(SOON).await?;
        Ok(())
    })
}
