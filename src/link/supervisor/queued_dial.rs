//! A dial that waits for the governor: [`QueuedDial`]. Links that somebody waits for go first.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use actix::{AsyncContext, Context, SpawnHandle};

use crate::link::backend::Backend;
use crate::link::life::{Generation, Timer};
use crate::link::supervisor::Supervisor;

/// A link for which nobody waits yields to others so long; then it counts as they do.
const IDLE_PATIENCE: Duration = Duration::from_secs(10);
/// How often it looks whether somebody waits for it by now.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// A dial that waits for the governor.
pub(super) struct QueuedDial {
    pub(super) handle: SpawnHandle,
    since: Instant,
    /// Armed with the dial: it does not count the time in the governor's queue.
    pub(super) deadline: Option<(Timer, Duration)>,
}

impl<B: Backend> Supervisor<B> {
    /// Whether somebody waits for this link, or it has waited long enough for those.
    pub(super) fn is_wanted(&self, now: Instant) -> bool {
        let aged = |dial: &QueuedDial| now.saturating_duration_since(dial.since) >= IDLE_PATIENCE;
        self.queued_dial.as_ref().is_some_and(aged)
            || catch_unwind(AssertUnwindSafe(|| self.backend.wanted())).unwrap_or(true)
    }

    /// Waits for its place, and looks before whether somebody wants the link by then.
    pub(super) fn queue_dial(
        &mut self,
        generation: Generation,
        now: Instant,
        place: Instant,
        ctx: &mut Context<Self>,
    ) {
        let wait = place.saturating_duration_since(now);
        let wait = if self.is_wanted(now) {
            wait
        } else {
            wait.min(LOOK_AGAIN)
        };
        let handle = ctx.run_later(wait, move |supervisor, ctx| {
            let now = crate::clock::now();
            if now < place && !supervisor.is_wanted(now) {
                supervisor.queue_dial(generation, now, place, ctx);
            } else {
                supervisor.dial(generation, ctx);
            }
        });
        let (since, deadline) = match self.queued_dial.take() {
            Some(dial) => (dial.since, dial.deadline),
            None => (now, None),
        };
        self.queued_dial = Some(QueuedDial {
            handle,
            since,
            deadline,
        });
    }
}
