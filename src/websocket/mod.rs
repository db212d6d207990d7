//! WebSocket feeds: a link that owns one socket, what it is subscribed to, and what it brings.
//!
//! The subscriptions belong to the feed, not to a connection: they are restored after each
//! reconnect, before `Reconnected` is told. Messages come to one subscribed actor, in order and
//! bounded; each outage is told it as a [`Gap`] between them.
//!
//! ```no_run
//! use actix::{Actor, Context, Handler};
//! use everlink::registry::Registry;
//! use everlink::websocket::{Feed, FeedMessage, FeedSettings, News, Unasked};
//!
//! struct Prices;
//!
//! impl Actor for Prices {
//!     type Context = Context<Self>;
//! }
//!
//! impl Handler<FeedMessage> for Prices {
//!     type Result = ();
//!
//!     fn handle(&mut self, message: FeedMessage, _: &mut Context<Self>) {
//!         match message.news {
//!             News::Message(payload) => println!("{:?}", payload.as_text()),
//!             News::Gap(gap) => println!("{gap}: ask for a snapshot"),
//!             other => println!("{other:?}"),
//!         }
//!     }
//! }
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::start_new();
//! let prices = Prices.start();
//! let settings = FeedSettings::new("ws://feed.example/v1")?;
//! // The subscriber is held weakly: `prices` has to stay as long as it is to hear.
//! let feed = Feed::open("prices", settings, Unasked, prices.clone(), &registry)?;
//! feed.subscribe("BTC-EUR");
//! # Ok(())
//! # }
//! ```
//!
//! | file | concept | pure |
//! | --- | --- | --- |
//! | `settings` | how a feed behaves | |
//! | `url` | what is dialled, and what is shown of it | yes |
//! | `topic` | what is subscribed to, and what the server says to that | yes |
//! | `subscriptions` | what is wanted, and how far the server is | yes |
//! | `queue` | what waits for the subscriber, and what is dropped | yes |
//! | `vigil` | when to ping, when to give up | yes |
//! | `message`, `protocol` | what is sent and received, and what it means | |
//! | `gap` | the time in which messages may be missing | |
//! | `outbox` | what callers want written | |
//! | `hub` | what outlives a connection | |
//! | `dial`, `session`, `connection` | one socket's life | |
//! | `delivery` | from the queue to the subscriber | |
//! | `feed` | the handle | |

mod connection;
mod delivery;
mod dial;
mod feed;
mod gap;
mod hub;
mod message;
mod outbox;
mod protocol;
mod queue;
mod session;
mod settings;
mod subscriptions;
mod topic;
mod url;
mod vigil;

pub use connection::FeedBackend;
pub use feed::Feed;
pub use gap::Gap;
pub use message::{FeedMessage, News, Payload, Text};
pub use outbox::SendError;
pub use protocol::{Incoming, Protocol, Unasked};
pub use queue::Lag;
pub use settings::{FeedHealth, FeedLimits, FeedQueue, FeedSettings};
pub use subscriptions::SubscriptionState;
pub use topic::{Action, Refusal, Refused, Topic, Which};
pub use url::FeedUrl;
