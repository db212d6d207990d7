//! How a connection signs in, on real servers and on fake nodes for the old and the odd ones.
#![cfg(feature = "redis")]

mod application;
#[path = "handshake/credentials.rs"]
mod credentials;
#[path = "handshake/odd_servers.rs"]
mod odd_servers;
mod support;
