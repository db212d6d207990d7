//! A client that is stopped stays so until it is started, and one that drains is not disturbed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use everlink::elasticsearch::{ElasticSettings, ErrorKind, Request, Sniff};
use everlink::secret::Secret;
use tokio::sync::Notify;

use crate::library::{Library, SOON, TestResult};
use crate::scripted::{Asked, Reply, Scripted, settings};
use crate::support::waiting::Wait;

fn sniffing(node: &Scripted) -> ElasticSettings {
    let mut settings = settings(&[node]);
    let mut sniff = Sniff::default();
    sniff.interval = Duration::from_secs(3600);
    settings.sniff = Some(sniff);
    settings
}

async fn asked(node: &Scripted, holds: impl Fn(&Asked) -> bool) -> TestResult {
    let mut wait = Wait::up_to(SOON, "a request");
    while !node.asked().iter().any(&holds) {
        wait.again(node.asked().len()).await?;
    }
    Ok(())
}

/// Nothing was told of a link to this node.
async fn is_left_alone(library: &Library, node: &Scripted) {
    // What had been told by now has come.
    library.client.status().await;
    assert_eq!(library.names_at(node.port()), [""; 0]);
    assert!(node.checks().is_empty());
}

#[actix::test]
async fn a_node_that_is_found_while_the_client_stops_is_not_connected_to() -> TestResult {
    let other = Scripted::start(|_| Reply::ok())?;
    let told = Arc::new(Notify::new());
    let publishes = format!(
        r#"{{"nodes":{{"n":{{"http":{{"publish_address":"127.0.0.1:{}"}}}}}}}}"#,
        other.port()
    );
    let late = Reply::When(Arc::clone(&told), Box::new(Reply::body(publishes)));
    let seed = Scripted::start(move |asked| match asked.path.starts_with("/_nodes/http") {
        true => late.clone(),
        false => Reply::ok(),
    })?;
    let library = Library::ready(sniffing(&seed)).await;
    asked(&seed, |it| it.path.starts_with("/_nodes/http")).await?;
    let stopping = library.client.stop();
    let answering = async {
        // The stop was polled first: it has begun.
        told.notify_one();
        library.until(|it| it.nodes == 2).await;
    };
    futures_util::future::join(stopping, answering).await;
    is_left_alone(&library, &other).await;
    library.client.start().await;
    library.until(|it| it.up == 2).await;
    Ok(())
}

#[actix::test]
async fn new_settings_start_nothing_of_a_client_that_is_stopped() -> TestResult {
    let old = Scripted::start(|_| Reply::ok())?;
    let new = Scripted::start(|_| Reply::ok())?;
    let library = Library::ready(settings(&[&old])).await;
    library.client.stop().await;
    library.client.reconfigure(settings(&[&old, &new])).await?;
    is_left_alone(&library, &new).await;
    library.client.start().await;
    library.until(|it| it.up == 2).await;
    let ports: BTreeSet<_> = [old.port(), new.port()].into();
    assert_eq!(ports.len(), library.client.links().len());
    Ok(())
}

#[actix::test]
async fn refused_credentials_cut_nothing_off_that_drains() -> TestResult {
    let (first, second) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (write, denied) = (Arc::clone(&first), Arc::clone(&second));
    let node = Scripted::start(move |asked| match asked.path.as_str() {
        "/write" => Reply::When(Arc::clone(&write), Box::new(Reply::ok())),
        "/denied" => Reply::When(Arc::clone(&denied), Box::new(Reply::status(401))),
        _ => Reply::ok(),
    })?;
    let mut old = settings(&[&node]);
    old.api_key = Some(Secret::from("old"));
    let library = Library::ready(old).await;
    let writing = library.client.send(Request::post("/write").body("{}"));
    let rest = async {
        asked(&node, |it| it.path == "/write").await?;
        let refused = library.client.send(Request::get("/denied"));
        let rotating = async {
            asked(&node, |it| it.path == "/denied").await?;
            let (write, denied) = (Arc::clone(&first), Arc::clone(&second));
            node.script(move |asked| {
                let is_old = asked.head.contains("ApiKey old");
                match asked.path.as_str() {
                    _ if asked.is_check() && is_old => Reply::status(401),
                    _ if asked.is_check() => Reply::healthy(),
                    "/write" => Reply::When(Arc::clone(&write), Box::new(Reply::ok())),
                    "/denied" => Reply::When(Arc::clone(&denied), Box::new(Reply::status(401))),
                    _ => Reply::ok(),
                }
            });
            let mut new = settings(&[&node]);
            new.api_key = Some(Secret::from("new"));
            library.client.reconfigure(new).await?;
            second.notify_one();
            TestResult::Ok(())
        };
        let (refused, rotated) = futures_util::future::join(refused, rotating).await;
        rotated?;
        let error = refused.expect_err("refused");
        assert!(matches!(error.kind(), ErrorKind::Denied(_)), "{error}");
        // Time for a check that should not be made, and for what would follow from it.
        let checks = node.checks().len();
        let mut wait = Wait::up_to(Duration::from_millis(300), "a check");
        while node.checks().len() == checks && wait.again("none").await.is_ok() {}
        first.notify_one();
        TestResult::Ok(())
    };
    let (written, rest) = futures_util::future::join(writing, rest).await;
    rest?;
    written?;
    Ok(())
}
