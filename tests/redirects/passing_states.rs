//! Errors that pass: they are waited out within the deadline, and else told in the server's words.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use everlink::redis::config::Waiting;
use everlink::redis::{ErrorKind, Outcome, cmd};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::timeout;

use crate::application::{Application, SOON, TestResult, standalone};
use crate::support::answers::Answers;
use crate::support::fake_node::{Action, FakeNode};
use crate::support::replies;
use crate::two_nodes::TwoNodes;

const PASSING: [&str; 5] = [
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "CLUSTERDOWN The cluster is down",
    "LOADING Redis is loading the dataset in memory",
    "READONLY You can't write against a read only replica.",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
];

#[actix::test]
async fn a_state_that_passes_is_waited_out() -> TestResult {
    for text in PASSING {
        let cluster = TwoNodes::start()?;
        let application = Application::ready(cluster.config()).await?;
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        cluster.with(1, "INCR", move |_| {
            Action::reply(if count.fetch_add(1, Ordering::SeqCst) < 3 {
                replies::error(text)
            } else {
                replies::int(7)
            })
        });
        // A write, too: such an error proves that it was not executed.
        let count: u32 = application.client.query(cmd("INCR").arg("foo")).await?;
        assert_eq!((count, asked.load(Ordering::SeqCst)), (7, 4), "{text}");
        assert_eq!(application.count("disconnected"), 0, "{text}");
    }
    Ok(())
}

#[actix::test]
async fn a_state_that_does_not_pass_is_told_in_the_servers_words_by_the_deadline() -> TestResult {
    for text in PASSING {
        let cluster = TwoNodes::start()?;
        let application = Application::ready(cluster.config()).await?;
        cluster.errs(1, text.to_owned());
        let timeout = Duration::from_millis(400);
        let mut error;
        loop {
            let began = tokio::time::Instant::now();
            error = application
                .error(cmd("GET").arg("foo").timeout(timeout))
                .await;
            assert!(began.elapsed() < timeout * 10, "{text}");
            // Only just while the node is asked once more can nobody tell.
            if error.outcome() != Outcome::Unknown {
                break;
            }
        }
        assert_eq!(error.code(), text.split(' ').next(), "{error:?}");
        assert_eq!(error.outcome(), Outcome::Refused, "{text}");
        let asked = cluster.nodes[1].received_named("GET").len();
        assert!((2..=200).contains(&asked), "{text}: asked {asked} times");
    }
    Ok(())
}

#[actix::test]
async fn one_server_that_loads_is_waited_out_too() -> TestResult {
    let asked = AtomicUsize::new(0);
    let script = Answers::new().on("INCR", move |_| {
        Action::reply(if asked.fetch_add(1, Ordering::SeqCst) < 3 {
            replies::error("LOADING Redis is loading the dataset in memory")
        } else {
            replies::int(1)
        })
    });
    let node = FakeNode::start(script.script())?;
    let application = Application::ready(standalone(node.port())).await?;
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
async fn more_than_may_wait_is_not_put_off_but_told_at_once() -> TestResult {
    const LOADING: &str = "LOADING Redis is loading the dataset in memory";
    let loads = Answers::new().on("GET", |_| Action::reply(replies::error(LOADING)));
    let node = FakeNode::start(loads.script())?;
    let config = standalone(node.port()).waiting(Waiting::default().requests(10));
    let application = Application::ready(config).await?;
    let began = tokio::time::Instant::now();
    let get = || application.client.query::<String>(cmd("GET").arg("k"));
    let mut calls = FuturesUnordered::new();
    let refused = loop {
        assert!(began.elapsed() < SOON, "nothing is refused");
        // As many as may wait in the lane; most of them are put off soon.
        calls.extend((0..10).map(|_| get()));
        let first = timeout(Duration::from_millis(20), calls.next()).await;
        let Ok(Some(first)) = first else { continue };
        let error = first.expect_err("nothing is served yet");
        if !matches!(error.kind(), ErrorKind::QueueFull { .. }) {
            break error;
        }
    };
    assert_eq!(
        (refused.code(), refused.outcome()),
        (Some("LOADING"), Outcome::Refused)
    );
    assert!(began.elapsed() < SOON, "not by its deadline");
    // Those that are kept are served in the end.
    let serves = Answers::new().on("GET", |_| Action::reply(replies::bulk("v")));
    node.retarget(serves.script());
    let results: Vec<_> = calls.collect().await;
    let served = results.iter().filter(|result| result.is_ok()).count();
    assert!(served > 0, "{results:?}");
    Ok(())
}

#[actix::test]
async fn one_server_that_was_demoted_is_dialled_anew_and_its_error_told() -> TestResult {
    let script = Answers::new().on("SET", |received| {
        Action::reply(if received.connection == 0 {
            replies::error("READONLY You can't write against a read only replica.")
        } else {
            replies::ok()
        })
    });
    let node = FakeNode::start(script.script())?;
    let application = Application::ready(standalone(node.port())).await?;
    let error = application.error(cmd("SET").arg("k").arg("v")).await;
    assert_eq!(
        (error.code(), error.outcome()),
        (Some("READONLY"), Outcome::Refused)
    );
    // Behind the same name another server may answer by now.
    application.told("reconnected", 1).await;
    application
        .run(cmd("SET").arg("k").arg("v").timeout(SOON))
        .await?;
    Ok(())
}

#[actix::test]
async fn a_server_of_a_cluster_used_as_a_single_one_tells_where_the_key_is() -> TestResult {
    let script = Answers::new().on("GET", |_| Action::reply(replies::error("MOVED 1 h:1")));
    let node = FakeNode::start(script.script())?;
    let application = Application::ready(standalone(node.port())).await?;
    let error = application.error(cmd("GET").arg("k")).await;
    assert_eq!(
        (error.code(), error.outcome()),
        (Some("MOVED"), Outcome::Refused)
    );
    Ok(())
}
