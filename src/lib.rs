//! Supervised, self-healing connections for actix applications.
pub mod endpoint;
pub mod event;
pub mod exit;
pub mod link;
pub mod policy;
#[cfg(feature = "redis")]
pub mod redis;
pub mod registry;
pub mod secret;
