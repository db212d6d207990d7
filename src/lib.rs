//! everlink
pub mod endpoint;
pub mod event;
pub mod exit;
#[cfg(feature = "redis")]
pub mod redis;
