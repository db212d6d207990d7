//! One connection actor as its supervisor sees it: started, asked to close, aborted, and its end
//! observed through the `JoinHandle` of its context.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

use actix::{Actor, Addr, AsyncContext, Context, Handler};
use actix_rt::task::JoinHandle;

use crate::exit::{Cause, CauseKind};
use crate::link::backend::Close;

/// A running connection actor. Dropping it aborts the actor.
pub(crate) struct Child<C: Actor> {
    address: Addr<C>,
    abort: tokio::task::AbortHandle,
}

/// Resolves once the actor and all it owned are dropped.
pub(crate) struct Ending {
    task: JoinHandle<()>,
    verdict: Rc<RefCell<Option<Cause>>>,
}

impl<C> Child<C>
where
    C: Actor<Context = Context<C>> + Handler<Close>,
{
    /// Starts the actor on the current arbiter, which it shares with its supervisor.
    pub(crate) fn spawn(actor: C, verdict: Rc<RefCell<Option<Cause>>>) -> (Self, Ending) {
        let context = Context::new();
        let address = context.address();
        // `stopped()` and `Addr::connected()` miss panics and aborts, and come before the actor is
        // dropped; the end of this task is the one sign that its socket is gone.
        let task = actix_rt::spawn(context.into_future(actor));
        let abort = task.abort_handle();
        (Self { address, abort }, Ending { task, verdict })
    }

    pub(crate) fn close(&self, close: Close) {
        #[expect(
            clippy::disallowed_methods,
            reason = "once or twice in a connection's life"
        )]
        self.address.do_send(close);
    }

    pub(crate) fn abort(&self) {
        self.abort.abort();
    }
}

impl<C: Actor> Drop for Child<C> {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

impl Ending {
    /// Waits for the end, and tells why it came.
    pub(crate) async fn cause(self) -> Cause {
        match self.task.await {
            Ok(()) => self
                .verdict
                .take()
                .unwrap_or_else(|| CauseKind::Unexplained.into()),
            Err(end) if end.is_panic() => {
                Cause::new(CauseKind::Panicked, panic_message(&*end.into_panic()))
            }
            Err(_) => CauseKind::Aborted.into(),
        }
    }
}

pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("panic without a message")
}
