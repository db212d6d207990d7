//! What the tests and the demo stand on: real Redis servers and clusters, a real MariaDB, a
//! scriptable fake node, and a proxy that injects network faults. None of it uses everlink itself,
//! so that a fault of the library cannot hide in its own fixtures.
//!
//! Everything listens on 127.0.0.1 on ports reserved by [`ports`], keeps its files in a temporary
//! folder, and is gone when its value is dropped or when the process dies in any manner.
//!
//! | module | what it gives |
//! | --- | --- |
//! | [`redis_server`], [`redis_configuration`] | one real server: kill -9, pause, restart |
//! | [`redis_cluster`], [`resharding`], [`cluster_view`] | a real cluster: promotion, live resharding |
//! | [`fake_node`], [`dialogue`], [`answers`], [`replies`] | a node that answers what a test says |
//! | `mariadb` | one real MariaDB server: kill -9, pause, restart |
//! | `opensearch` | a real OpenSearch cluster: kill -9, pause, restart |
//! | [`fault_proxy`], [`lane`] | split, delay, stall, cut, reset, refuse |
//! | [`certificates`] | authorities, and certificates of theirs |
//! | [`recorder`] | a port that forwards and keeps every byte |
//! | [`raw`] | a RESP2 client that is independent of everlink |
//! | [`listening`], [`ports`], [`waiting`], [`background`], [`sockets`], [`supervised`] | what those are made of |
//! | [`cpu`] | what a thread has computed |
//! | [`story`] | the names of events, in short |
#![allow(
    dead_code,
    unreachable_pub,
    missing_debug_implementations,
    reason = "each test and example includes the whole folder and uses only a part of it"
)]

pub mod answers;
pub mod background;
pub mod certificates;
pub mod cluster_view;
pub mod cpu;
pub mod dialogue;
pub mod fake_node;
pub mod fault_proxy;
pub mod lane;
pub mod listening;
#[cfg(feature = "mysql")]
pub mod mariadb;
#[cfg(feature = "elasticsearch")]
pub mod opensearch;
pub mod ports;
pub mod raw;
pub mod recorder;
pub mod redis_cluster;
pub mod redis_configuration;
pub mod redis_server;
pub mod replies;
pub mod resharding;
pub mod sockets;
pub mod story;
pub mod supervised;
pub mod waiting;
