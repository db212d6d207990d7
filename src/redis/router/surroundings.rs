//! What a router has from outside itself: [`Surroundings`].

use crate::link::SharedGovernor;
use crate::redis::connection::Dialer;

/// The world around a router. A simulation brings its own, in which nothing is left to chance.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) dialer: Dialer,
    pub(crate) governor: SharedGovernor,
    /// Of all that a router and its links choose at random.
    pub(crate) seed: u64,
}

impl Surroundings {
    /// The governor of this process, and a new seed.
    pub(crate) fn over(dialer: Dialer) -> Self {
        Self {
            dialer,
            governor: SharedGovernor::process(),
            seed: rand::random(),
        }
    }
}
