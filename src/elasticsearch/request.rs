//! What is asked: [`Request`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::elasticsearch::error::{Error, ErrorKind, Result};

/// The method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
}

impl Method {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// The names that are shown.
const APIS: [&str; 45] = [
    "_alias",
    "_aliases",
    "_analyze",
    "_async_search",
    "_bulk",
    "_cat",
    "_close",
    "_cluster",
    "_component_template",
    "_count",
    "_create",
    "_data_stream",
    "_delete_by_query",
    "_doc",
    "_explain",
    "_field_caps",
    "_flush",
    "_forcemerge",
    "_ilm",
    "_index_template",
    "_ingest",
    "_mapping",
    "_mget",
    "_msearch",
    "_nodes",
    "_open",
    "_pit",
    "_plugins",
    "_refresh",
    "_reindex",
    "_rollover",
    "_scripts",
    "_search",
    "_security",
    "_settings",
    "_snapshot",
    "_source",
    "_sql",
    "_stats",
    "_tasks",
    "_template",
    "_termvectors",
    "_update",
    "_update_by_query",
    "_validate",
];

/// A request: method, path and body. Cheap to clone.
///
/// ```
/// use everlink::elasticsearch::Request;
/// use serde_json::json;
///
/// let search = Request::post("/books/_search")
///     .json(json!({"query": {"match": {"title": "rust"}}}))
///     .idempotent();
/// assert_eq!(search.verb(), "POST _search");
/// ```
#[derive(Clone)]
pub struct Request {
    target: Target,
    body: Bytes,
    lines: bool,
    idempotent: bool,
    timeout: Option<Duration>,
}

impl Request {
    /// A request without a body. The path may have a query; special characters in either stand as
    /// `%2F`. It is appended to the URL of the node, and never leads to another host.
    pub fn new(method: Method, path: impl AsRef<str>) -> Self {
        let path = path.as_ref().into();
        Self {
            target: Target { method, path },
            body: Bytes::new(),
            lines: false,
            idempotent: false,
            timeout: None,
        }
    }

    /// `GET`; it may have a body here.
    pub fn get(path: impl AsRef<str>) -> Self {
        Self::new(Method::Get, path)
    }

    /// `HEAD`.
    pub fn head(path: impl AsRef<str>) -> Self {
        Self::new(Method::Head, path)
    }

    /// `POST`.
    pub fn post(path: impl AsRef<str>) -> Self {
        Self::new(Method::Post, path)
    }

    /// `PUT`.
    pub fn put(path: impl AsRef<str>) -> Self {
        Self::new(Method::Put, path)
    }

    /// `DELETE`.
    pub fn delete(path: impl AsRef<str>) -> Self {
        Self::new(Method::Delete, path)
    }

    /// With this body.
    #[must_use]
    pub fn json(self, body: Value) -> Self {
        self.body(body.to_string())
    }

    /// With this body, which is JSON already.
    #[must_use]
    pub fn body(mut self, json: impl Into<Bytes>) -> Self {
        self.body = json.into();
        self.lines = false;
        self
    }

    /// With this body of JSON lines (`application/x-ndjson`).
    #[must_use]
    pub fn lines(mut self, lines: impl Into<Bytes>) -> Self {
        self.body = lines.into();
        self.lines = true;
        self
    }

    /// May be carried out twice without harm: it is then repeated on another node where it was
    /// written and not answered. `GET` and `HEAD` are idempotent without this. A search by `POST`
    /// is; so is storing a document under an id of its own, if nobody minds that its version
    /// counts twice. Everything else is not.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// A deadline of its own, from the call, repetitions and waiting included. Default
    /// `timeouts.request`.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.target.method
    }

    /// Whether it may be repeated.
    pub fn is_idempotent(&self) -> bool {
        self.idempotent || matches!(self.target.method, Method::Get | Method::Head)
    }

    /// Method and API, for people: no index, no document, no query is shown. Of an API that is
    /// not among the usual ones only the method: its name may be that of a document.
    pub fn verb(&self) -> String {
        self.target.verb()
    }

    /// What its answer should remember of it.
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn path(&self) -> &str {
        self.target.path.trim_start_matches('/')
    }

    pub(super) fn content(&self) -> &Bytes {
        &self.body
    }

    pub(super) fn content_type(&self) -> &'static str {
        match self.lines {
            true => "application/x-ndjson",
            false => "application/json",
        }
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.timeout
    }

    /// What it takes in memory, about.
    pub(super) fn weight(&self) -> usize {
        self.body.len() + self.target.path.len()
    }

    /// Whether it can be sent at all.
    pub(super) fn check(&self) -> Result<()> {
        let wrong = |why: &str| Err(Error::not_sent(ErrorKind::Request(why.into())));
        let path = &self.target.path;
        if path.contains(|c: char| c.is_control() || c == ' ') {
            return wrong("a path must have no spaces and no control characters");
        }
        if path.contains(['#', '\\']) {
            return wrong("a path must have no # and no backslash; write %23 and %5C");
        }
        let path = path.split('?').next().unwrap_or_default();
        let dots = |part: &str| {
            matches!(
                part.to_ascii_lowercase().as_str(),
                "." | ".." | "%2e" | "%2e%2e" | ".%2e" | "%2e."
            )
        };
        if path.split('/').any(dots) {
            return wrong("a path must have no parts . and ..");
        }
        if self.timeout.is_some_and(|it| it.is_zero()) {
            return wrong("a timeout must be longer than zero");
        }
        Ok(())
    }
}

/// Method and path, without the body.
#[derive(Clone)]
pub(super) struct Target {
    method: Method,
    path: Arc<str>,
}

impl Target {
    /// As [`Request::verb`].
    pub(super) fn verb(&self) -> String {
        let path = self.path.split(['?', '#']).next().unwrap_or_default();
        let api = path.split('/').rfind(|part| APIS.contains(part));
        match api {
            Some(api) => format!("{} {api}", self.method.as_str()),
            None => self.method.as_str().to_owned(),
        }
    }

    /// It may be carried out in part, and then be answered by an error.
    pub(super) fn is_by_parts(&self) -> bool {
        let path = self.path.split('?').next().unwrap_or_default();
        let path = path.trim_end_matches('/');
        path.ends_with("_by_query") || path.ends_with("_reindex")
    }
}

/// Without path and body.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("verb", &self.verb())
            .field("bytes", &self.body.len())
            .field("idempotent", &self.is_idempotent())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_method_and_api_and_nothing_else() {
        for (path, shown) in [
            ("/people/_doc/hunter2?routing=x", "GET _doc"),
            ("_cluster/health", "GET _cluster"),
            ("/people/_doc/_Hunter2/", "GET _doc"),
            ("/people/_doc/_hunter", "GET _doc"),
            ("/_hunter", "GET"),
            ("people", "GET"),
            ("/a/_update_by_query", "GET _update_by_query"),
        ] {
            assert_eq!(Request::get(path).verb(), shown);
        }
        let shown = format!("{:?}", Request::put("/p/_doc/hunter2").body("hunter2"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_path_that_could_lead_elsewhere_is_refused() {
        for path in ["a b", "a\nb", "a/../b", "/%2E%2e/x", "a\\b", "a#b"] {
            let error = Request::get(path).check().expect_err(path);
            assert!(matches!(error.kind(), ErrorKind::Request(_)), "{error}");
        }
        Request::get("//a/_doc/x..y?q=..").check().expect("a path");
    }

    #[test]
    fn only_reads_and_what_is_marked_may_be_repeated() {
        assert!(Request::get("/").is_idempotent() && Request::head("/").is_idempotent());
        for request in [Request::post("/"), Request::put("/"), Request::delete("/")] {
            assert!(!request.is_idempotent());
            assert!(request.idempotent().is_idempotent());
        }
    }
}
