//! Elasticsearch and OpenSearch: a cluster of nodes, each a supervised link, on the HTTP client
//! `reqwest`. A thin door, no query builder.
//!
//! ```no_run
//! use everlink::elasticsearch::{Bulk, ElasticClient, ElasticSettings, Request};
//! use serde_json::{Value, json};
//! use std::time::Duration;
//!
//! # async fn example() -> everlink::elasticsearch::Result<()> {
//! let nodes = ["http://app:secret@10.0.0.1:9200", "http://10.0.0.2:9200"];
//! let client = ElasticClient::open(ElasticSettings::from_urls(nodes)?)?;
//! client.ready(Duration::from_secs(5)).await.expect("a node");
//! let books = Bulk::into_index("books").create("b1", json!({"title": "Rust"}));
//! let written = client.bulk(books).await?;
//! assert!(written.all_succeeded());
//! let query = json!({"query": {"match": {"title": "rust"}}});
//! let search = Request::post("/books/_search").json(query).idempotent();
//! let found: Value = client.send(search).await?.into_result()?.json()?;
//! # let _ = found;
//! # Ok(())
//! # }
//! ```
//!
//! `docs/elasticsearch.md` tells what is promised.
//!
//! | file | concept |
//! | --- | --- |
//! | `settings`, `url` | what can be set, its defaults and bounds |
//! | `error` | what can go wrong, and what became of the request |
//! | `request`, `response` | what is asked, and what came back |
//! | `bulk` | many writes in one request, and what became of each |
//! | `rotation` | whose turn it is |
//! | `wire` | the HTTP client of one node, and what its failures prove |
//! | `check` | is the node well? |
//! | `node` | one node, as its link and the callers share it |
//! | `cluster` | what all nodes and requests share |
//! | `pump` | one life of a link: carries requests, checks, ends when the node is out |
//! | `connection` | the backend, and what makes a life of it |
//! | `call` | one request: finds a node, and another where that is safe |
//! | `members`, `sniffed` | the links, and which nodes there are |
//! | `keeper` | the client's own task |
//! | `client`, `door` | the handle, and the actor |

mod bulk;
mod call;
mod check;
mod client;
mod cluster;
mod connection;
mod door;
mod error;
mod keeper;
mod members;
mod node;
mod pump;
mod request;
mod response;
mod rotation;
mod settings;
mod sniffed;
mod url;
mod wire;

pub use bulk::{Bulk, BulkAnswer, BulkItem};
pub use client::ElasticClient;
pub use cluster::Statistics;
pub use connection::NodeBackend;
pub use door::{Ask, Search};
pub use error::{Error, ErrorKind, Outcome, Result};
pub use request::{Method, Request};
pub use response::Response;
pub use settings::{Colour, ElasticSettings, Health, Limits, Sniff, Timeouts};
pub use url::NodeUrl;
