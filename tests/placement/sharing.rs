//! What a seat has for itself, and what all seats share.

use std::collections::BTreeSet;
use std::time::Duration;

use everlink::event::LinkState;
use everlink::policy::{BreakerState, Force};
use everlink::redis::{Client, ErrorKind, Outcome, cmd, pipe};
use futures_util::future::join_all;
use tokio::task::LocalSet;

use crate::application::{Application, SOON, TestResult, local, serving};
use crate::worker::Worker;
use crate::{cluster, connection, keys, links_of_seats, links_of_seats_are, seeded, server};

/// Counts each key up so many times, and gives the connections that served them.
async fn count_up(client: Client, times: u32) -> BTreeSet<i64> {
    let mut connections = BTreeSet::new();
    for key in keys() {
        for _ in 0..times {
            let counted = client.call(cmd("INCR").arg(&key)).await;
            counted.expect("counted");
        }
        connections.insert(connection(&client, &key).await);
    }
    connections
}

#[actix::test]
async fn a_worker_is_served_while_all_other_threads_of_the_client_stand_still() -> TestResult {
    let cluster = cluster(0).await;
    let application = Application::ready(seeded(&cluster)).await?;
    let (first, to_first) = Worker::seated(&application).await;
    let (second, to_second) = Worker::seated(&application).await;
    let mut seen = Vec::new();
    for (worker, client) in [(&first, &to_first), (&second, &to_second)] {
        let client = client.clone();
        // This thread is the router's: it does not run meanwhile.
        seen.push(worker.run_alone(move || count_up(client, 50)));
    }
    for key in keys() {
        let connections = [&application.client, &to_first, &to_second];
        let connections = join_all(connections.map(|client| connection(client, &key))).await;
        let [shared, first, second] = connections[..] else {
            panic!("three handles");
        };
        assert!(shared != first && shared != second && first != second);
        // They stay.
        assert!(seen[0].contains(&first) && seen[1].contains(&second));
        let counted: i64 = application.client.query(cmd("GET").arg(&key)).await?;
        assert_eq!(counted, 100);
    }
    Ok(())
}

#[actix::test]
async fn the_shared_connections_serve_while_a_seat_is_blocked() -> TestResult {
    let server = server().await;
    let application = Application::ready(serving(&server)).await?;
    let (worker, client) = Worker::seated(&application).await;
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let blocking = worker.run(move || async move { blocked.recv().expect_err("released") });
    let calls = async {
        let call = |n: u32| application.run(cmd("SET").arg("n").arg(n));
        join_all((0..50).map(call)).await
    };
    let (calls, _) = tokio::join!(
        async {
            let calls = calls.await;
            drop(release);
            calls
        },
        blocking
    );
    calls.into_iter().collect::<Result<Vec<_>, _>>()?;
    client.call(cmd("PING")).await?;
    Ok(())
}

#[actix::test]
async fn an_arbiter_has_one_seat_and_the_routers_own_is_the_shared_one() -> TestResult {
    let server = server().await;
    let application = Application::ready(serving(&server)).await?;
    let shared = connection(&application.client, "k").await;
    let here = application.client.here();
    assert_eq!(connection(&here, "k").await, shared);

    let (worker, client) = Worker::seated(&application).await;
    let again = worker.seat(&client).await;
    let own = connection(&client, "k").await;
    assert_ne!(own, shared);
    assert_eq!(connection(&again, "k").await, own);
    drop(client);
    assert_eq!(connection(&again, "k").await, own, "one handle is left");
    assert_eq!(
        links_of_seats(&application).await,
        [format!("redis/127.0.0.1:{}@1", server.port())]
    );
    // A handle of a seat leads to other seats as well.
    let other = Worker::new();
    let there = other.seat(&again).await;
    there.ready(SOON).await?;
    assert!(![shared, own].contains(&connection(&there, "k").await));
    Ok(())
}

#[actix::test]
async fn commands_are_served_before_a_seats_connection_is_up() -> TestResult {
    let server = server().await;
    let application = Application::ready(serving(&server)).await?;
    let shared = connection(&application.client, "k").await;
    // Nobody new gets in.
    server
        .command(&["CONFIG", "SET", "maxclients", "1"])
        .await?;
    let worker = Worker::new();
    let client = worker.seat(&application.client).await;
    assert_eq!(connection(&client, "k").await, shared);
    application.told("connect_failed", 1).await;
    assert_eq!(connection(&client, "k").await, shared);
    let replies = client.pipeline(pipe().push(cmd("PING")).push(cmd("PING")));
    assert_eq!(replies.await.all::<String>()?, ["PONG", "PONG"]);
    // `ready` is about all connections.
    client
        .ready(Duration::from_millis(50))
        .await
        .expect_err("not all are up");

    application
        .client
        .call(cmd("CONFIG").arg(["SET", "maxclients", "1000"]))
        .await?;
    client.ready(SOON).await?;
    assert_ne!(connection(&client, "k").await, shared);
    Ok(())
}

#[actix::test]
async fn a_breaker_is_one_for_all_seats() -> TestResult {
    const SHORT: Duration = Duration::from_millis(100);
    let cluster = cluster(0).await;
    let application = Application::ready(seeded(&cluster)).await?;
    let (_first, to_first) = Worker::seated(&application).await;
    let (_second, to_second) = Worker::seated(&application).await;
    let [sick, second, third] = keys();
    cluster.pause(0).await?;
    // Only one seat notices.
    let calls = (0..5).map(|_| to_first.call(cmd("INCR").arg(&sick).timeout(SHORT)));
    assert!(join_all(calls).await.iter().all(Result::is_err));
    application.told("circuit_opened", 1).await;
    for client in [&application.client, &to_first, &to_second] {
        let call = client.call(cmd("INCR").arg(&sick).timeout(SHORT));
        let error = call.await.expect_err("the circuit is open");
        assert!(matches!(error.kind(), ErrorKind::CircuitOpen(_)), "{error}");
        assert_eq!(error.outcome(), Outcome::NotSent);
        client.call(cmd("INCR").arg(&second)).await?;
    }
    cluster.resume(0)?;

    let endpoint = local(cluster.nodes()[2].port());
    let forced = to_first.force_breaker(Some(&endpoint), Force::Open).await?;
    assert_eq!(forced.len(), 1, "{forced:?}");
    for client in [&application.client, &to_first, &to_second] {
        let call = client.call(cmd("INCR").arg(&third));
        let error = call.await.expect_err("the circuit is open");
        assert!(matches!(error.kind(), ErrorKind::CircuitOpen(_)), "{error}");
    }
    to_second
        .force_breaker(Some(&endpoint), Force::Release)
        .await?;
    let links = application.client.status().await?;
    let of_node =
        |link: &&everlink::registry::LinkStatus| link.endpoint.as_ref() == Some(&endpoint);
    let breakers: Vec<_> = links.iter().filter(of_node).map(|it| it.breaker).collect();
    // It stands at the shared link.
    assert_eq!(breakers, [Some(BreakerState::HalfOpen), None, None]);
    Ok(())
}

#[actix::test]
async fn operations_are_about_the_links_of_all_seats() -> TestResult {
    let server = server().await;
    let application = Application::ready(serving(&server)).await?;
    let (_worker, client) = Worker::seated(&application).await;
    let shared = connection(&application.client, "k").await;
    let own = connection(&client, "k").await;
    let name = format!("redis/127.0.0.1:{}", server.port());
    let names = [name.clone(), format!("{name}@1")];

    let report = application.client.health_check().await?;
    let checked: Vec<_> = report.nodes.iter().map(|it| it.link.to_string()).collect();
    assert!(report.healthy && checked == names, "{report:?}");
    let memory = application.client.memory().await;
    let counted: Vec<_> = memory.links.iter().map(|it| it.link.to_string()).collect();
    assert_eq!(counted, names);
    let links = application.client.status().await?;
    assert!(links.iter().all(|link| link.state == LinkState::Up));

    assert_eq!(application.client.reconnect().await?, []);
    let now = connection(&client, "k").await;
    assert!(![own, shared].contains(&now), "{own} {shared} {now}");
    assert_ne!(connection(&application.client, "k").await, shared);

    let summary = client.shutdown(SOON).await?;
    assert_eq!((summary.links, summary.drained, summary.unsent), (2, 2, 0));
    let error = client.call(cmd("PING")).await.expect_err("stopped");
    assert_eq!(error.outcome(), Outcome::NotSent);
    let error = client.here().call(cmd("PING")).await.expect_err("stopped");
    assert_eq!(error.outcome(), Outcome::NotSent);
    links_of_seats_are(&application, 0).await?;
    Ok(())
}

/// As the workers of actix-web below `#[tokio::main]`.
#[actix::test]
async fn a_local_set_can_have_a_seat_as_well() -> TestResult {
    let server = server().await;
    let application = Application::ready(serving(&server)).await?;
    let shared = connection(&application.client, "k").await;
    let client = application.client.clone();
    let (done, result) = tokio::sync::oneshot::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        LocalSet::new().block_on(&runtime, async move {
            let client = client.here();
            client.ready(SOON).await.expect("ready");
            done.send(connection(&client, "k").await).expect("awaited");
        });
    });
    assert_ne!(result.await?, shared);
    links_of_seats_are(&application, 0).await?;
    thread.join().expect("no panic");
    application.run(cmd("PING")).await?;
    Ok(())
}
