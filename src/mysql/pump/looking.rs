//! How a pool looks after its server: checks, what follows from them, and statements that nobody
//! waits for.

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

use crate::exit::{Cause, CauseKind};
use crate::link::Wish;
use crate::mysql::check::{Finding, check, end_orphan};
use crate::mysql::pump::Pump;
use crate::mysql::task::Done;
use crate::mysql::wire::{Place, Wire};

/// A failed check is followed by the next after this.
const CHECK_AGAIN: Duration = Duration::from_secs(1);

impl Pump {
    /// When the server is to be looked at next, unless something gives rise to it before. Where
    /// that is switched off, what was found is still followed up.
    pub(super) fn next_look(&self) -> Option<Instant> {
        let due = self.settings.health.enabled || self.failed_checks > 0;
        (due && !self.checking).then_some(self.next_check)
    }

    /// Looks whether the server is there, unless the pool is to end anyhow; `suspicion` says what
    /// gave rise to it.
    pub(super) fn look(&mut self, suspicion: Option<Cause>) {
        if self.wishes.wish() != Wish::Run {
            return;
        }
        if self.suspicion.is_none() {
            self.suspicion = suspicion;
        }
        if self.checking {
            self.check_again = true;
            return;
        }
        self.checking = true;
        self.next_check = Instant::now() + self.settings.health.interval;
        // One that nobody used lately: it tells the most.
        let wire = self.idle.pop_front();
        let fresh = self.fresh_when_asked();
        let settings = Arc::clone(&self.settings);
        let checking = async move {
            let health = &settings.health;
            let (wire, finding) = check(wire, fresh, &health.query, health.timeout).await;
            Done::Checked(wire, finding)
        };
        self.tasks.push(checking.boxed_local());
    }

    pub(super) fn checked(&mut self, finding: Finding) {
        let cause = match finding {
            Finding::Well => {
                self.failed_checks = 0;
                self.suspicion = None;
                return;
            }
            Finding::Gone(cause) if self.in_use == 0 && self.idle.is_empty() => {
                // The loss itself says more than that there is nobody to be found now.
                self.end = Some(self.suspicion.take().unwrap_or(cause));
                return;
            }
            Finding::Gone(_) if !self.idle.is_empty() => {
                // Each of the others may be alive.
                self.check_again = true;
                return;
            }
            Finding::Gone(cause) | Finding::Failed(cause) => cause,
        };
        self.failed_checks += 1;
        if self.failed_checks >= self.settings.health.failures {
            let text = format!("{} checks in a row failed: {}", self.failed_checks, cause);
            self.end = Some(Cause::new(CauseKind::Unhealthy, text));
        }
        self.next_check = Instant::now() + CHECK_AGAIN.min(self.settings.health.interval);
    }

    pub(super) fn end_orphan(&mut self, number: u32) {
        let wire = self.idle.pop_back();
        let fresh = self.fresh_when_asked();
        let limit = self.settings.health.timeout;
        let ending = end_orphan(wire, fresh, number, limit).map(Done::Freed);
        self.tasks.push(ending.boxed_local());
    }

    /// As [`Pump::fresh`], with a place that is taken only if it comes to that.
    fn fresh_when_asked(&self) -> impl Future<Output = Result<Wire, Cause>> + use<> {
        let options = self.options.clone();
        let open = Rc::clone(&self.open);
        let settings = Arc::clone(&self.settings);
        async move {
            let limit = settings.link.connect_timeout;
            let lifetime = settings.pool.lifetime;
            Wire::dial(options, Place::taken(&open), lifetime, limit).await
        }
    }
}
