//! Several nodes, of which some or all are dead.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use everlink::elasticsearch::{Colour, ElasticClient, ErrorKind, Outcome, Request};
use everlink::exit::{Cause, CauseKind};
use everlink::registry::Snapshot;
use futures_util::future::join_all;
use tokio::time::Instant;

use crate::library::{Library, SOON, TestResult};
use crate::scripted::{Reply, Scripted, settings};
use crate::support::waiting::Wait;

#[actix::test]
async fn requests_go_to_the_nodes_in_turn() -> TestResult {
    let nodes = [
        Scripted::start(|_| Reply::ok())?,
        Scripted::start(|_| Reply::ok())?,
        Scripted::start(|_| Reply::ok())?,
    ];
    let library = Library::ready(settings(&[&nodes[0], &nodes[1], &nodes[2]])).await;
    for _ in 0..30 {
        library.client.send(Request::post("/a/_doc")).await?;
    }
    let asked = nodes.each_ref().map(|node| node.asked().len());
    assert_eq!(asked, [10, 10, 10]);
    Ok(())
}

#[actix::test]
async fn with_one_of_three_nodes_dead_every_request_succeeds() -> TestResult {
    let nodes = [
        Scripted::start(|_| Reply::ok())?,
        Scripted::start(|_| Reply::ok())?,
        Scripted::start(|_| Reply::ok())?,
    ];
    let library = Library::ready(settings(&[&nodes[0], &nodes[1], &nodes[2]])).await;
    // While nothing is under way: what is lost in flight is another matter.
    nodes[1].down().await?;
    let requests = (0..300).map(|_| library.client.send(Request::post("/a/_doc")));
    for response in join_all(requests).await {
        response?.into_result()?;
    }
    let asked = nodes.each_ref().map(|node| node.asked().len());
    assert_eq!(asked.iter().sum::<usize>(), 300, "{asked:?}");
    library.told("disconnected", 1).await;
    assert_eq!(library.client.statistics().up, 2);
    nodes[1].up()?;
    library.until(|it| it.up == 3).await;
    for _ in 0..3 {
        library.client.send(Request::get("/a")).await?;
    }
    let names = library.names_at(nodes[1].port());
    assert_eq!(names[..3], ["connecting", "connected", "disconnected"]);
    assert_eq!(names.last(), Some(&"reconnected"));
    Ok(())
}

#[actix::test]
async fn with_all_nodes_dead_requests_wait_and_go_within_a_second_of_the_first_return() -> TestResult
{
    let nodes = [
        Scripted::start(|_| Reply::ok())?,
        Scripted::start(|_| Reply::ok())?,
    ];
    let mut settings = settings(&[&nodes[0], &nodes[1]]);
    // A backoff that alone would take far longer than the test.
    let backoff = everlink::policy::Backoff::fixed(Duration::from_secs(60))?;
    let refused = everlink::policy::RefusedCap::off();
    settings.link.restart = settings
        .link
        .restart
        .with_backoff(backoff)
        .with_refused(refused);
    let library = Library::ready(settings).await;
    for node in &nodes {
        node.down().await?;
    }
    // By reads, which cost nothing: nobody looks for a while.
    let limit = Duration::from_millis(300);
    let read = library.client.send(Request::get("/a").timeout(limit)).await;
    assert!(read.is_err(), "all are dead");
    library.until(|it| it.up == 0).await;
    let short = Request::get("/a").timeout(limit);
    let error = library.client.send(short).await.expect_err("all are dead");
    assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
    let ErrorKind::NoNode { waited, .. } = error.kind() else {
        panic!("{error}");
    };
    assert!(*waited >= limit, "{error}");
    let cause = error.cause().map(Cause::kind);
    assert_eq!(cause, Some(CauseKind::Refused), "{error}");
    let text = error.to_string();
    assert!(text.starts_with("GET: no node within "), "{text}");

    let mut waiting = Vec::new();
    for _ in 0..20 {
        let client = library.client.clone();
        let post = Request::post("/a/_doc");
        waiting.push(actix_rt::spawn(async move { client.send(post).await }));
    }
    library.until(|it| it.stranded == 20).await;
    nodes[1].up()?;
    let back = Instant::now();
    for waiting in waiting {
        let response = tokio::time::timeout(SOON, waiting).await???;
        assert_eq!(response.status(), 200);
    }
    let took = back.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(nodes[1].asked().len(), 20);
    Ok(())
}

#[actix::test]
async fn a_healthy_node_is_yellow_unless_green_is_asked_for() -> TestResult {
    let node = Scripted::raw(|_| Reply::body(r#"{"status":"yellow"}"#))?;
    let mut wanted = settings(&[&node]);
    let library = Library::ready(wanted.clone()).await;
    drop(library);
    wanted.health.at_least = Colour::Green;
    let library = Library::open(wanted).await;
    library.told("connect_failed", 2).await;
    assert_eq!(library.client.statistics().up, 0);
    node.script(|_| Reply::healthy());
    library.client.ready(SOON).await?;

    // What was well and is so no more is out after three checks.
    let red = Scripted::raw(|_| Reply::healthy())?;
    let mut quick = settings(&[&red]);
    quick.health.interval = Duration::from_millis(50);
    let library = Library::ready(quick).await;
    red.script(|_| Reply::body(r#"{"status":"red"}"#));
    library.told("disconnected", 1).await;
    red.script(|_| Reply::healthy());
    library.told("reconnected", 1).await;
    Ok(())
}

#[actix::test]
async fn one_node_has_so_many_requests_at_once_and_the_others_wait_their_turn() -> TestResult {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counting, highest) = (Arc::clone(&now), Arc::clone(&most));
    let node = Scripted::start(move |_| {
        highest.fetch_max(
            counting.fetch_add(1, Ordering::SeqCst) + 1,
            Ordering::SeqCst,
        );
        Reply::Hang
    })?;
    let mut settings = settings(&[&node]);
    settings.limits.in_flight = 2;
    let library = Library::ready(settings).await;
    let mut calls = Vec::new();
    for _ in 0..5 {
        let client = library.client.clone();
        let get = Request::get("/a").timeout(SOON);
        calls.push(actix_rt::spawn(async move { client.send(get).await }));
    }
    library.until(|it| it.requests == 5).await;
    let mut wait = Wait::up_to(SOON, "two at the node");
    while node.asked().len() < 2 {
        wait.again(node.asked().len()).await?;
    }
    // A caller that goes away makes room for the next.
    calls[0].abort();
    calls[1].abort();
    let mut wait = Wait::up_to(SOON, "four at the node");
    while node.asked().len() < 4 {
        wait.again(node.asked().len()).await?;
    }
    assert_eq!(library.client.statistics().requests, 3);
    Ok(())
}

#[actix::test]
async fn a_client_that_was_given_no_registry_has_one_to_subscribe_to() -> TestResult {
    let node = Scripted::start(|_| Reply::ok())?;
    let client = ElasticClient::open(settings(&[&node]))?;
    client.ready(SOON).await?;
    let links = client.registry().send(Snapshot).await?;
    let names: Vec<_> = links.iter().map(|it| it.link.to_string()).collect();
    assert_eq!(names, [format!("elasticsearch/127.0.0.1:{}", node.port())]);
    Ok(())
}

#[actix::test]
async fn stopped_it_finishes_what_is_under_way_and_takes_no_more() -> TestResult {
    let node = Scripted::start(|_| Reply::Slowly(Duration::from_millis(300)))?;
    let library = Library::ready(settings(&[&node])).await;
    let client = library.client.clone();
    let call = actix_rt::spawn(async move { client.send(Request::post("/a")).await });
    let mut wait = Wait::up_to(SOON, "one at the node");
    while node.asked().is_empty() {
        wait.again("none").await?;
    }
    library.client.stop().await;
    assert_eq!(call.await??.status(), 200);
    let error = library
        .client
        .send(Request::get("/a"))
        .await
        .expect_err("stopped");
    assert!(matches!(error.kind(), ErrorKind::Stopped), "{error}");
    assert_eq!(error.outcome(), Outcome::NotSent);
    assert_eq!(library.names_at(node.port()).last(), Some(&"stopped"));
    library.client.start().await;
    library.client.ready(SOON).await?;
    library.client.send(Request::get("/a")).await?;
    Ok(())
}
