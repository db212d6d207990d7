//! Requests that a server could not serve yet, to be placed again in a moment.

use std::time::Duration;

use actix::{AsyncContext, Context};

use crate::redis::handoff::Bounced;
use crate::redis::router::router::{Core, Router, Topology, now};

impl<T: Topology> Router<T> {
    fn place_due(&mut self, ctx: &mut Context<Self>) {
        let now = now();
        while let Some(entry) = self.core.put_off.first_entry()
            && *entry.key() <= now
        {
            for request in entry.remove() {
                self.core.shared.place(request);
            }
        }
        self.core.arm_put_off::<T>(ctx);
    }
}

impl Core {
    /// Keeps a request for a while, then places it again. Beyond its deadline the reason why it
    /// was put off is its answer.
    pub(crate) fn put_off<T: Topology>(
        &mut self,
        mut bounced: Bounced,
        ctx: &mut Context<Router<T>>,
    ) {
        let pause = pause_before(bounced.request.attempts);
        let due = now() + pause;
        if due >= bounced.request.deadline {
            bounced.answer();
            return;
        }
        bounced.request.attempts = bounced.request.attempts.saturating_add(1);
        self.put_off.entry(due).or_default().push(bounced.request);
        self.arm_put_off::<T>(ctx);
    }

    fn arm_put_off<T: Topology>(&mut self, ctx: &mut Context<Router<T>>) {
        if let Some(handle) = self.put_off_timer.take() {
            ctx.cancel_future(handle);
        }
        if let Some((due, _)) = self.put_off.first_key_value() {
            let wait = due.saturating_duration_since(now());
            self.put_off_timer = Some(ctx.run_later(wait, |router, ctx| {
                router.core.put_off_timer = None;
                router.place_due(ctx);
            }));
        }
    }
}

/// How long a request that a server could not serve yet is put off: 10 ms, doubling, at most
/// 160 ms; rounded so that requests of one moment share a timer.
fn pause_before(attempts: u8) -> Duration {
    Duration::from_millis(10 << attempts.min(4))
}
