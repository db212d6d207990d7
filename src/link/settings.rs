//! How a link is supervised: [`LinkSettings`].

use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::policy::{Governor, RestartPolicy};

/// How a link is supervised. All defaults are those of `docs/architecture.md`.
///
/// Change what should differ:
///
/// ```
/// # use std::time::Duration;
/// # use everlink::link::LinkSettings;
/// let mut settings = LinkSettings::default();
/// settings.connect_timeout = Duration::from_secs(2);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LinkSettings {
    /// When to try again, how often, and when to give up.
    pub restart: RestartPolicy,
    /// How long an attempt may take, handshake included. Default 5 s.
    pub connect_timeout: Duration,
    /// How long a link must be up before its attempts count from the start again. Default 10 s.
    pub stable_after: Duration,
    /// How long a connection may finish what is in flight when it is closed on request.
    /// Default 5 s.
    pub drain_timeout: Duration,
    /// How long a connection that should have ended may take to do so before it is aborted.
    /// Default 1 s.
    pub kill_timeout: Duration,
    /// How often a parked link looks whether its cause is gone; `None` never looks.
    /// Default 5 min.
    pub park_probe: Option<Duration>,
    /// Bounds the dials per second of all links that share it. Default: one for the process.
    pub governor: SharedGovernor,
    /// Seeds the jitter, for reproducible runs. Default: random.
    pub seed: Option<u64>,
}

impl Default for LinkSettings {
    fn default() -> Self {
        Self {
            restart: RestartPolicy::default(),
            connect_timeout: Duration::from_secs(5),
            stable_after: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(5),
            kill_timeout: Duration::from_secs(1),
            park_probe: Some(Duration::from_secs(300)),
            governor: SharedGovernor::process(),
            seed: None,
        }
    }
}

/// A [`Governor`] that several links share.
#[derive(Clone)]
pub struct SharedGovernor(Arc<Mutex<Governor>>);

/// Only its name: what it has counted is everybody's, and changes between two looks.
impl fmt::Debug for SharedGovernor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedGovernor").finish_non_exhaustive()
    }
}

impl SharedGovernor {
    /// One that only its clones share.
    pub fn new(governor: Governor) -> Self {
        Self(Arc::new(Mutex::new(governor)))
    }

    /// The one of this process: 100 dials a second, bursts of 50. A service of very many links, or
    /// one whose servers bear less, gives it [other limits](Self::set) before it starts.
    pub fn process() -> Self {
        static PROCESS: LazyLock<SharedGovernor> =
            LazyLock::new(|| SharedGovernor::new(Governor::default()));
        PROCESS.clone()
    }

    /// Gives it other limits, for all that share it. Links that it told to wait do so.
    ///
    /// ```
    /// use everlink::link::SharedGovernor;
    /// use everlink::policy::Governor;
    ///
    /// SharedGovernor::process().set(Governor::new(1_000, 200)?);
    /// # Ok::<(), everlink::policy::PolicyError>(())
    /// ```
    pub fn set(&self, governor: Governor) {
        *self.lock() = governor;
    }

    /// A dial now, or how long to wait before asking again. Links that are wanted go first.
    pub(crate) fn try_acquire(
        &self,
        now: std::time::Instant,
        wanted: bool,
    ) -> Result<(), Duration> {
        let mut governor = self.lock();
        match wanted {
            true => governor.try_acquire(now),
            false => governor.try_acquire_idle(now),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Governor> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_limits_hold_for_all_that_share_a_governor() {
        let shared = SharedGovernor::new(Governor::new(1, 1).expect("greater than zero"));
        let links = shared.clone();
        let now = tokio::time::Instant::now().into_std();
        assert!(links.try_acquire(now, true).is_ok());
        assert!(links.try_acquire(now, true).is_err());
        shared.set(Governor::new(1, 3).expect("greater than zero"));
        let admitted = (0..5).filter(|_| links.try_acquire(now, true).is_ok());
        assert_eq!(admitted.count(), 3);
    }
}
