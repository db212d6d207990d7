//! Commands as data, and what is known about them before they are sent.
//!
//! * [`builder`] and [`pipeline`]: [`cmd`]`("SET").arg(key).arg(value)`, encoded once
//!   (`encoded`);
//! * [`arg`]: what can be an argument, [`ToArgs`];
//! * [`spec`]: what a command does, [`CommandSpec`];
//! * [`keys`]: where its keys are, [`KeyRule`];
//! * [`table`]: the specifications of all commands, [`CommandTable`]: built in, or as the server
//!   tells (`described`);
//! * [`unsuitable`]: which commands a shared connection must not carry.
//!
//! Nothing here does I/O, and no clock is looked at but for the moment in which a command is made.

pub mod arg;
pub mod builder;
mod builtin;
mod described;
mod encoded;
mod kept_name;
pub mod keys;
pub mod pipeline;
pub mod spec;
pub mod table;
pub mod unsuitable;

pub use arg::{ArgWriter, ToArgs};
pub use builder::{Command, cmd};
pub use encoded::Args;
pub(crate) use kept_name::KeptName;
pub use keys::KeyRule;
pub use pipeline::{Pipeline, pipe};
pub use spec::CommandSpec;
pub use table::CommandTable;
