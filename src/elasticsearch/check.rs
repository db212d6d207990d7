//! Is the node well? `GET _cluster/health`, and what its answer means.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::timeout;

use crate::elasticsearch::error::ErrorKind;
use crate::elasticsearch::request::Request;
use crate::elasticsearch::response::Response;
use crate::elasticsearch::settings::{Colour, Health};
use crate::elasticsearch::wire::{Wire, Written};
use crate::exit::{Cause, CauseKind, Class};

const PATH: &str = "_cluster/health?filter_path=status";

#[derive(Deserialize)]
struct Status {
    status: Colour,
}

/// What a check found.
#[derive(Debug)]
pub(super) enum Finding {
    Well,
    /// It is not well, or not there.
    Failed(Cause),
    /// Nothing listens there, or it will not pass by itself: there is no use in asking again.
    Gone(Cause),
}

/// Asks once; a second time over a new connection where the first was lost.
pub(super) async fn check(wire: &Wire, health: Health) -> Finding {
    let limit = health.timeout;
    let Ok(asked) = timeout(limit, ask(wire, health)).await else {
        return Finding::Failed(late(limit));
    };
    match asked {
        Ok(()) => Finding::Well,
        Err(cause) => match cause.kind() {
            CauseKind::Refused => Finding::Gone(cause),
            _ if cause.class() == Class::Permanent => Finding::Gone(cause),
            _ => Finding::Failed(cause),
        },
    }
}

fn late(limit: Duration) -> Cause {
    Cause::new(CauseKind::Unhealthy, format!("no answer within {limit:?}"))
}

/// # Errors
/// Why it is not well.
pub(super) async fn ask(wire: &Wire, health: Health) -> Result<(), Cause> {
    let request = Request::get(PATH);
    let written = Written::default();
    let mut answer = wire.carry(&request, &written).await;
    if let Err(fault) = &answer
        && fault
            .cause()
            .is_some_and(|it| it.class() == Class::Transient)
    {
        answer = wire.carry(&request, &written).await;
    }
    match answer {
        Ok(response) => judge(&response, health.at_least),
        Err(fault) => Err(match fault.kind {
            ErrorKind::Lost(cause) => cause,
            other => Cause::new(CauseKind::Protocol, other.to_string()),
        }),
    }
}

/// Not the server's words: a page that it answers with is no reason.
fn judge(response: &Response, at_least: Colour) -> Result<(), Cause> {
    let answered = format!("the check was answered with {response}");
    match response.status() {
        // 408 says that a state that was waited for did not come; its body tells the present one.
        200 | 408 => {}
        401 | 403 | 407 => return Err(Cause::new(CauseKind::Denied, answered)),
        // Credentials go only to where the configuration says.
        300..=399 => return Err(Cause::new(CauseKind::Misconfigured, answered)),
        // It says so itself: it is there, and only has too much to do.
        429 => return Ok(()),
        _ => return Err(Cause::new(CauseKind::Unavailable, answered)),
    }
    let status = response.json::<Status>().map_err(|_| {
        let what = "the check was answered with something else than the health of a cluster";
        Cause::new(CauseKind::Protocol, what)
    })?;
    if status.status >= at_least {
        return Ok(());
    }
    let what = format!("the cluster is {:?}", status.status).to_lowercase();
    Err(Cause::new(CauseKind::Unavailable, what))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::endpoint::Endpoint;

    fn found(status: u16, body: &'static str, at_least: Colour) -> Option<CauseKind> {
        let response = Response {
            status,
            body: Bytes::from_static(body.as_bytes()),
            retry_after: None,
            node: Endpoint::tcp("h", 1),
            target: Request::get(PATH).target().clone(),
        };
        judge(&response, at_least).err().map(|cause| cause.kind())
    }

    #[test]
    fn yellow_is_healthy_unless_asked_otherwise() {
        let yellow = r#"{"status":"yellow"}"#;
        let red = r#"{"status":"red"}"#;
        assert_eq!(found(200, yellow, Colour::default()), None);
        assert_eq!(found(200, r#"{"status":"green"}"#, Colour::Green), None);
        let unavailable = Some(CauseKind::Unavailable);
        assert_eq!(found(200, yellow, Colour::Green), unavailable);
        assert_eq!(found(200, red, Colour::Yellow), unavailable);
        assert_eq!(found(200, red, Colour::Red), None);
    }

    #[test]
    fn the_status_decides_what_follows() {
        for (status, kind) in [
            (401, Some(CauseKind::Denied)),
            (403, Some(CauseKind::Denied)),
            (302, Some(CauseKind::Misconfigured)),
            (429, None),
            (503, Some(CauseKind::Unavailable)),
            (404, Some(CauseKind::Unavailable)),
            (200, Some(CauseKind::Protocol)),
        ] {
            assert_eq!(found(status, "<html>", Colour::Yellow), kind, "{status}");
        }
    }
}
