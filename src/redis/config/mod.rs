//! The configuration of the Redis client: [`Config`], one for standalone servers and clusters.
//!
//! # In a file
//!
//! [`Config`] is a part of the application's own serde configuration. Durations are texts such as
//! `"500ms"`, unknown fields are refused, and all but the endpoints has a default:
//!
#![doc = concat!("```toml\n", include_str!("defaults.toml"), "```\n")]
//!
//! `url = "redis://…"` can stand in place of `endpoints`. Fields given beside it win over what the
//! URL says. Where the file holds a password, see [`Secret`](crate::secret::Secret) for what the
//! errors of a file format may quote.
//!
//! # As a URL
//!
//! ```text
//! redis://[[user]:password@]host[:port][/database][?key=value&…]
//! redis-cluster://[[user]:password@]host[:port][,host[:port]…][?node=host:port&…]
//! rediss://…      rediss-cluster://…
//! ```
//!
//! * `valkey` means the same as `redis`; `redis+cluster` the same as `redis-cluster`.
//!   `unix` is known, and refused by this version.
//! * `rediss`, `valkeys`, `rediss-cluster` and so on switch TLS on for every connection, with the
//!   defaults of [`TlsSettings`](crate::tls::TlsSettings); a table `[tls]` beside the URL sets
//!   more. They need the feature `tls`.
//! * The default port is 6379. IPv6 addresses stand in brackets. User and password are
//!   percent-encoded.
//! * Keys of the query: `node` (another seed of a cluster; may repeat), `db`, `name`,
//!   `client_name`, `protocol` (`auto`, `resp2`, `resp3`, `2`, `3`), `timeout` or
//!   `command_timeout`, `connect_timeout` (durations such as `500ms`). Others are refused.

mod address;
mod bounds;
mod breaker;
mod credentials;
mod endpoint_map;
mod endpoint_rule;
mod given;
mod health;
mod pieces;
mod query;
mod queues;
mod setters;
mod settings;
mod tcp;
mod timeouts;
mod topology;
mod transport;
mod url;

use crate::policy::off;

pub use credentials::Protocol;
pub use endpoint_map::EndpointMap;
pub use endpoint_rule::EndpointRule;
pub use health::{Health, Supervision};
pub use queues::{Buffers, InFlight, Waiting, WhenDown};
pub use settings::Config;
pub use tcp::{Keepalive, Tcp};
pub use timeouts::Timeouts;
pub use topology::{ClusterSettings, Mode};
