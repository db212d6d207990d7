//! WebSocket feeds against a real WebSocket server in the test's own process.
#![cfg(feature = "websocket")]

#[path = "websocket/breaking.rs"]
mod breaking;
#[path = "websocket/connecting.rs"]
mod connecting;
mod heard;
#[path = "websocket/lagging.rs"]
mod lagging;
#[path = "websocket/lines.rs"]
mod lines;
#[path = "websocket/losses.rs"]
mod losses;
#[path = "websocket/process.rs"]
mod process;
#[path = "websocket/restoring.rs"]
mod restoring;
#[path = "websocket/rig.rs"]
mod rig;
#[cfg(feature = "tls")]
#[path = "websocket/secure.rs"]
mod secure;
#[path = "websocket/sending.rs"]
mod sending;
#[path = "websocket/server.rs"]
mod server;
#[path = "websocket/stopping.rs"]
mod stopping;
mod support;
