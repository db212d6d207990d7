//! What came back: [`Response`].

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use crate::elasticsearch::error::{Error, ErrorKind, Outcome, Result};
use crate::elasticsearch::request::Target;
use crate::endpoint::Endpoint;

/// An answer, whatever its status: 404 and 409 are answers too.
///
/// `Display` and `Debug` show the status and the type of an error, such as `404
/// (index_not_found_exception)`, and nothing of what a server may quote.
#[derive(Clone)]
pub struct Response {
    pub(super) status: u16,
    pub(super) body: Bytes,
    pub(super) retry_after: Option<Duration>,
    pub(super) node: Endpoint,
    /// What was asked.
    pub(super) target: Target,
}

impl Response {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the status is one of 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as it came; empty for `HEAD`.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The node that answered.
    pub fn node(&self) -> &Endpoint {
        &self.node
    }

    /// How long the node asks to be left alone (`Retry-After` in seconds).
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The body as JSON, of a type of your own or a [`Value`].
    ///
    /// # Errors
    /// It is no JSON, or of another shape: *answered*.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // The whole of its text could quote what was read.
            let place = format!(
                "{:?} error at line {}, column {}",
                error.classify(),
                error.line(),
                error.column()
            );
            let error = Error::new(ErrorKind::Json(place.into()), Outcome::Answered);
            error.at(&self.node).of(&self.target.verb())
        })
    }

    /// The type of the error that the body tells, such as `version_conflict_engine_exception`.
    pub fn error_type(&self) -> Option<String> {
        if self.is_success() {
            return None;
        }
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        let kind = body.get("error")?.get("type")?.as_str()?;
        is_word(kind).then(|| kind.to_owned())
    }

    /// Whether the request may have been carried out in part: `_update_by_query`,
    /// `_delete_by_query` and `_reindex` answer with the status of their worst failure (409, 429)
    /// and tell in the body what they have done. Known by the path, or by such a body.
    pub(super) fn may_be_partial(&self) -> bool {
        #[derive(serde::Deserialize)]
        struct Done {
            #[serde(rename = "took")]
            _took: IgnoredAny,
            #[serde(rename = "failures")]
            _failures: IgnoredAny,
        }
        self.target.is_by_parts() || serde_json::from_slice::<Done>(&self.body).is_ok()
    }

    /// Itself if its status is a success, else an error: *refused* for 400 to 499, *unknown* for
    /// everything else. *Unknown* whatever the status for what may have been carried out in part:
    /// `_update_by_query`, `_delete_by_query` and `_reindex`, and whatever else is answered with
    /// `took` and `failures`.
    ///
    /// # Errors
    /// [`ErrorKind::Status`].
    pub fn into_result(self) -> Result<Self> {
        if self.is_success() {
            return Ok(self);
        }
        let outcome = match self.status {
            // The server gave up waiting for the rest of the request, or for itself.
            408 => Outcome::Unknown,
            400..500 if !self.may_be_partial() => Outcome::Refused,
            _ => Outcome::Unknown,
        };
        let (node, verb) = (self.node.clone(), self.target.verb());
        let error = Error::new(ErrorKind::Status(self), outcome);
        Err(error.at(&node).of(&verb))
    }
}

/// The name of an error, and no text that might hold a value.
pub(super) fn is_word(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !text.is_empty() && text.len() <= 100 && text.bytes().all(plain)
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        match self.error_type() {
            Some(kind) => write!(f, " ({kind})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("error_type", &self.error_type())
            .field("bytes", &self.body.len())
            .field("node", &self.node)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elasticsearch::request::Request;

    fn response(status: u16, body: &'static str) -> Response {
        Response {
            status,
            body: Bytes::from_static(body.as_bytes()),
            retry_after: None,
            node: Endpoint::tcp("h", 9200),
            target: Request::put("/p/_doc/hunter2").target().clone(),
        }
    }

    #[test]
    fn an_error_shows_its_type_and_nothing_that_is_quoted() {
        let body = r#"{"error":{"type":"mapper_parsing_exception","reason":"bad [hunter2]"}}"#;
        let error = response(400, body).into_result().expect_err("refused");
        assert_eq!(error.outcome(), Outcome::Refused);
        assert_eq!(
            error.to_string(),
            "PUT _doc at h:9200: answered with 400 (mapper_parsing_exception) (refused)"
        );
        let odd = response(500, r#"{"error":{"type":"hunter2 was bad"}}"#);
        assert_eq!(odd.error_type(), None);
        let error = odd.into_result().expect_err("an error");
        assert_eq!(error.outcome(), Outcome::Unknown);
        assert!(!format!("{error:?} {:#?}", error.kind()).contains("hunter2"));
        let shape = response(200, r#""hunter2""#).json::<u32>();
        let error = shape.expect_err("no number");
        assert_eq!(error.outcome(), Outcome::Answered);
        assert!(!format!("{error:?}").contains("hunter2"), "{error}");
    }
}
