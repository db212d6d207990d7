//! Connections that are lost or hang while a request is with a node.

use std::time::Duration;

use everlink::elasticsearch::{ErrorKind, Outcome, Request};
use everlink::event::EventKind;
use everlink::exit::CauseKind;
use everlink::policy::{Backoff, Jitter};
use tokio::time::Instant;

use crate::library::{Library, SOON, TestResult};
use crate::scripted::{Reply, Scripted, settings};
use crate::support::waiting::Wait;

/// What an HTTP client cannot read.
const GARBAGE: &str = "\u{1}\u{2} this is no HTTP\r\n\r\n";
/// An answer that promises more than it brings.
const CUT: &str = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"cut";

/// Ways for a node to fail a request that has reached it.
fn breaks() -> [(&'static str, Reply); 4] {
    [
        ("close", Reply::Close),
        ("reset", Reply::Reset),
        ("half-close", Reply::HalfClose),
        ("garbage", Reply::Raw(GARBAGE)),
    ]
}

#[actix::test]
async fn a_write_that_was_lost_is_of_unknown_outcome_and_sent_once() -> TestResult {
    for (name, reply) in breaks() {
        let broken = Scripted::start(move |_| reply.clone())?;
        let well = Scripted::start(|_| Reply::ok())?;
        let mut settings = settings(&[&broken, &well]);
        settings.node_failure_threshold = 100;
        let library = Library::ready(settings).await;
        let (mut lost, mut done) = (0, 0);
        for _ in 0..6 {
            let body = Request::post("/a/_doc").body("{}");
            match library.client.send(body).await {
                Ok(_) => done += 1,
                Err(error) => {
                    assert_eq!(error.outcome(), Outcome::Unknown, "{name}: {error}");
                    assert!(
                        matches!(error.kind(), ErrorKind::Lost(_)),
                        "{name}: {error}"
                    );
                    assert_eq!(
                        error.endpoint().and_then(|it| it.port()),
                        Some(broken.port())
                    );
                    lost += 1;
                }
            }
        }
        assert_eq!((lost, done), (3, 3), "{name}");
        assert_eq!((broken.asked().len(), well.asked().len()), (3, 3), "{name}");
    }
    Ok(())
}

#[actix::test]
async fn a_read_that_was_lost_is_repeated_on_another_node() -> TestResult {
    for (name, reply) in breaks() {
        let broken = Scripted::start(move |_| reply.clone())?;
        let well = Scripted::start(|_| Reply::ok())?;
        let mut settings = settings(&[&broken, &well]);
        settings.node_failure_threshold = 100;
        let library = Library::ready(settings).await;
        for _ in 0..6 {
            let response = library.client.send(Request::get("/a")).await;
            assert_eq!(response.expect(name).node().port(), Some(well.port()));
            library.client.send(Request::head("/a")).await.expect(name);
            let search = Request::post("/a/_search").body("{}").idempotent();
            library.client.send(search).await.expect(name);
        }
        assert_eq!(well.asked().len(), 18, "{name}");
        assert!(!broken.asked().is_empty(), "{name}");
    }
    Ok(())
}

#[actix::test]
async fn a_node_is_out_after_three_losses_in_a_row_and_is_probed_back_in() -> TestResult {
    let broken = Scripted::start(|_| Reply::Reset)?;
    let well = Scripted::start(|_| Reply::ok())?;
    let library = Library::ready(settings(&[&broken, &well])).await;
    for _ in 0..20 {
        library.client.send(Request::get("/a")).await?;
        if library.names_at(broken.port()).contains(&"disconnected") {
            break;
        }
    }
    let cause = library.lost().await;
    assert_eq!(cause.kind(), CauseKind::Reset, "{cause}");
    assert!(cause.detail().contains("3 failures in a row"), "{cause}");
    assert_eq!(broken.asked().len(), 3);
    // Its checks are answered, so that it comes back.
    broken.script(|asked| match asked.is_check() {
        true => Reply::healthy(),
        false => Reply::ok(),
    });
    library.until(|it| it.up == 2).await;
    library.client.send(Request::get("/a")).await?;
    library.client.send(Request::get("/a")).await?;
    assert_eq!(broken.asked().len(), 4);
    assert_eq!(
        library.names_at(broken.port())[2..],
        ["disconnected", "reconnecting", "connecting", "reconnected"]
    );
    Ok(())
}

#[actix::test]
async fn a_node_that_does_not_stay_up_is_out_for_twice_as_long_each_time() -> TestResult {
    // Its checks are answered well, so that it comes back each time; requests are not.
    let node = Scripted::start(|_| Reply::Reset)?;
    let mut settings = settings(&[&node]);
    settings.node_failure_threshold = 1;
    let first = Duration::from_millis(20);
    let backoff = Backoff::exponential(first, 2.0)?.jittered(Jitter::None);
    settings.link.restart = settings.link.restart.with_backoff(backoff);
    let library = Library::ready(settings).await;
    let mut delays = Vec::new();
    for times in 1..=4 {
        // Not idempotent, so that it costs one failure.
        let sent = library.client.send(Request::post("/a")).await;
        sent.expect_err("it is reset");
        let told = library.told("reconnecting", times).await;
        let EventKind::Reconnecting { delay, .. } = told else {
            panic!("another kind");
        };
        delays.push(delay);
        library.told("reconnected", times).await;
    }
    let doubled = delays.windows(2).all(|it| it[1] == it[0] * 2);
    assert!(doubled && delays[0] >= first, "{delays:?}");
    assert_eq!(node.asked().len(), 4);
    Ok(())
}

#[actix::test]
async fn a_connection_that_was_closed_between_requests_costs_nobody_anything() -> TestResult {
    let node = Scripted::start(|_| Reply::AndClose)?;
    let library = Library::ready(settings(&[&node])).await;
    for sent in 1..=20 {
        // Writes: none may be lost, and none be sent twice.
        let response = library
            .client
            .send(Request::post("/a/_doc").body("{}"))
            .await?;
        assert_eq!(response.status(), 200);
        // The client has seen the end of the connection, and closed it too.
        let mut wait = Wait::up_to(SOON, "the client's end of the connection");
        while node.closed() < sent {
            wait.again(node.closed()).await?;
        }
    }
    assert_eq!(node.asked().len(), 20);
    assert_eq!(library.names_at(node.port()), ["connecting", "connected"]);
    Ok(())
}

#[actix::test]
async fn an_answer_that_was_cut_off_says_nothing_of_a_write() -> TestResult {
    let node = Scripted::start(|_| Reply::Raw(CUT))?;
    let library = Library::ready(settings(&[&node])).await;
    let limit = Duration::from_millis(300);
    let write = Request::post("/a/_doc").timeout(limit);
    let error = library.client.send(write).await.expect_err("it never ends");
    assert!(
        matches!(error.kind(), ErrorKind::Deadline(it) if *it == limit),
        "{error}"
    );
    assert_eq!(error.outcome(), Outcome::Unknown);
    Ok(())
}

#[actix::test]
async fn a_node_that_hangs_costs_a_read_one_attempt_and_a_write_its_deadline() -> TestResult {
    let hung = Scripted::start(|_| Reply::Hang)?;
    let well = Scripted::start(|_| Reply::ok())?;
    let mut settings = settings(&[&hung, &well]);
    let attempt = Duration::from_millis(300);
    settings.timeouts.attempt = attempt;
    settings.node_failure_threshold = 100;
    let library = Library::ready(settings).await;
    let asked = |node: &Scripted, method: &str| {
        let asked = node.asked();
        asked.iter().filter(|it| it.method == method).count()
    };
    let mut overdue = 0;
    for _ in 0..4 {
        let before = (asked(&hung, "GET"), asked(&well, "GET"));
        let began = Instant::now();
        let response = library.client.send(Request::get("/a")).await?;
        assert_eq!(response.node().port(), Some(well.port()));
        let hung = asked(&hung, "GET") - before.0;
        // Once for each attempt at the other, of which a slow machine may need more than one.
        assert!(hung <= asked(&well, "GET") - before.1);
        assert!(began.elapsed() >= attempt * u32::try_from(hung)?);

        let write = Request::post("/a").timeout(attempt);
        if let Err(error) = library.client.send(write).await {
            assert!(matches!(error.kind(), ErrorKind::Deadline(_)), "{error}");
            assert_eq!(error.outcome(), Outcome::Unknown);
            overdue += 1;
        }
    }
    let hung = (asked(&hung, "GET"), asked(&hung, "POST"));
    assert!(hung.0 > 0 && hung.1 <= overdue, "{hung:?}");
    Ok(())
}

#[actix::test]
async fn a_hung_node_is_out_by_its_checks_and_what_was_with_it_is_told() -> TestResult {
    let node = Scripted::start(|_| Reply::Hang)?;
    let mut settings = settings(&[&node]);
    settings.health.interval = Duration::from_millis(100);
    settings.health.timeout = Duration::from_millis(100);
    let library = Library::ready(settings).await;
    let (write, read) = (Request::post("/a/_doc"), Request::get("/a"));
    let (client, other) = (library.client.clone(), library.client.clone());
    let write = actix_rt::spawn(async move { client.send(write).await });
    let read = actix_rt::spawn(async move { other.send(read).await });
    library.until(|it| it.requests == 2).await;
    node.script(|_| Reply::Hang);
    let cause = library.lost().await;
    assert_eq!(cause.kind(), CauseKind::Unhealthy, "{cause}");
    let error = write.await?.expect_err("lost with the link");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    // The read waits for the node, which comes back.
    node.script(|asked| match asked.is_check() {
        true => Reply::healthy(),
        false => Reply::ok(),
    });
    let response = tokio::time::timeout(SOON, read).await???;
    assert_eq!(response.status(), 200);
    let writes = node.asked().iter().filter(|it| it.method == "POST").count();
    assert_eq!(writes, 1);
    Ok(())
}
