//! What a real cluster seldom does: redirects that lead astray, states that pass, streams that
//! break. On fake nodes.
#![cfg(feature = "redis")]

mod application;
#[path = "redirects/astray.rs"]
mod astray;
#[path = "redirects/broken_streams.rs"]
mod broken_streams;
#[path = "redirects/moved_away.rs"]
mod moved_away;
#[path = "redirects/passing_states.rs"]
mod passing_states;
#[path = "redirects/retries.rs"]
mod retries;
#[path = "redirects/seeds.rs"]
mod seeds;
mod support;
#[path = "redirects/two_nodes.rs"]
mod two_nodes;
