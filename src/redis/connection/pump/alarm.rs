//! The one timer of a connection: [`Alarm`].

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Context;
use std::time::Instant;

use tokio::task::coop::unconstrained;
use tokio::time::Sleep;

/// Wakes the connection's task in time. Made when it is first needed.
#[derive(Debug)]
pub(super) struct Alarm {
    timer: Option<Pin<Box<Sleep>>>,
    /// It would wake another task than the one that runs.
    moved: bool,
}

impl Alarm {
    pub(super) fn new() -> Self {
        Self {
            timer: None,
            moved: true,
        }
    }

    /// From now on another task is to be woken.
    pub(super) fn move_on(&mut self) {
        self.moved = true;
    }

    /// Sets it, if it is not set for an earlier instant already: when it wakes the task too early,
    /// the next check sets it anew.
    pub(super) fn set(&mut self, at: Instant, cx: &mut Context<'_>) {
        let at = tokio::time::Instant::from_std(at);
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if timer.is_elapsed() || at < timer.deadline() {
            timer.as_mut().reset(at);
        } else if !std::mem::take(&mut self.moved) {
            // It is armed and wakes this task.
            return;
        }
        // Each poll must leave a waker with the timer: it is not polled again while it is armed. One
        // that finds the task's share used up would leave none.
        if pin!(unconstrained(timer)).poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }
}
