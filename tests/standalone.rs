//! Everything a user does on one real server.
#![cfg(feature = "redis")]

mod application;
#[path = "standalone/circuit.rs"]
mod circuit;
#[path = "standalone/deadlines.rs"]
mod deadlines;
#[path = "standalone/faults.rs"]
mod faults;
#[path = "standalone/managed.rs"]
mod managed;
#[path = "standalone/operations.rs"]
mod operations;
#[path = "standalone/queries.rs"]
mod queries;
#[path = "standalone/refusals.rs"]
mod refusals;
#[path = "standalone/resumed.rs"]
mod resumed;
#[path = "standalone/shutdowns.rs"]
mod shutdowns;
mod support;
