//! What the demo and the chaos run have in common: both load a real cluster through both doors of
//! everlink, and compare what callers were told with what the servers hold.
//!
//! | file | concept |
//! | --- | --- |
//! | `cells` | the keys: spread over all slots |
//! | `door` | the two ways to send a call |
//! | `fate` | what a caller was told of one command |
//! | `observer`, `held` | the cluster as plain sockets see it; what it holds in the end |
//! | `screen` | what is shown |
#![allow(
    dead_code,
    reason = "each example includes the whole folder and uses only a part of it"
)]

pub(crate) mod cells;
pub(crate) mod door;
pub(crate) mod fate;
pub(crate) mod held;
pub(crate) mod observer;
pub(crate) mod screen;
