//! What an answer leaves open, what waits, and what a node is not to blame for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use everlink::elasticsearch::{ErrorKind, Outcome, Request};

use crate::library::{Library, TestResult};
use crate::scripted::{Reply, Scripted, settings};

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
