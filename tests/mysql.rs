//! The pool for MySQL and MariaDB, on a real MariaDB.
#![cfg(feature = "mysql")]

#[path = "mysql/beginnings.rs"]
mod beginnings;
#[path = "mysql/breaker.rs"]
mod breaker;
#[path = "mysql/dropped.rs"]
mod dropped;
#[path = "mysql/endings.rs"]
mod endings;
#[path = "mysql/faults.rs"]
mod faults;
mod heard;
#[path = "mysql/load.rs"]
mod load;
#[path = "mysql/outcomes.rs"]
mod outcomes;
#[path = "mysql/parked.rs"]
mod parked;
#[path = "mysql/returns.rs"]
mod returns;
#[cfg(feature = "tls")]
#[path = "mysql/secured.rs"]
mod secured;
#[path = "mysql/shop.rs"]
mod shop;
#[path = "mysql/spins.rs"]
mod spins;
#[path = "mysql/statements.rs"]
mod statements;
#[path = "mysql/strangers.rs"]
mod strangers;
mod support;
#[path = "mysql/upkeep.rs"]
mod upkeep;
