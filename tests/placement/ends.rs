//! How a seat ends: with its arbiter, with its last handle, with the client.

use std::sync::mpsc;

use everlink::redis::{Client, Config, Error, LinkMemory, Outcome, cmd};
use futures_util::future::join_all;
use tokio::sync::oneshot;

use crate::application::{Application, SOON, TestResult, serving};
use crate::support::redis_server::RedisServer;
use crate::support::waiting::{self, Wait};
use crate::worker::Worker;
use crate::{cluster, connection, keys, links_of_seats, links_of_seats_are, seeded, server};

fn named(config: Config) -> Config {
    config.client_name("under_test")
}

/// Waits until the server has so many connections, the test's own not counted.
async fn connections_are(server: &RedisServer, count: usize) -> waiting::Result<()> {
    let mut wait = Wait::up_to(SOON, format!("{count} connections"));
    loop {
        let list = server.command(&["CLIENT", "LIST"]).await?;
        let list = list.text().unwrap_or_default();
        if list.matches("name=under_test").count() == count {
            return Ok(());
        }
        wait.again(list).await?;
    }
}

/// A call that is written, and has no answer while the server stands still.
fn hangs(client: &Client, key: &str) -> actix::prelude::ResponseFuture<Result<i64, Error>> {
    let (client, increment) = (client.clone(), cmd("INCR").arg(key).timeout(SOON * 3));
    Box::pin(async move { client.query(increment).await })
}

#[actix::test]
async fn an_arbiter_that_ends_answers_its_calls_and_leaves_no_link() -> TestResult {
    let cluster = cluster(0).await;
    let application = Application::ready(named(seeded(&cluster))).await?;
    let (ending, client) = Worker::seated(&application).await;
    let (_staying, other) = Worker::seated(&application).await;
    assert_eq!(links_of_seats(&application).await.len(), 6);
    let [key, second, third] = keys();
    cluster.pause(0).await?;
    let hanging = [hangs(&client, &key), hangs(&client, &key)];
    let hanging = actix::spawn(join_all(hanging));
    let reading = cmd("GET").arg(&key).timeout(SOON * 3);
    let reading = actix::spawn({
        let client = client.clone();
        async move { client.call(reading).await }
    });
    let mut wait = Wait::up_to(SOON, "three commands in flight");
    loop {
        // Each is some hundreds of bytes; what is taken by the connection is written.
        let memory = client.memory().await;
        let of_seat = memory
            .links
            .iter()
            .filter(|it| it.link.to_string().ends_with("@1"));
        let (waiting, in_flight) = of_seat.fold((0, 0), |(waiting, in_flight), link| {
            (waiting + link.waiting, in_flight + link.in_flight)
        });
        if waiting == 0 && in_flight > 3 * 100 {
            break;
        }
        wait.again(format!("{memory:?}")).await?;
    }
    ending.end();

    let answers = tokio::time::timeout(SOON, hanging).await??;
    for answer in answers {
        let error = answer.expect_err("its connection is gone");
        assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    }
    links_of_seats_are(&application, 3).await?;
    assert!(
        !links_of_seats(&application)
            .await
            .iter()
            .any(|it| it.ends_with("@1"))
    );
    // The others go on, and its handle goes on over the shared connections.
    for client in [&application.client, &other, &client] {
        client.call(cmd("INCR").arg(&second)).await?;
    }
    cluster.resume(0)?;
    // What only reads is asked again, over the shared connection.
    tokio::time::timeout(SOON, reading).await???;
    let shared = connection(&application.client, &third).await;
    assert_eq!(connection(&client, &third).await, shared);
    assert_ne!(connection(&other, &third).await, shared);
    application.client.ready(SOON).await?;
    Ok(())
}

/// Stops the thread on which it is dropped until it may go on.
struct Stop {
    stands: Option<oneshot::Sender<()>>,
    release: mpsc::Receiver<()>,
}

impl Drop for Stop {
    fn drop(&mut self) {
        let stands = self.stands.take().expect("dropped once");
        stands.send(()).expect("awaited");
        self.release.recv().expect_err("released");
    }
}

#[actix::test]
async fn what_waits_in_a_seat_that_ends_is_sent_by_the_shared_connection() -> TestResult {
    let server = server().await;
    let application = Application::ready(named(serving(&server))).await?;
    let ending = Worker::new();
    let (go_on, release) = mpsc::channel();
    let (stands, standing) = oneshot::channel();
    let stands = Some(stands);
    let stop = Stop { stands, release };
    // The first task of an arbiter is the first that is dropped at its end.
    let hold = ending.run(move || async move {
        actix::spawn(async move {
            let _stop = stop;
            std::future::pending::<()>().await;
        });
    });
    hold.await;
    let client = ending.seat(&application.client).await;
    client.ready(SOON).await?;
    ending.stop();
    standing.await?;
    // Its connection takes nothing any more, and nobody knows.
    let call = |_| {
        let client = client.clone();
        actix::spawn(async move { client.query::<i64>(cmd("INCR").arg("n")).await })
    };
    let calls: Vec<_> = (0..20).map(call).collect();
    let mut wait = Wait::up_to(SOON, "commands that wait for the seat");
    let is_idle = |link: &LinkMemory| link.waiting == 0;
    while client.memory().await.links.iter().all(is_idle) {
        wait.again("none").await?;
    }
    drop(go_on);
    let mut counted = Vec::new();
    for answer in tokio::time::timeout(SOON, join_all(calls)).await? {
        counted.push(answer??);
    }
    counted.sort_unstable();
    assert_eq!(counted, (1..=20).collect::<Vec<i64>>());
    ending.end();
    links_of_seats_are(&application, 0).await?;
    Ok(())
}

#[actix::test]
async fn the_last_handle_takes_its_connections_with_it() -> TestResult {
    let server = server().await;
    let application = Application::ready(named(serving(&server))).await?;
    let (worker, client) = Worker::seated(&application).await;
    let other = client.clone();
    connections_are(&server, 2).await?;
    drop(client);
    other.call(cmd("PING")).await?;
    assert_eq!(links_of_seats(&application).await.len(), 1);
    drop(other);
    links_of_seats_are(&application, 0).await?;
    connections_are(&server, 1).await?;
    // The arbiter may have a seat again, and the number is free.
    let client = worker.seat(&application.client).await;
    client.ready(SOON).await?;
    let links = links_of_seats(&application).await;
    assert_eq!(links, [format!("redis/127.0.0.1:{}@1", server.port())]);
    assert_eq!(application.count("missed"), 0);
    Ok(())
}

#[actix::test]
async fn the_end_of_the_client_is_the_end_of_all_seats() -> TestResult {
    let cluster = cluster(0).await;
    let application = Application::ready(named(seeded(&cluster))).await?;
    let (_first, to_first) = Worker::seated(&application).await;
    let (_second, to_second) = Worker::seated(&application).await;
    for node in cluster.nodes() {
        connections_are(node, 3).await?;
    }
    let summary = application.client.shutdown(SOON).await?;
    assert_eq!((summary.links, summary.drained), (9, 9));
    for client in [&to_first, &to_second] {
        let error = client.call(cmd("PING")).await.expect_err("stopped");
        assert_eq!(error.outcome(), Outcome::NotSent);
    }
    links_of_seats_are(&application, 0).await?;
    for node in cluster.nodes() {
        connections_are(node, 0).await?;
    }
    Ok(())
}

#[actix::test]
async fn seats_end_with_the_arbiter_of_the_router() -> TestResult {
    let server = server().await;
    let home = Worker::new();
    let config = named(serving(&server));
    let client = home.run(move || async move { Client::open(config).await });
    let client = client.await?;
    let worker = Worker::new();
    let seated = worker.seat(&client).await;
    seated.ready(SOON).await?;
    connections_are(&server, 2).await?;
    // What the router itself asks a new connection has its answer.
    is_in_flight(&seated, false).await?;
    server.pause().await?;
    let hanging = actix::spawn(hangs(&seated, "n"));
    is_in_flight(&seated, true).await?;
    home.end();
    let answer = tokio::time::timeout(SOON, hanging).await??;
    let error = answer.expect_err("all has ended");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    let error = seated.call(cmd("PING")).await.expect_err("stopped");
    assert_eq!(error.outcome(), Outcome::NotSent);
    let error = worker.seat(&seated).await.call(cmd("PING")).await;
    assert_eq!(error.expect_err("stopped").outcome(), Outcome::NotSent);
    server.resume()?;
    connections_are(&server, 0).await?;
    Ok(())
}

/// Waits until something is in flight over any connection, or nothing is, nor waits for one.
async fn is_in_flight(client: &Client, wanted: bool) -> TestResult {
    let mut wait = Wait::up_to(SOON, format!("something in flight: {wanted}"));
    loop {
        let memory = client.memory().await;
        let mut links = memory.links.iter();
        let holds = links.any(|link| link.in_flight > 0 || (!wanted && link.waiting > 0));
        if holds == wanted {
            return Ok(());
        }
        wait.again(format!("{:?}", memory.links)).await?;
    }
}
