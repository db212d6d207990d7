//! On which threads a client and its callers run: [`Threads`].

use serde::{Deserialize, Serialize};

/// Threads of callers, and how many clients they share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Threads {
    /// Everything on one: an actix arbiter for everlink, tokio's current-thread runtime for others.
    One,
    /// One client, callers on tokio's multi-thread runtime.
    Pool(usize),
    /// So many threads, each like `One`, with a client each; or one for all, where a client can have
    /// connections on each (`Client::here`): as actix-web's workers do.
    Each(usize),
}

impl Threads {
    /// How many clients there are.
    pub(crate) fn clients(self) -> usize {
        match self {
            Self::One | Self::Pool(_) => 1,
            Self::Each(count) => count,
        }
    }
}
