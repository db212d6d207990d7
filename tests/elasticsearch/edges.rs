//! What an answer leaves open, what waits, and what a node is not to blame for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use everlink::elasticsearch::{ErrorKind, Outcome, Request};
use everlink::link::BreakerOption;
use everlink::policy::{BreakerSettings, Force};
use futures_util::future::join;
use futures_util::poll;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::library::{Library, SOON, TestResult};
use crate::scripted::{Reply, Scripted, settings};
use crate::support::cpu::computed;
use crate::support::waiting::Wait;

/// What `_update_by_query` answers, with the status of its worst failure, when it was carried out
/// in part.
const PARTLY: &str = r#"{"took":5,"updated":3,"failures":[{"id":"4","status":429}]}"#;

#[actix::test]
async fn what_may_have_been_carried_out_in_part_is_not_refused_and_not_repeated() -> TestResult {
    let node = Scripted::start(|_| Reply::ok())?;
    let library = Library::ready(settings(&[&node])).await;
    for (path, body) in [
        ("/a/_update_by_query?conflicts=proceed", PARTLY),
        ("/a/_delete_by_query", "{}"),
        ("/_reindex/", "{}"),
        ("/proxied", PARTLY),
    ] {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        node.script(move |asked| match asked.is_check() {
            true => Reply::healthy(),
            false if counted.fetch_add(1, Ordering::SeqCst) == 0 => {
                Reply::Answer(429, "", body.to_owned())
            }
            false => Reply::ok(),
        });
        let sent = library.client.send(Request::post(path)).await;
        let error = sent.expect_err(path);
        assert!(matches!(error.kind(), ErrorKind::Busy(_)), "{error}");
        assert_eq!(error.outcome(), Outcome::Unknown, "{path}: {error}");
        assert_eq!(count.load(Ordering::SeqCst), 1, "{path}");
        // Whoever says that it may be repeated is believed.
        count.store(0, Ordering::SeqCst);
        let request = Request::post(path).idempotent();
        library.client.send(request).await?.into_result()?;
        assert_eq!(count.load(Ordering::SeqCst), 2, "{path}");

        node.script(move |_| Reply::Answer(409, "", body.to_owned()));
        let answer = library.client.send(Request::post(path)).await?;
        let error = answer.into_result().expect_err("a conflict");
        assert_eq!(error.outcome(), Outcome::Unknown, "{path}: {error}");
    }
    Ok(())
}

#[actix::test]
async fn nothing_spins_while_a_check_takes_long_or_a_node_drains() -> TestResult {
    let node = Scripted::start(|_| Reply::Slowly(Duration::from_millis(1500)))?;
    let mut settings = settings(&[&node]);
    settings.health.interval = Duration::from_millis(50);
    settings.health.timeout = Duration::from_millis(1500);
    settings.node_failure_threshold = 1;
    let library = Library::ready(settings).await;
    let client = library.client.clone();
    let call = actix_rt::spawn(async move { client.send(Request::post("/a")).await });
    let mut wait = Wait::up_to(SOON, "one at the node");
    while node.asked().is_empty() {
        wait.again("none").await?;
    }
    let before = computed();
    library.client.stop().await;
    assert_eq!(call.await??.status(), 200);
    let drained = computed() - before;
    assert!(drained < Duration::from_millis(600), "{drained:?}");

    library.client.start().await;
    library.client.ready(SOON).await?;
    let names = library.names_at(node.port());
    let lost = names.iter().filter(|it| **it == "disconnected").count();
    node.script(|_| Reply::Hang);
    let before = computed();
    library.told("disconnected", lost + 1).await;
    let checked = computed() - before;
    assert!(checked < Duration::from_millis(600), "{checked:?}");
    Ok(())
}

#[actix::test]
async fn a_deadline_that_never_comes_is_one() -> TestResult {
    let node = Scripted::start(|_| Reply::ok())?;
    let library = Library::ready(settings(&[&node])).await;
    for request in [Request::get("/a"), Request::post("/a")] {
        let request = request.timeout(Duration::MAX);
        assert_eq!(library.client.send(request).await?.status(), 200);
    }
    Ok(())
}

#[actix::test]
async fn a_request_waits_for_a_resting_node_while_the_breaker_of_another_is_open() -> TestResult {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let resting = Scripted::start(move |_| match counted.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::Answer(429, "retry-after: 1\r\n", "{}".to_owned()),
        _ => Reply::ok(),
    })?;
    let open = Scripted::start(|_| Reply::ok())?;
    let library = Library::ready(settings(&[&resting, &open])).await;
    assert!(library.client.links()[1].force_circuit(Force::Open).await);
    let response = library.client.send(Request::post("/a/_doc")).await?;
    assert_eq!(response.node().port(), Some(resting.port()));
    assert_eq!((resting.asked().len(), open.asked().len()), (2, 0));
    // With all of them open it fails at once.
    library.client.force_breakers(Force::Open).await;
    let began = Instant::now();
    let sent = library.client.send(Request::get("/a")).await;
    let error = sent.expect_err("all are open");
    assert!(matches!(error.kind(), ErrorKind::CircuitOpen(_)), "{error}");
    assert!(began.elapsed() < Duration::from_secs(5));
    Ok(())
}

#[actix::test]
async fn a_breaker_that_half_opens_is_asked_while_another_node_rests() -> TestResult {
    let resting = Scripted::start(|_| Reply::Answer(429, "retry-after: 30\r\n", "{}".to_owned()))?;
    let tripped = Scripted::start(|_| Reply::Hang)?;
    let mut settings = settings(&[&resting, &tripped]);
    settings.node_failure_threshold = 100;
    let open = Duration::from_millis(500);
    let breaker = BreakerSettings::default().with_consecutive(1)?;
    settings.link.breaker = BreakerOption::Set(breaker.with_open(open, open)?);
    let library = Library::ready(settings).await;
    // To the one that hangs, the other by its word having to be left alone.
    let short = Request::post("/a").timeout(Duration::from_millis(300));
    let error = library.client.send(short).await.expect_err("it hangs");
    assert!(matches!(error.kind(), ErrorKind::Deadline(_)), "{error}");
    library.told("circuit_opened", 1).await;
    tripped.script(|asked| match asked.is_check() {
        true => Reply::healthy(),
        false => Reply::ok(),
    });
    // Its deadline comes before the end of the rest.
    let request = Request::post("/a").timeout(SOON);
    let response = library.client.send(request).await?;
    assert_eq!(response.node().port(), Some(tripped.port()));
    assert_eq!(resting.asked().len(), 1);
    Ok(())
}

#[actix::test]
async fn a_node_is_not_blamed_for_a_request_that_waited_for_most_of_its_time() -> TestResult {
    let (told, asked) = (Arc::new(Notify::new()), AtomicUsize::new(0));
    let answer = Arc::clone(&told);
    let node = Scripted::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::When(Arc::clone(&answer), Box::new(Reply::ok())),
        2 => Reply::ok(),
        _ => Reply::Hang,
    })?;
    let mut settings = settings(&[&node]);
    settings.limits.in_flight = 1;
    settings.node_failure_threshold = 1;
    let library = Library::ready(settings).await;
    let client = library.client.clone();
    let first = actix_rt::spawn(async move { client.send(Request::post("/a")).await });
    let mut wait = Wait::up_to(SOON, "one at the node");
    while node.asked().is_empty() {
        wait.again("none").await?;
    }
    let limit = Duration::from_secs(2);
    let second = library.client.send(Request::post("/a").timeout(limit));
    let release = async {
        // More than half of its time, which has to pass here.
        tokio::time::sleep(limit * 5 / 8).await;
        told.notify_one();
    };
    let (second, ()) = join(second, release).await;
    assert_eq!(first.await??.status(), 200);
    let error = second.expect_err("too late");
    assert!(matches!(error.kind(), ErrorKind::Deadline(_)), "{error}");
    // It is looked at, and is well.
    let mut wait = Wait::up_to(SOON, "a check");
    while node.checks().len() < 2 {
        wait.again(node.checks().len()).await?;
    }
    library.client.send(Request::post("/a")).await?;
    assert_eq!(library.names_at(node.port()), ["connecting", "connected"]);
    // One that had its time is another matter.
    let short = Request::post("/a").timeout(Duration::from_secs(1));
    library.client.send(short).await.expect_err("too slow");
    library.told("disconnected", 1).await;
    Ok(())
}

#[actix::test]
async fn what_is_on_its_way_to_the_arbiter_is_bounded_too() -> TestResult {
    let node = Scripted::start(|_| Reply::ok())?;
    let mut settings = settings(&[&node]);
    settings.limits.requests = 2;
    let library = Library::ready(settings).await;
    let send = || Box::pin(library.client.send(Request::post("/a").body("{}")));
    let (mut first, mut second, mut third) = (send(), send(), send());
    // The arbiter is this thread: it gets no turn between them.
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    assert_eq!(library.client.statistics().requests, 2);
    let error = third.as_mut().await.expect_err("no room");
    assert!(
        matches!(error.kind(), ErrorKind::QueueFull { requests: 2, .. }),
        "{error}"
    );
    assert_eq!(error.outcome(), Outcome::NotSent);
    assert!(error.to_string().starts_with("POST"), "{error}");
    first.await?;
    second.await?;
    library.until(|it| it.requests == 0 && it.bytes == 0).await;
    Ok(())
}
