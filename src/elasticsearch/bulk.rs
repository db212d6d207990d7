//! Many writes in one request: [`Bulk`], and what became of each: [`BulkAnswer`].

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::elasticsearch::error::Outcome;
use crate::elasticsearch::request::Request;
use crate::elasticsearch::response::is_word;

/// Writes for `_bulk`, carried out one by one by the server: some may fail while others succeed.
///
/// ```
/// use everlink::elasticsearch::Bulk;
/// use serde_json::json;
///
/// let bulk = Bulk::into_index("books")
///     .create("b1", json!({"title": "Rust"}))
///     .delete("b2");
/// assert_eq!(bulk.len(), 2);
/// ```
#[derive(Clone, Default)]
pub struct Bulk {
    index: Option<String>,
    lines: Vec<u8>,
    len: usize,
    idempotent: bool,
    query: String,
}

impl Bulk {
    /// Writes that each name their index in their action.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes into one index, unless their action names another.
    pub fn into_index(index: impl Into<String>) -> Self {
        Self {
            index: Some(index.into()),
            ..Self::default()
        }
    }

    /// Stores a document under this id, in place of one that is there.
    #[must_use]
    pub fn index(self, id: &str, document: Value) -> Self {
        self.action("index", id, Some(document))
    }

    /// Stores a document under this id, unless one is there: then its item has status 409. What is
    /// created twice is one document.
    #[must_use]
    pub fn create(self, id: &str, document: Value) -> Self {
        self.action("create", id, Some(document))
    }

    /// Changes a document: `{"doc": …}` or `{"script": …}`.
    #[must_use]
    pub fn update(self, id: &str, change: Value) -> Self {
        self.action("update", id, Some(change))
    }

    /// Deletes a document.
    #[must_use]
    pub fn delete(self, id: &str) -> Self {
        self.action("delete", id, None)
    }

    /// Any other action, with what the server takes beside the id (`_index`, `routing`,
    /// `if_seq_no`, …).
    #[must_use]
    pub fn with(
        mut self,
        action: &str,
        about: Map<String, Value>,
        document: Option<Value>,
    ) -> Self {
        let mut line = Map::new();
        line.insert(action.to_owned(), Value::Object(about));
        self.line(&Value::Object(line));
        if let Some(document) = document {
            self.line(&document);
        }
        self.len += 1;
        self
    }

    fn action(self, action: &str, id: &str, document: Option<Value>) -> Self {
        let mut about = Map::new();
        about.insert("_id".to_owned(), Value::from(id));
        self.with(action, about, document)
    }

    fn line(&mut self, value: &Value) {
        self.lines.extend_from_slice(value.to_string().as_bytes());
        self.lines.push(b'\n');
    }

    /// May be carried out twice without harm, as a whole: see [`Request::idempotent`].
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// The query of the request, such as `refresh=wait_for`.
    #[must_use]
    pub fn query(mut self, query: impl Into<String>) -> Self {
        self.query = query.into();
        self
    }

    /// How many writes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none: the server refuses that.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The request that it makes.
    pub fn into_request(self) -> Request {
        let index = self.index.map(|index| format!("{}/", encoded(&index)));
        let mark = if self.query.is_empty() { "" } else { "?" };
        let path = format!("{}_bulk{mark}{}", index.unwrap_or_default(), self.query);
        let request = Request::post(path).lines(self.lines);
        match self.idempotent {
            true => request.idempotent(),
            false => request,
        }
    }
}

/// One part of a path.
fn encoded(part: &str) -> String {
    let mut text = String::with_capacity(part.len());
    for byte in part.bytes() {
        match byte.is_ascii_alphanumeric() || b"-_.,*+".contains(&byte) {
            true => text.push(char::from(byte)),
            false => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

impl fmt::Debug for Bulk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bulk")
            .field("len", &self.len)
            .field("bytes", &self.lines.len())
            .field("idempotent", &self.idempotent)
            .finish_non_exhaustive()
    }
}

/// What became of each write of a [`Bulk`], in the order in which they were given.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BulkAnswer {
    /// One for each write.
    pub items: Vec<BulkItem>,
}

impl BulkAnswer {
    /// Whether every write succeeded.
    pub fn all_succeeded(&self) -> bool {
        self.items.iter().all(BulkItem::is_success)
    }

    /// The writes that failed, each with its place in the [`Bulk`]. So counts the deletion of a
    /// document that is not there, with status 404, as it does alone; the server's own `errors`
    /// leaves it out.
    pub fn failed(&self) -> impl Iterator<Item = (usize, &BulkItem)> {
        let items = self.items.iter().enumerate();
        items.filter(|(_, item)| !item.is_success())
    }
}

/// What became of one write.
#[derive(Clone)]
#[non_exhaustive]
pub struct BulkItem {
    /// `index`, `create`, `update` or `delete`.
    pub action: String,
    /// The index that it went to.
    pub index: String,
    /// The id of the document, if it got that far.
    pub id: Option<String>,
    /// The HTTP status that it would have had alone.
    pub status: u16,
    /// What was done, such as `created`.
    pub result: Option<String>,
    /// The number of the operation in its shard: each write that was carried out has one.
    pub seq_no: Option<u64>,
    /// The term of the primary that gave the number.
    pub primary_term: Option<u64>,
    /// The type of the error, such as `version_conflict_engine_exception`.
    pub error: Option<String>,
    /// What the server says of the error; it may quote the document.
    pub reason: Option<String>,
}

impl BulkItem {
    /// Whether its status is one of 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What became of it, if it failed: *refused* for 400 to 499, *unknown* for everything else.
    pub fn outcome(&self) -> Option<Outcome> {
        match self.status {
            200..300 => None,
            400..500 => Some(Outcome::Refused),
            _ => Some(Outcome::Unknown),
        }
    }
}

/// Without id and reason.
impl fmt::Debug for BulkItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BulkItem")
            .field("action", &self.action)
            .field("status", &self.status)
            .field("result", &self.result)
            .field("seq_no", &self.seq_no)
            .field("error", &self.error.as_deref().filter(|it| is_word(it)))
            .finish_non_exhaustive()
    }
}

/// As the server writes it.
#[derive(Deserialize)]
pub(super) struct Written {
    items: Vec<Map<String, Value>>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "_index", default)]
    index: String,
    #[serde(rename = "_id")]
    id: Option<String>,
    status: u16,
    result: Option<String>,
    #[serde(rename = "_seq_no")]
    seq_no: Option<i64>,
    #[serde(rename = "_primary_term")]
    primary_term: Option<i64>,
    error: Option<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    #[serde(rename = "type")]
    kind: Option<String>,
    reason: Option<String>,
}

impl Written {
    /// One item for each of `expected` writes; else none.
    pub(super) fn into_answer(self, expected: usize) -> Option<BulkAnswer> {
        if self.items.len() != expected {
            return None;
        }
        let items: Option<Vec<_>> = self.items.into_iter().map(item).collect();
        Some(BulkAnswer { items: items? })
    }
}

fn item(written: Map<String, Value>) -> Option<BulkItem> {
    let (action, about) = written.into_iter().next()?;
    let item: Item = serde_json::from_value(about).ok()?;
    // Where none was given it says -2 and 0.
    let given = |number: Option<i64>| number.and_then(|it| u64::try_from(it).ok());
    let (error, reason) = match item.error {
        Some(error) => (error.kind, error.reason),
        None => (None, None),
    };
    Some(BulkItem {
        action,
        index: item.index,
        id: item.id,
        status: item.status,
        result: item.result,
        seq_no: given(item.seq_no),
        primary_term: given(item.primary_term),
        error,
        reason,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_write_is_an_action_and_a_document_in_a_line_each() {
        let bulk = Bulk::into_index("a/b")
            .index("1", json!({"n": 1, "text": "two\nlines"}))
            .delete("2\"")
            .query("refresh=true");
        let request = bulk.into_request();
        assert_eq!(request.path(), "a%2Fb/_bulk?refresh=true");
        assert_eq!(request.verb(), "POST _bulk");
        assert!(!request.is_idempotent());
        let text = std::str::from_utf8(request.content())
            .expect("text")
            .to_owned();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(
            lines,
            [
                json!({"index": {"_id": "1"}}),
                json!({"n": 1, "text": "two\nlines"}),
                json!({"delete": {"_id": "2\""}}),
            ]
        );
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn the_answer_tells_what_became_of_each() {
        let body = json!({"took": 3, "errors": true, "items": [
            {"create": {"_index": "a", "_id": "1", "_seq_no": 7, "_primary_term": 1,
                "result": "created", "status": 201}},
            {"create": {"_index": "a", "_id": "2", "status": 409,
                "error": {"type": "version_conflict_engine_exception", "reason": "[hunter2]"}}},
            {"index": {"_index": "a", "_id": "3", "status": 429, "error": {"type": "busy"}}},
            {"index": {"_index": "a", "_id": "4", "_seq_no": -2, "status": 500, "error": {}}},
        ]});
        let written: Written = serde_json::from_value(body.clone()).expect("the shape");
        let answer = written.into_answer(4).expect("four");
        assert!(!answer.all_succeeded());
        assert_eq!(answer.items[0].seq_no, Some(7));
        let failed: Vec<_> = answer
            .failed()
            .map(|(at, item)| (at, item.outcome()))
            .collect();
        let (refused, unknown) = (Some(Outcome::Refused), Some(Outcome::Unknown));
        assert_eq!(failed, [(1, refused), (2, refused), (3, unknown)]);
        assert_eq!(answer.items[3].seq_no, None);
        assert!(!format!("{answer:?}").contains("hunter2"));
        let written: Written = serde_json::from_value(body).expect("the shape");
        assert!(written.into_answer(3).is_none());
    }
}
