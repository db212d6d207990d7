//! The client for Elasticsearch and OpenSearch: on scripted nodes, and on a real cluster.
#![cfg(feature = "elasticsearch")]

#[path = "elasticsearch/answers.rs"]
mod answers;
#[path = "elasticsearch/edges.rs"]
mod edges;
mod heard;
#[path = "elasticsearch/library.rs"]
mod library;
#[path = "elasticsearch/losses.rs"]
mod losses;
#[path = "elasticsearch/nodes.rs"]
mod nodes;
#[path = "elasticsearch/real.rs"]
mod real;
#[path = "elasticsearch/scripted.rs"]
mod scripted;
#[cfg(feature = "tls")]
#[path = "elasticsearch/secured.rs"]
mod secured;
#[path = "elasticsearch/sniffing.rs"]
mod sniffing;
#[path = "elasticsearch/stopped.rs"]
mod stopped;
mod support;
