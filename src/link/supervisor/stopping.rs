//! How a link is stopped gracefully: [`Stop`], and [`StopWithin`] for whoever has a time of their own.

use std::time::Duration;

use actix::{Context, Handler, Message, ResponseFuture};
use tokio::sync::oneshot;

use crate::link::backend::Backend;
use crate::link::life::Input;
use crate::link::supervisor::Supervisor;

/// Stops the link: the connection finishes what is in flight within the drain timeout. Answered
/// once the socket is closed.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Stop;

/// As [`Stop`], with this time in place of the drain timeout: then the connection is dropped at
/// once. Sent again, the last time counts, from then.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct StopWithin(pub(crate) Duration);

impl<B: Backend> Supervisor<B> {
    fn stop(&mut self, input: Input, ctx: &mut Context<Self>) -> ResponseFuture<()> {
        let (done, stopped) = oneshot::channel();
        self.stop_waiters.push(done);
        self.input(input, ctx);
        Box::pin(async move {
            // An error means that the supervisor itself is gone: stopped as well.
            let _ = stopped.await;
        })
    }
}

impl<B: Backend> Handler<Stop> for Supervisor<B> {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) -> ResponseFuture<()> {
        self.stop(Input::Stop, ctx)
    }
}

impl<B: Backend> Handler<StopWithin> for Supervisor<B> {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, within: StopWithin, ctx: &mut Context<Self>) -> ResponseFuture<()> {
        self.stop(Input::StopWithin(within.0), ctx)
    }
}
