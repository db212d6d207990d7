//! What a node answers, and what becomes of the request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix::Actor;
use everlink::elasticsearch::{Ask, Bulk, ErrorKind, Outcome, Request, Search};
use everlink::exit::CauseKind;
use everlink::secret::Secret;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::library::{Library, SOON, TestResult};
use crate::scripted::{Reply, Scripted, settings};

#[actix::test]
async fn method_path_and_body_go_out_and_status_and_json_come_back() -> TestResult {
    let node = Scripted::start(|asked| match asked.method.as_str() {
        "HEAD" => Reply::status(404),
        _ => Reply::body(r#"{"found":[1,2]}"#),
    })?;
    let mut settings = settings(&[&node]);
    settings.username = Some("kim".to_owned());
    settings.password = Some(Secret::from("hunter2"));
    let library = Library::ready(settings).await;
    let search = Request::post("/books/_search?size=1").json(json!({"q": 1}));
    let response = library.client.send(search).await?;
    assert_eq!(response.status(), 200);
    assert_eq!(response.json::<Value>()?, json!({"found": [1, 2]}));
    assert_eq!(response.node().port(), Some(node.port()));
    let gone = library.client.send(Request::head("books")).await?;
    assert_eq!((gone.status(), gone.body().len()), (404, 0));
    let door = Search::new(library.client.clone()).start();
    let answered = door
        .send(Ask::new(Request::delete("books/_doc/1")))
        .await??;
    assert_eq!(answered.status(), 200);

    let asked = node.asked();
    let lines: Vec<_> = asked
        .iter()
        .map(|it| (it.method.as_str(), it.path.as_str(), it.body.as_str()))
        .collect();
    assert_eq!(
        lines,
        [
            ("POST", "/books/_search?size=1", r#"{"q":1}"#),
            ("HEAD", "/books", ""),
            ("DELETE", "/books/_doc/1", ""),
        ]
    );
    let head = asked[0].head.to_lowercase();
    assert!(
        head.contains("content-type: application/json\r\n"),
        "{head}"
    );
    // An empty body is said to be one.
    let head_of_delete = asked[2].head.to_lowercase();
    assert!(
        head_of_delete.contains("content-length: 0\r\n"),
        "{head_of_delete}"
    );
    assert!(asked[0].head.contains("Basic a2ltOmh1bnRlcjI="), "{head}");
    let shown = format!("{:?} {:?}", library.client, library.events());
    assert!(!shown.contains("hunter2"), "{shown}");
    // All over one connection.
    assert_eq!(asked.last().map(|it| it.connection), Some(0));
    Ok(())
}

#[actix::test]
async fn an_api_key_is_sent_encoded_whichever_form_it_was_given_in() -> TestResult {
    let node = Scripted::start(|_| Reply::ok())?;
    for (given, sent) in [
        ("id:key", "ApiKey aWQ6a2V5"),
        ("aWQ6a2V5", "ApiKey aWQ6a2V5"),
    ] {
        let mut settings = settings(&[&node]);
        settings.api_key = Some(Secret::from(given));
        let library = Library::ready(settings).await;
        library.client.send(Request::get("/")).await?;
        let asked = node.asked();
        let head = &asked.last().expect("one").head;
        assert!(
            head.contains(&format!("authorization: {sent}\r\n")),
            "{head}"
        );
    }
    Ok(())
}

#[actix::test]
async fn every_status_is_an_answer_and_into_result_says_what_it_means() -> TestResult {
    let node = Scripted::start(|asked| {
        let status = asked
            .path
            .trim_start_matches('/')
            .parse()
            .expect("a status");
        Reply::Answer(
            status,
            "",
            r#"{"error":{"type":"some_exception"}}"#.to_owned(),
        )
    })?;
    let library = Library::ready(settings(&[&node])).await;
    for (status, outcome) in [
        (400, Outcome::Refused),
        (403, Outcome::Refused),
        (404, Outcome::Refused),
        (409, Outcome::Refused),
        (500, Outcome::Unknown),
    ] {
        let request = Request::put(status.to_string());
        let response = library.client.send(request).await?;
        assert_eq!(response.status(), status);
        let error = response.into_result().expect_err("no success");
        assert_eq!(error.outcome(), outcome, "{error}");
        let shown = error.to_string();
        let place = format!("PUT at 127.0.0.1:{}: answered with {status}", node.port());
        assert!(shown.starts_with(&place), "{shown}");
        assert!(shown.contains("some_exception"), "{shown}");
    }
    // A redirect is not followed.
    assert_eq!(
        library.client.send(Request::get("302")).await?.status(),
        302
    );
    assert_eq!(node.asked().len(), 6);
    assert_eq!(library.client.statistics().up, 1);
    Ok(())
}

#[actix::test]
async fn refused_credentials_fail_the_request_and_park_the_link() -> TestResult {
    let node = Scripted::start(|_| Reply::ok())?;
    let library = Library::ready(settings(&[&node])).await;
    // Revoked while it is up.
    node.script(|_| Reply::status(401));
    let error = library
        .client
        .send(Request::get("/"))
        .await
        .expect_err("401");
    assert!(matches!(error.kind(), ErrorKind::Denied(_)), "{error}");
    assert_eq!(error.outcome(), Outcome::Refused);
    library.told("gave_up", 1).await;
    let error = library
        .client
        .send(Request::get("/"))
        .await
        .expect_err("parked");
    assert_eq!(error.outcome(), Outcome::NotSent);
    let cause = error.cause().map(everlink::exit::Cause::kind);
    assert_eq!(cause, Some(CauseKind::Denied), "{error}");
    let not_ready = library.client.ready(SOON).await.expect_err("parked");
    assert!(not_ready.to_string().contains("denied"), "{not_ready}");
    let expected = ["connecting", "connected", "disconnected", "gave_up"];
    assert_eq!(library.names_at(node.port()), expected);

    // The right ones now: by a new configuration, on another port.
    let other = Scripted::start(|_| Reply::ok())?;
    let mut right = settings(&[&other]);
    right.api_key = Some(Secret::from("right"));
    library.client.reconfigure(right).await?;
    library.client.ready(SOON).await?;
    library
        .client
        .send(Request::get("/"))
        .await?
        .into_result()?;
    assert!(other.asked()[0].head.contains("ApiKey right"));
    Ok(())
}

#[actix::test]
async fn wrong_credentials_park_the_link_at_the_first_attempt() -> TestResult {
    for status in [401, 403] {
        let node = Scripted::raw(move |_| Reply::status(status))?;
        let library = Library::open(settings(&[&node])).await;
        library.told("gave_up", 1).await;
        let expected = ["connecting", "connect_failed", "gave_up"];
        assert_eq!(library.names_at(node.port()), expected);
        assert_eq!(node.checks().len(), 1);
    }
    Ok(())
}

#[actix::test]
async fn a_busy_node_rests_as_long_as_it_asks_and_the_request_goes_to_another() -> TestResult {
    for status in [429, 503] {
        let busy = Scripted::start(move |_| {
            Reply::Answer(status, "retry-after: 30\r\n", "{}".to_owned())
        })?;
        let well = Scripted::start(|_| Reply::ok())?;
        let library = Library::ready(settings(&[&busy, &well])).await;
        for _ in 0..10 {
            // 429 refuses a write, too; after 503 only a read may be repeated.
            let request = match status {
                429 => Request::post("/books/_doc"),
                _ => Request::get("/books"),
            };
            library.client.send(request).await?.into_result()?;
        }
        assert_eq!(busy.asked().len(), 1, "{status}");
        assert_eq!(well.asked().len(), 10);
        assert_eq!(library.client.statistics().up, 2);
    }
    Ok(())
}

#[actix::test]
async fn a_request_waits_out_the_rest_that_its_only_node_asks_for() -> TestResult {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let node = Scripted::start(move |_| match counted.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::Answer(429, "retry-after: 1\r\n", "{}".to_owned()),
        1 => Reply::status(429),
        _ => Reply::ok(),
    })?;
    let library = Library::ready(settings(&[&node])).await;
    let began = Instant::now();
    library
        .client
        .send(Request::post("/a/_doc"))
        .await?
        .into_result()?;
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(count.load(Ordering::SeqCst), 3);

    // It asks for more time than the request has.
    node.script(|_| Reply::Answer(429, "retry-after: 30\r\n", "{}".to_owned()));
    let request = Request::post("/a/_doc").timeout(Duration::from_secs(5));
    let began = Instant::now();
    let error = library.client.send(request).await.expect_err("busy");
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "it does not wait in vain"
    );
    assert!(matches!(error.kind(), ErrorKind::Busy(_)), "{error}");
    assert_eq!(error.outcome(), Outcome::Refused);
    let asked = error.response().and_then(|it| it.retry_after());
    assert_eq!(asked, Some(Duration::from_secs(30)));
    // Nor does one that was never there, and it says why.
    let request = Request::post("/a/_doc").timeout(Duration::from_secs(5));
    let error = library.client.send(request).await.expect_err("it rests");
    assert!(matches!(error.kind(), ErrorKind::NoNode { .. }), "{error}");
    assert!(error.to_string().contains("left alone"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(4), "it does not wait");
    Ok(())
}

#[actix::test]
async fn a_write_that_a_node_answers_with_503_is_of_unknown_outcome() -> TestResult {
    let busy = Scripted::start(|_| Reply::status(503))?;
    let library = Library::ready(settings(&[&busy])).await;
    let error = library
        .client
        .send(Request::post("/a/_doc"))
        .await
        .expect_err("503");
    assert!(matches!(error.kind(), ErrorKind::Busy(_)), "{error}");
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert_eq!(busy.asked().len(), 1);
    // A read is repeated, and no more often than allowed.
    let error = library
        .client
        .send(Request::get("/a"))
        .await
        .expect_err("503");
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert_eq!(busy.asked().len(), 5);
    Ok(())
}

/// Longer than the check may be, and without an end.
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n40\r\n\
    0123456789012345678901234567890123456789012345678901234567890123\r\n";

#[actix::test]
async fn an_answer_larger_than_the_limit_is_an_error_and_the_node_stays() -> TestResult {
    let node = Scripted::start(|asked| match asked.path.as_str() {
        "/announced" => Reply::body("x".repeat(51)),
        "/chunked" => Reply::Raw(CHUNKED),
        _ => Reply::body("x".repeat(50)),
    })?;
    let mut settings = settings(&[&node]);
    settings.limits.answer = 50;
    let library = Library::ready(settings).await;
    let fits = library.client.send(Request::get("/fits")).await?;
    assert_eq!(fits.body().len(), 50);
    for path in ["/announced", "/chunked"] {
        let error = library
            .client
            .send(Request::get(path))
            .await
            .expect_err(path);
        assert!(matches!(error.kind(), ErrorKind::TooLarge(_)), "{error}");
        assert_eq!(error.outcome(), Outcome::Answered);
    }
    assert_eq!(library.client.statistics().up, 1);
    assert_eq!(library.names_at(node.port()), ["connecting", "connected"]);
    Ok(())
}

#[actix::test]
async fn a_bulk_tells_what_became_of_each_write() -> TestResult {
    let node = Scripted::start(|asked| {
        let writes = asked.body.lines().count() / 2;
        let item =
            r#"{"create":{"_index":"a","_id":"1","status":201,"_seq_no":0,"result":"created"}}"#;
        let conflict = r#"{"create":{"_index":"a","_id":"2","status":409,"error":{"type":"version_conflict_engine_exception"}}}"#;
        Reply::body(match writes {
            2 => format!(r#"{{"errors":true,"items":[{item},{conflict}]}}"#),
            _ => r#"{"errors":false,"items":[]}"#.to_owned(),
        })
    })?;
    let library = Library::ready(settings(&[&node])).await;
    let bulk = Bulk::into_index("a")
        .create("1", json!({}))
        .create("2", json!({}));
    let answer = library.client.bulk(bulk).await?;
    let failed: Vec<_> = answer
        .failed()
        .map(|(at, item)| (at, item.status))
        .collect();
    assert_eq!(failed, [(1, 409)]);
    let asked = node.asked();
    assert!(
        asked[0]
            .head
            .to_lowercase()
            .contains("application/x-ndjson")
    );
    // An answer with fewer items than writes is not taken for success.
    let short = library
        .client
        .bulk(Bulk::into_index("a").create("1", json!({})))
        .await;
    assert_eq!(short.expect_err("short").outcome(), Outcome::Answered);
    Ok(())
}

#[actix::test]
async fn what_may_wait_is_bounded_in_number_and_bytes() -> TestResult {
    let node = Scripted::start(|_| Reply::Hang)?;
    let mut settings = settings(&[&node]);
    settings.limits.requests = 2;
    settings.limits.bytes = 1_000;
    let library = Library::ready(settings).await;
    let large = Request::post("/a").body(vec![b'x'; 5_000]);
    // One that is alone fits.
    let first = actix_rt::spawn({
        let client = library.client.clone();
        async move { client.send(large).await }
    });
    library
        .until(|it| it.requests == 1 && it.bytes > 5_000)
        .await;
    let error = library
        .client
        .send(Request::get("/a"))
        .await
        .expect_err("bytes");
    assert!(
        matches!(error.kind(), ErrorKind::QueueFull { requests: 1, .. }),
        "{error}"
    );
    assert_eq!(error.outcome(), Outcome::NotSent);
    // A caller that goes away leaves its place.
    first.abort();
    library.until(|it| it.requests == 0 && it.bytes == 0).await;
    Ok(())
}
