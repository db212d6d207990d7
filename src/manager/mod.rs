//! Named links of any kind under one roof: the [`Manager`] actor.
//!
//! | file | concept |
//! | --- | --- |
//! | `member` | what the manager needs of whatever it holds |
//! | `roster` | who is a member, in which order, and who needs whom; pure |
//! | `manager` | the actor: register, get, remove |
//! | `everybody` | start all, stop all, and what became of each |
//! | `escalation` | what a parked link means for the others |
//! | `status` | who is connected, and who is not |
//! | `config` | the links of a service as a configuration file says them |
//!
//! ```
//! use std::time::Duration;
//! use everlink::link::Link;
//! use everlink::manager::{Get, Manager, Register, StartAll, StopAll, Summary};
//! # use everlink::link::{Backend, Close, Lifeline, LinkSettings};
//! # struct Ticker;
//! # struct Connection(Lifeline);
//! # impl Backend for Ticker {
//! #     type Connection = Connection;
//! #     fn endpoint(&self) -> everlink::endpoint::Endpoint { everlink::endpoint::Endpoint::tcp("h", 1) }
//! #     fn connection(&mut self, lifeline: Lifeline) -> Connection { Connection(lifeline) }
//! # }
//! # impl actix::Actor for Connection {
//! #     type Context = actix::Context<Self>;
//! #     fn started(&mut self, _: &mut Self::Context) { self.0.ready(); }
//! # }
//! # impl actix::Handler<Close> for Connection {
//! #     type Result = ();
//! #     fn handle(&mut self, _: Close, ctx: &mut Self::Context) { actix::ActorContext::stop(ctx); }
//! # }
//! # #[actix::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let manager = Manager::new().start();
//! let ticker = Register::new("ticker", |opening| {
//!     let link = Link::new(opening.name, Ticker, LinkSettings::default(), &opening.registry);
//!     async move {
//!         link.start().await;
//!         Ok(link)
//!     }
//! });
//! manager.send(ticker).await??;
//! for (name, started) in manager.send(StartAll { timeout: Duration::from_secs(5) }).await? {
//!     println!("{name}: {started:?}");
//! }
//! let ticker: Option<Link<Ticker>> = manager.send(Get::new("ticker")).await?;
//! println!("{}", manager.send(Summary).await?); // connected: ticker
//! # assert!(ticker.is_some());
//! manager.send(StopAll { timeout: Duration::from_secs(5) }).await?;
//! # Ok(())
//! # }
//! ```

mod config;
mod escalation;
mod everybody;
#[expect(
    clippy::module_inception,
    reason = "the actor is what the room is named for"
)]
mod manager;
mod member;
mod roster;
mod status;

pub use config::{Code, ManagerConfig, ManagerConfigError, MemberConfig};
pub use escalation::{Escalation, Strategy};
pub use everybody::{NotStarted, StartAll, StopAll, StoppedLate};
pub use manager::{Get, Manager, Register, Remove, Setup};
pub use member::{Member, OpenError, Opening};
pub use roster::NotRegistered;
pub use status::{ManagerStatus, MemberStatus, Summary};
