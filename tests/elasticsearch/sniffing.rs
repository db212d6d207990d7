//! Nodes that are found by asking others for them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use everlink::elasticsearch::{ElasticSettings, Request, Sniff};
use everlink::endpoint::Endpoint;
use everlink::secret::Secret;
use tokio::sync::Notify;

use crate::library::{Library, SOON, TestResult};
use crate::scripted::{Asked, Reply, Scripted, settings};
use crate::support::waiting::Wait;

/// Publishes these addresses.
fn published(addresses: &[String]) -> Reply {
    let nodes = addresses
        .iter()
        .enumerate()
        .map(|(n, it)| format!(r#""n{n}":{{"http":{{"publish_address":"{it}"}}}}"#))
        .collect::<Vec<_>>();
    Reply::body(format!(r#"{{"nodes":{{{}}}}}"#, nodes.join(",")))
}

fn sniffing(node: &Scripted) -> ElasticSettings {
    let mut settings = settings(&[node]);
    let mut sniff = Sniff::default();
    sniff.interval = Duration::from_millis(100);
    settings.sniff = Some(sniff);
    settings
}

fn is_sniff(asked: &Asked) -> bool {
    asked.path.starts_with("/_nodes/http")
}

#[actix::test]
async fn a_failed_or_empty_answer_changes_nothing_and_a_good_one_brings_nodes() -> TestResult {
    let seed = Scripted::start(|_| Reply::ok())?;
    let other = Scripted::start(|_| Reply::ok())?;
    let library = Library::ready(sniffing(&seed)).await;
    let own = format!("127.0.0.1:{}", seed.port());
    let found = format!("127.0.0.1:{}", other.port());
    let script = |sniffed: Reply| {
        move |asked: &Asked| match (asked.is_check(), is_sniff(asked)) {
            (true, _) => Reply::healthy(),
            (_, true) => sniffed.clone(),
            _ => Reply::ok(),
        }
    };
    seed.script(script(published(&[own.clone(), found])));
    library.until(|it| it.up == 2).await;
    library.client.send(Request::get("/a")).await?;
    library.client.send(Request::get("/a")).await?;
    assert!(other.asked().iter().any(|it| it.path == "/a"));
    // The other one answers questions, too, and badly; the seed in every bad way in turn.
    for bad in [
        Reply::status(500),
        Reply::body(r#"{"nodes":{}}"#),
        Reply::body("{}"),
        Reply::body("<html>"),
        Reply::Reset,
    ] {
        let before = seed.asked().len();
        seed.script(script(bad));
        let mut wait = Wait::up_to(SOON, "two more questions");
        while seed.asked().len() < before + 2 {
            wait.again(seed.asked().len()).await?;
        }
        assert_eq!(library.client.statistics().nodes, 2);
        library.client.send(Request::get("/a")).await?;
    }
    // What is not named any more goes; the one that was configured stays in any case.
    let third = Scripted::start(|_| Reply::ok())?;
    let named = format!("127.0.0.1:{}", third.port());
    other.script(script(published(std::slice::from_ref(&named))));
    seed.script(script(published(&[named])));
    let expected: BTreeSet<_> = [seed.port(), third.port()].into();
    let mut wait = Wait::up_to(SOON, "the third in place of the second");
    loop {
        let links = library.client.links();
        let ports: BTreeSet<u16> = links
            .iter()
            .filter_map(|link| link.name().as_str().rsplit_once(':')?.1.parse().ok())
            .collect();
        if ports == expected {
            break;
        }
        wait.again(format!("{ports:?}")).await?;
    }
    Ok(())
}

#[actix::test]
async fn an_address_that_is_only_reachable_from_within_is_mapped() -> TestResult {
    let other = Scripted::start(|_| Reply::ok())?;
    let seed = Scripted::start(|asked| match is_sniff(asked) {
        true => published(&["172.17.0.2:9200".to_owned()]),
        false => Reply::ok(),
    })?;
    let mut settings = sniffing(&seed);
    if let Some(sniff) = &mut settings.sniff {
        let outside = Endpoint::tcp("127.0.0.1", other.port());
        sniff.map.insert("172.17.0.2:9200".to_owned(), outside);
    }
    let library = Library::ready(settings).await;
    library.until(|it| it.up == 2).await;
    Ok(())
}

#[actix::test]
async fn what_was_asked_under_old_settings_brings_no_node_under_new_ones() -> TestResult {
    let stranger = Scripted::start(|_| Reply::ok())?;
    let told = Arc::new(Notify::new());
    let late = Reply::When(
        Arc::clone(&told),
        Box::new(published(&[format!("127.0.0.1:{}", stranger.port())])),
    );
    let old = Scripted::start(move |asked| match is_sniff(asked) {
        true => late.clone(),
        false => Reply::ok(),
    })?;
    let new = Scripted::start(|_| Reply::ok())?;
    let rarely = |node: &Scripted| {
        let mut settings = sniffing(node);
        if let Some(sniff) = &mut settings.sniff {
            sniff.interval = Duration::from_secs(3600);
        }
        settings
    };
    let library = Library::ready(rarely(&old)).await;
    let mut wait = Wait::up_to(SOON, "a question");
    while !old.asked().iter().any(is_sniff) {
        wait.again("none").await?;
    }
    let mut settings = rarely(&new);
    settings.api_key = Some(Secret::from("new"));
    library.client.reconfigure(settings).await?;
    told.notify_one();
    library.told("stopped", 1).await;
    library.client.ready(SOON).await?;
    assert_eq!(library.client.statistics().nodes, 1);
    assert!(stranger.checks().is_empty(), "{:?}", stranger.checks());
    // Under the new ones it asks anew, at once.
    let mut wait = Wait::up_to(SOON, "a question");
    while !new.asked().iter().any(is_sniff) {
        wait.again("none").await?;
    }
    assert_eq!(library.client.statistics().nodes, 1);
    Ok(())
}
