//! Deadlines of a lane's requests while no connection looks after them.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::clock::now;
use crate::redis::lane::Lane;
use crate::redis::lane::state::Phase;

impl Lane {
    /// Expires requests while no connection does: run as a task for as long as the link exists.
    pub(crate) async fn keep(self: Arc<Self>) {
        loop {
            let Some(next) = std::future::poll_fn(|cx| self.poll_deadline(cx)).await else {
                return;
            };
            // An earlier deadline that comes meanwhile wakes the keeper.
            let mut sleep = std::pin::pin!(tokio::time::sleep_until(next.into()));
            std::future::poll_fn(|cx| {
                if sleep.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                match self.poll_deadline(cx) {
                    Poll::Ready(Some(earliest)) if earliest >= next => Poll::Pending,
                    Poll::Ready(_) | Poll::Pending => Poll::Ready(()),
                }
            })
            .await;
            if !self.is_up() {
                self.expire(now());
            }
        }
    }

    /// The earliest deadline while the link is not up; none when the lane is closed.
    fn poll_deadline(&self, cx: &Context<'_>) -> Poll<Option<Instant>> {
        let mut state = self.lock();
        state.keeper = Some(cx.waker().clone());
        match (&state.phase, state.earliest) {
            (Phase::Closed, _) => Poll::Ready(None),
            (Phase::Up, _) | (_, None) => Poll::Pending,
            (Phase::Down(_) | Phase::Parked(_) | Phase::Finishing, Some(earliest)) => {
                Poll::Ready(Some(earliest))
            }
        }
    }
}
