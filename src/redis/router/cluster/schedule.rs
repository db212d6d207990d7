//! When the topology is read anew.

use std::time::{Duration, Instant};

use actix::AsyncContext;
use rand::RngExt;

use crate::clock::now;
use crate::event::RefreshTrigger;
use crate::redis::router::cluster::{Cluster, Ctx};
use crate::redis::router::router::Core;

/// After failed refreshes in a row the wait doubles up to this.
const REFRESH_BACKOFF_CAP: Duration = Duration::from_secs(5);

impl Cluster {
    /// Something suggests that the topology changed: read it soon, not at each sign.
    pub(super) fn want(&mut self, trigger: RefreshTrigger, core: &mut Core, ctx: &mut Ctx) {
        if self.refreshing {
            // A redirect can wait for the cooldown; what came before it perhaps cannot.
            if self.again.is_none() || trigger != RefreshTrigger::Moved {
                self.again = Some(trigger);
            }
            return;
        }
        self.schedule(self.earliest(trigger, core), trigger, ctx);
    }

    /// When this sign may be followed: refreshes keep a distance.
    fn earliest(&self, trigger: RefreshTrigger, core: &Core) -> Instant {
        let cluster = &core.config.cluster;
        let spacing = match trigger {
            RefreshTrigger::Moved => cluster.refresh_cooldown,
            _ => cluster.unsettled_every_min,
        };
        self.last_begun
            .map_or_else(now, |begun| (begun + spacing).max(now()))
    }

    /// Arms the one timer, unless it is armed for an earlier instant.
    fn schedule(&mut self, at: Instant, trigger: RefreshTrigger, ctx: &mut Ctx) {
        match self.timer.take() {
            Some((armed, handle)) if armed <= at => {
                self.timer = Some((armed, handle));
                return;
            }
            Some((_, handle)) => {
                ctx.cancel_future(handle);
            }
            None => {}
        }
        let wait = at.saturating_duration_since(now());
        let handle = ctx.run_later(wait, move |router, ctx| {
            router.with(|cluster, core| {
                cluster.timer = None;
                cluster.refresh(trigger, core, ctx);
            });
        });
        self.timer = Some((at, handle));
    }

    /// When to read the topology next.
    pub(super) fn plan(&mut self, permanent: bool, core: &mut Core, ctx: &mut Ctx) {
        let cluster = core.config.cluster;
        let (wait, trigger) = if permanent {
            match core.config.supervision.park_probe {
                Some(every) => (every, RefreshTrigger::Periodic),
                None => return,
            }
        } else if let Some(trigger) = self.again.take() {
            let wait = self
                .earliest(trigger, core)
                .saturating_duration_since(now());
            let latest = if self.is_unsettled(core) {
                cluster.unsettled_every_max
            } else {
                Duration::MAX
            };
            (wait.clamp(cluster.unsettled_every_min, latest), trigger)
        } else if self.failures > 0 || self.is_unsettled(core) {
            let soon = between(
                cluster.unsettled_every_min,
                cluster.unsettled_every_max,
                core,
            );
            let factor = 1 << self.failures.min(6);
            let wait = soon
                .saturating_mul(factor)
                .min(REFRESH_BACKOFF_CAP.max(soon));
            (wait, RefreshTrigger::Uncovered)
        } else {
            let every = cluster.refresh_every;
            (
                between(every.mul_f64(0.9), every.mul_f64(1.1), core),
                RefreshTrigger::Periodic,
            )
        };
        self.schedule(now() + wait, trigger, ctx);
    }
}

fn between(low: Duration, high: Duration, core: &mut Core) -> Duration {
    core.rng.random_range(low..=high.max(low))
}
