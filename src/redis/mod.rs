//! The Redis client.
pub mod error;
pub mod value;
pub use error::{Error, ErrorKind, Outcome, Result};
pub use value::{ServerError, Value};
