//! One call: its work, and who waits for the result: [`Call`].

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use futures_util::future::{Either, LocalBoxFuture, select};
use tokio::sync::oneshot;

use crate::guarded::drop_guarded;
use crate::link::{Circuit, Pass};
use crate::mysql::error::{Error, ErrorKind, Outcome, Result};
use crate::mysql::session::Session;

/// What the pool knows of a call: it waits, gets a connection, and gives it back.
pub(super) trait Work: Send {
    /// Nobody waits for it any more.
    fn is_abandoned(&self) -> bool;

    /// What it keeps while it waits, in bytes.
    fn weight(&self) -> usize;

    /// It is answered without having been tried.
    fn fail(self: Box<Self>, error: Error);

    /// May it go through? Asked once it has a connection, unless it was asked before.
    fn pass(&mut self, circuit: &Circuit) -> Result<()>;

    /// Does it. It answers its caller itself; if that one goes away it ends in the middle.
    fn run(self: Box<Self>, session: Session) -> LocalBoxFuture<'static, Session>;
}

/// Whether anything was written on behalf of a call that leaves its outcome open. The caller reads
/// it if the call is dropped unanswered.
#[derive(Debug, Clone, Default)]
pub(super) struct Written(Arc<AtomicBool>);

impl Written {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(super) fn outcome(&self) -> Outcome {
        match self.0.load(Ordering::Acquire) {
            true => Outcome::Unknown,
            false => Outcome::NotSent,
        }
    }
}

/// What a caller gave: dropping it ends nothing else, whatever its own drop does.
pub(super) struct Given<F>(Option<F>);

impl<F> Given<F> {
    pub(super) fn new(given: F) -> Self {
        Self(Some(given))
    }

    fn take(mut self) -> F {
        self.0.take().expect("it is taken once")
    }
}

impl<F> Drop for Given<F> {
    fn drop(&mut self) {
        drop_guarded(self.0.take());
    }
}

/// A call whose work is a closure.
pub(super) struct Call<F, T> {
    pub(super) work: Given<F>,
    pub(super) answer: oneshot::Sender<Result<T>>,
    pub(super) pass: Option<Pass>,
    pub(super) written: Written,
    pub(super) weight: usize,
}

impl<F, T> Work for Call<F, T>
where
    F: AsyncFnOnce(&mut Session) -> Result<T> + Send + 'static,
    T: Send + 'static,
{
    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    fn weight(&self) -> usize {
        self.weight
    }

    fn fail(self: Box<Self>, error: Error) {
        // An error means that nobody waits.
        drop(self.answer.send(Err(error)));
    }

    fn pass(&mut self, circuit: &Circuit) -> Result<()> {
        if self.pass.is_none() {
            let refused = |refusal| Error::not_sent(ErrorKind::CircuitOpen(refusal));
            self.pass = Some(circuit.ask().map_err(refused)?);
        }
        Ok(())
    }

    fn run(self: Box<Self>, mut session: Session) -> LocalBoxFuture<'static, Session> {
        async move {
            let Self {
                work,
                mut answer,
                pass,
                written,
                ..
            } = *self;
            session.begin(written);
            let working = async {
                let work = work.take();
                let working = async { work(&mut session).await };
                // A caller that is gone already is seen before anything is written.
                match select(pin!(answer.closed()), pin!(working)).await {
                    Either::Left(_) => None,
                    Either::Right((done, _)) => Some(done),
                }
            };
            // What was borrowed of the session is not used again after a panic.
            let done = AssertUnwindSafe(working).catch_unwind().await;
            let result = match done {
                Ok(Some(result)) => result,
                Err(_) => {
                    session.interrupt();
                    let outcome = session.outcome();
                    Err(Error::new(ErrorKind::Panicked, outcome))
                }
                Ok(None) => {
                    session.abandon();
                    return session;
                }
            };
            if let Some(pass) = pass {
                session.judge(pass);
            }
            // An error means that the caller went away at this moment.
            drop_guarded(answer.send(result));
            session
        }
        .boxed_local()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a caller gave, whose drop panics.
    struct Trap;

    impl Drop for Trap {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }

    #[test]
    fn a_panic_in_the_drop_of_what_a_caller_gave_is_not_the_pools() {
        let call = || {
            let (sender, answer) = oneshot::channel();
            let trap = Trap;
            let work = async move |_: &mut Session| -> Result<()> {
                let _ = &trap;
                Ok(())
            };
            let call: Box<dyn Work> = Box::new(Call {
                work: Given::new(work),
                answer: sender,
                pass: None,
                written: Written::default(),
                weight: 0,
            });
            (call, answer)
        };
        let (failed, answer) = call();
        failed.fail(Error::not_sent(ErrorKind::Stopped));
        let error = answer.blocking_recv().expect("answered");
        assert!(error.is_err());
        let (forgotten, _) = call();
        drop(forgotten);
    }
}
