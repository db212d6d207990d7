//! Supervised, self-healing connections for actix applications: clients for Redis and Redis / Valkey
//! Cluster, MySQL and MariaDB, Elasticsearch and OpenSearch, WebSocket feeds, connections of a kind
//! of your own, and a manager for all of them.
//!
//! Every connection is an actor that lives exactly as long as its socket. A supervisor actor owns
//! it and starts a new one, after exponential backoff with jitter, each time it ends. A registry
//! actor keeps the status of every link and tells subscribed actors what happens.
//!
//! ```no_run
//! use everlink::redis::{Client, Config, cmd};
//!
//! # async fn example() -> everlink::redis::Result<()> {
//! let client = Client::open(Config::from_url("redis-cluster://127.0.0.1:7000")?).await?;
//! client.query::<()>(cmd("SET").arg("greeting").arg("hello")).await?;
//! let greeting: String = client.query(cmd("GET").arg("greeting")).await?;
//! assert_eq!(greeting, "hello");
//! # Ok(())
//! # }
//! ```
//!
//! # The layout
//!
//! Two halves: a runtime that knows nothing of what it supervises, and kinds of links on it, each
//! with its driver.
//!
//! ```text
//!  manager    many links by name: in what order, what fails with what
//!  ─────────────────────────────────────────────────────────────────────────────
//!  kinds      redis   mysql   elasticsearch   websocket   a link::Backend of yours
//!  ─────────────────────────────────────────────────────────────────────────────
//!  runtime    link     the life of one link         registry   who hears of it
//!             policy   when to try again, or not    tls        who is trusted
//! ```
//!
//! Modules import only from those above them.
//!
//! | module | what is there | feature | pure |
//! | --- | --- | --- | --- |
//! | `clock` | the clock that everything is decided by | | |
//! | `guarded` | what callers gave is dropped, whatever its destructor does | | |
//! | [`secret`] | a text that is never shown | | yes |
//! | `percent` | the escapes of URLs | | yes |
//! | [`endpoint`] | what is dialled, and the names of links | | yes |
//! | [`exit`] | why a connection ended, and what that means | | yes |
//! | `outcome` | [`Outcome`]: what became of something that did not succeed | | yes |
//! | `wording` | what the texts of all errors have in common | | yes |
//! | [`policy`] | backoff, jitter, restart intensity, the governor of dials, the circuit breaker | | yes |
//! | [`event`] | what everlink tells | | |
//! | [`registry`] | status of every link, broadcast of events, callbacks | | |
//! | [`link`] | supervision of one link of any kind | | |
//! | [`tls`] | TLS for connections of any kind | `tls`, to connect by it | |
//! | `elasticsearch` | a client for Elasticsearch and OpenSearch | `elasticsearch` | |
//! | `mysql` | a pool for MySQL and MariaDB | `mysql` | |
//! | `redis` | the Redis client | `redis`, a default | |
//! | `websocket` | WebSocket feeds | `websocket` | |
//! | [`manager`] | named links of any kind under one roof | | |
//!
//! *Pure* modules decide: they take the time and random numbers as arguments and know neither
//! actors nor sockets nor clocks. Actors only carry messages between them and the world.
//!
//! To read the code, begin with `examples/quickstart.rs`, then `link/task.rs` and `link/life.rs`, then
//! one kind of link: `mysql/connection.rs` and `mysql/pump.rs`.
//!
//! The documents in `docs/` answer questions: how it is built (`architecture.md`), what other links
//! there are (`backends.md`) and how each behaves (`websocket.md`, `mysql.md`, `elasticsearch.md`),
//! what is promised (`guarantees.md`), what bounds memory (`bounds.md`), what happens to a command in
//! every state (`semantics.md`), what is told (`events.md`), where it runs (`runtimes.md`), how to
//! connect over TLS (`tls.md`), and why it is as it is (`decisions.md`).

mod clock;
#[cfg(feature = "elasticsearch")]
pub mod elasticsearch;
pub mod endpoint;
pub mod event;
pub mod exit;
mod guarded;
pub mod link;
pub mod manager;
#[cfg(feature = "mysql")]
pub mod mysql;
mod outcome;
#[cfg(any(
    feature = "elasticsearch",
    feature = "mysql",
    feature = "redis",
    feature = "websocket"
))]
mod percent;
pub mod policy;
#[cfg(feature = "redis")]
pub mod redis;
pub mod registry;
pub mod secret;
pub mod tls;
#[cfg(feature = "websocket")]
pub mod websocket;
#[cfg(any(feature = "elasticsearch", feature = "mysql", feature = "redis"))]
mod wording;

pub use outcome::Outcome;

/// The code of the README compiles.
#[cfg(all(doctest, feature = "redis"))]
#[doc = include_str!("../README.md")]
struct Readme;

/// So does that of the document on all kinds of links.
#[cfg(all(
    doctest,
    feature = "elasticsearch",
    feature = "mysql",
    feature = "redis"
))]
#[doc = include_str!("../docs/backends.md")]
struct Backends;

/// So does that of the document on feeds.
#[cfg(all(doctest, feature = "websocket"))]
#[doc = include_str!("../docs/websocket.md")]
struct Websocket;

/// So does that of the document on MySQL.
#[cfg(all(doctest, feature = "mysql"))]
#[doc = include_str!("../docs/mysql.md")]
struct Mysql;

/// So does that of the document on Elasticsearch.
#[cfg(all(doctest, feature = "elasticsearch"))]
#[doc = include_str!("../docs/elasticsearch.md")]
struct Elasticsearch;

/// So does that of the document on TLS.
#[cfg(all(doctest, feature = "redis", feature = "tls"))]
#[doc = include_str!("../docs/tls.md")]
struct Tls;
