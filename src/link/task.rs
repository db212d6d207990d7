//! A connection actor that is one future: [`Task`].

use std::fmt;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use crate::exit::{Cause, CauseKind};
use crate::link::backend::{Close, Lifeline};

/// A connection actor whose work is one future, for backends that need no messages of their own.
///
/// The future dials, calls [`Lifeline::ready`], works the socket until it is gone, and ends with the
/// reason; `Ok` means that it was to end. It is dropped, and its socket with it, when the connection
/// is to be closed, unless [`on_close`](Self::on_close) sees to a better end.
///
/// It is polled once the actor's mailbox is empty; that carries only the supervisor's few words, so
/// nothing can starve it.
pub struct Task {
    lifeline: Lifeline,
    work: Option<LocalBoxFuture<'static, Result<(), Cause>>>,
    closing: Box<dyn FnMut(Close) -> bool>,
}

impl Task {
    /// A connection that does this.
    pub fn new(
        lifeline: Lifeline,
        work: impl Future<Output = Result<(), Cause>> + 'static,
    ) -> Self {
        Self {
            lifeline,
            work: Some(work.boxed_local()),
            closing: Box::new(|_| false),
        }
    }

    /// Called when the connection is to be closed: true if the future has been told and will end by
    /// itself, which the supervisor waits for as [`Close`] says; false to drop it now.
    #[must_use]
    pub fn on_close(mut self, closing: impl FnMut(Close) -> bool + 'static) -> Self {
        self.closing = Box::new(closing);
        self
    }

    fn end(&mut self, cause: Cause, ctx: &mut Context<Self>) {
        self.lifeline.exit(cause);
        ctx.stop();
    }
}

impl Actor for Task {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        if let Some(work) = self.work.take() {
            ctx.spawn(work.into_actor(self).map(|end, task, ctx| {
                let requested = || CauseKind::Requested.into();
                task.end(end.err().unwrap_or_else(requested), ctx);
            }));
        }
    }
}

impl Handler<Close> for Task {
    type Result = ();

    fn handle(&mut self, close: Close, ctx: &mut Context<Self>) {
        if !(self.closing)(close) {
            self.end(CauseKind::Requested.into(), ctx);
        }
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("lifeline", &self.lifeline)
            .finish_non_exhaustive()
    }
}
