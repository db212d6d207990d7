//! How a client ends: what it waits for, for how long, and what it tells of that.

use std::time::Duration;

use everlink::redis::config::{InFlight, Timeouts};
use everlink::redis::{Config, Outcome, cmd};
use futures_util::future::join_all;

use crate::application::{Application, SOON, TestResult, serving, standalone};
use crate::support::fault_proxy::{Ending, FaultProxy, Way};
use crate::support::redis_server::{RedisServer, RedisServerOptions};
use crate::support::waiting::Wait;

/// Three calls take turns under it.
fn one_by_one(config: Config) -> Config {
    config.in_flight(InFlight::default().requests(1))
}

async fn server() -> RedisServer {
    let options = RedisServerOptions::default().volatile();
    RedisServer::start(options).await.expect("a server")
}

#[actix::test]
async fn a_second_shutdown_waits_with_the_first_and_costs_no_reply() -> TestResult {
    let server = server().await;
    let proxy = FaultProxy::start(server.port())?;
    let application = Application::ready(standalone(proxy.port())).await?;
    let client = &application.client;
    let other = client.clone();
    proxy.delay(Way::ToClient, Duration::from_millis(300));
    let calls = join_all((0..100).map(|_| client.query::<u32>(cmd("INCR").arg("n"))));
    let (replies, first, second) =
        tokio::join!(biased; calls, client.shutdown(SOON), other.shutdown(SOON));
    for (n, reply) in (1..).zip(replies) {
        assert_eq!(reply?, n);
    }
    let (first, second) = (first?, second?);
    assert_eq!((first.links, first.drained, first.unsent), (1, 1, 0));
    assert_eq!(first, second);
    assert!(
        other.shutdown(SOON).await.is_err(),
        "it was stopped already"
    );
    Ok(())
}

#[actix::test]
async fn of_two_shutdowns_the_one_with_less_time_bounds_both() -> TestResult {
    let server = server().await;
    let application = Application::ready(serving(&server)).await?;
    server.pause().await?;
    let client = &application.client;
    let began = tokio::time::Instant::now();
    let (reply, patient, hasty) = tokio::join!(
        biased;
        client.call(cmd("INCR").arg("n")),
        client.shutdown(SOON),
        client.shutdown(Duration::from_millis(200))
    );
    let took = began.elapsed();
    assert!(took < SOON / 2, "{took:?}");
    let error = reply.expect_err("no reply came");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    let (patient, hasty) = (patient?, hasty?);
    assert_eq!(patient, hasty);
    assert_eq!((hasty.links, hasty.drained, hasty.unsent), (1, 0, 0));
    Ok(())
}

#[actix::test]
async fn a_shutdown_takes_the_time_it_was_given_and_not_that_of_a_reconnect() -> TestResult {
    let server = server().await;
    let proxy = FaultProxy::start(server.port())?;
    let short = Duration::from_millis(100);
    let timeouts = Timeouts::default().command(SOON).drain(short).kill(short);
    let config = one_by_one(standalone(proxy.port()).timeouts(timeouts));
    let application = Application::ready(config).await?;
    let client = &application.client;
    proxy.delay(Way::ToClient, 4 * short);
    let calls = join_all((0..3).map(|_| client.query::<u32>(cmd("INCR").arg("n"))));
    let (replies, summary) = tokio::join!(biased; calls, client.shutdown(SOON));
    for (n, reply) in (1..).zip(replies) {
        assert_eq!(reply?, n);
    }
    let summary = summary?;
    assert_eq!((summary.links, summary.drained, summary.unsent), (1, 1, 0));
    Ok(())
}

#[actix::test]
async fn the_summary_tells_what_was_not_sent_and_what_was_not_answered() -> TestResult {
    let server = server().await;
    let config = one_by_one(serving(&server));
    let application = Application::ready(config).await?;
    let client = &application.client;
    // What the client asks of its own accord is answered before.
    application.run(cmd("PING")).await?;
    server.pause().await?;
    let calls = join_all((0..3).map(|_| client.call(cmd("INCR").arg("n"))));
    let shutdown = client.shutdown(Duration::from_millis(300));
    let (replies, summary) = tokio::join!(biased; calls, shutdown);
    let outcomes = replies
        .into_iter()
        .map(|reply| reply.expect_err("no reply came").outcome());
    assert_eq!(
        outcomes.collect::<Vec<_>>(),
        [Outcome::Unknown, Outcome::NotSent, Outcome::NotSent]
    );
    let summary = summary?;
    assert_eq!((summary.links, summary.drained), (1, 0));
    assert_eq!((summary.unsent, summary.unanswered), (2, 1));
    Ok(())
}

#[actix::test]
async fn a_connection_that_is_lost_while_it_drains_is_not_told_as_drained() -> TestResult {
    let server = server().await;
    let proxy = FaultProxy::start(server.port())?;
    let application = Application::ready(standalone(proxy.port())).await?;
    let client = &application.client;
    application.run(cmd("PING")).await?;
    proxy.stall(Way::ToClient);
    let before = proxy.forwarded(Way::ToServer);
    let lost = async {
        let mut wait = Wait::up_to(SOON, "the command to be written");
        while proxy.forwarded(Way::ToServer) == before {
            wait.again(before).await?;
        }
        proxy.end_all(Ending::Reset).await
    };
    let (reply, summary, lost) = tokio::join!(
        biased;
        client.call(cmd("INCR").arg("n")),
        client.shutdown(SOON),
        lost
    );
    lost?;
    let error = reply.expect_err("no reply came");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    let summary = summary?;
    assert_eq!((summary.links, summary.drained), (1, 0));
    assert_eq!((summary.unsent, summary.unanswered), (0, 1));
    Ok(())
}
