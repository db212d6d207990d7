//! How a client ends: what it waits for, for how long, and what it tells of that.

use std::time::Duration;

use everlink::policy::{Backoff, RetryBudget};
use everlink::redis::config::{InFlight, Timeouts};
use everlink::redis::{Client, Config, ErrorKind, Outcome, RetryPolicy, cmd};
use futures_util::future::join_all;

use crate::application::{Application, SOON, TestResult, serving, standalone};
use crate::support::answers::Answers;
use crate::support::fake_node::{Action, FakeNode};
use crate::support::fault_proxy::{Ending, FaultProxy, Way};
use crate::support::redis_server::{RedisServer, RedisServerOptions};
use crate::support::replies;
use crate::support::waiting::{self, Wait};

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

/// A server that answers `INCR` with `LOADING`, after this time, and ends a connection at a `GET`.
fn refusing(late: Duration) -> waiting::Result<FakeNode> {
    let loading = "LOADING Redis is loading the dataset in memory";
    let script = Answers::new()
        .on("INCR", move |_| {
            let wait = Action::Delay(late);
            [wait]
                .into_iter()
                .chain(Action::reply(replies::error(loading)))
                .collect()
        })
        .on("GET", |_| vec![Action::Close]);
    FakeNode::start(script.script())
}

/// Waits until more than this is put off, and gives how much.
async fn put_off(client: &Client, before: usize) -> waiting::Result<usize> {
    let mut wait = Wait::up_to(SOON, "a call to be put off");
    loop {
        let held = client.memory().await.put_off;
        if held > before {
            return Ok(held);
        }
        wait.again(held).await?;
    }
}

/// Each pause is longer than the test.
fn long_pauses() -> RetryPolicy {
    RetryPolicy::default().backoff(Backoff::fixed(SOON / 2).expect("positive"))
}

#[actix::test]
async fn what_was_put_off_is_counted_as_unsent_and_has_its_refusal_as_its_answer() -> TestResult {
    let node = refusing(Duration::ZERO)?;
    let config = standalone(node.port()).retry(long_pauses());
    let application = Application::ready(config).await?;
    let client = &application.client;
    let call = || client.call(cmd("INCR").arg("n"));
    let shutdown = async {
        let one = put_off(client, 0).await?;
        put_off(client, one).await?;
        Ok::<_, Box<dyn std::error::Error>>(client.shutdown(SOON).await?)
    };
    let second = async {
        put_off(client, 0).await.expect("the first");
        call().await
    };
    let (first, second, summary) = tokio::join!(call(), second, shutdown);
    for reply in [first, second] {
        let error = reply.expect_err("refused");
        assert_eq!(error.code(), Some("LOADING"), "{error}");
        assert!(matches!(error.kind(), ErrorKind::Server(_)), "{error}");
        assert_eq!(error.outcome(), Outcome::Refused);
    }
    let summary = summary?;
    assert_eq!((summary.unsent, summary.unanswered), (2, 0), "{summary:?}");
    Ok(())
}

#[actix::test]
async fn what_is_refused_while_a_client_ends_is_counted_as_unsent() -> TestResult {
    let node = refusing(Duration::from_millis(200))?;
    let config = standalone(node.port()).retry(long_pauses());
    let application = Application::ready(config).await?;
    let client = &application.client;
    let (reply, summary) = tokio::join!(
        biased;
        client.call(cmd("INCR").arg("n")),
        client.shutdown(SOON)
    );
    let error = reply.expect_err("refused");
    assert_eq!(error.code(), Some("LOADING"), "{error}");
    let summary = summary?;
    assert_eq!((summary.unsent, summary.unanswered), (1, 0), "{summary:?}");
    Ok(())
}

#[actix::test]
async fn what_waits_for_a_retry_without_a_refusal_is_told_of_the_stop_and_of_no_deadline()
-> TestResult {
    let node = refusing(Duration::ZERO)?;
    let none = RetryBudget::new(0.000_001, 0).expect("valid");
    let config = standalone(node.port()).retry_budget(none);
    let application = Application::ready(config).await?;
    let client = &application.client;
    let shutdown = async {
        put_off(client, 0).await?;
        Ok::<_, Box<dyn std::error::Error>>(client.shutdown(SOON).await?)
    };
    let (reply, summary) = tokio::join!(client.call(cmd("GET").arg("k")), shutdown);
    let error = reply.expect_err("its connection was lost");
    assert!(matches!(error.kind(), ErrorKind::Stopped), "{error}");
    assert_eq!(error.outcome(), Outcome::Unknown);
    let summary = summary?;
    assert_eq!((summary.unsent, summary.unanswered), (1, 0), "{summary:?}");
    Ok(())
}
