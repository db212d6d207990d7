//! What a Redis or Valkey Cluster says about itself, and what follows from it. Pure: no clock, no
//! I/O; replies in, decisions out.
//!
//! * [`Signal`] and [`Redirect`]: the error replies on which a router acts.
//! * [`ClusterView`]: what one node reported, from `CLUSTER SLOTS` and, where the user may call
//!   it, `CLUSTER NODES`.
//! * [`SlotMap`]: which endpoint owns which slot; immutable, built from a view, patched by `MOVED`.
//! * [`Roster`]: which nodes there are over time; [`EpochGuard`]: which views are too old to use.

#[cfg(test)]
mod captured;
mod gathering;
mod nodes_reply;
mod redirect;
mod roster;
mod slot_map;
mod slots_reply;
mod view;
mod view_node;

pub use nodes_reply::NodesReplyError;
pub use redirect::{Redirect, RedirectKind, RedirectTarget, Signal};
pub use roster::{EpochGuard, Roster, RosterChange};
pub use slot_map::{NodeIndex, SlotMap};
pub use slots_reply::SlotsReplyError;
pub use view::{ClusterView, SlotRange, ViewError};
pub use view_node::{NodeId, Role, ViewNode};
