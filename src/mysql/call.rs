//! One call: its work, and who waits for the result: [`Call`].

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use futures_util::future::{Either, LocalBoxFuture, select};
use tokio::sync::oneshot;

use crate::link::{Circuit, Pass};
use crate::mysql::error::{Error, ErrorKind, Outcome, Result};
use crate::mysql::session::Session;

/// What the pool knows of a call: it waits, gets a connection, and gives it back.
pub(super) trait Work: Send {
    /// Nobody waits for it any more.
    fn is_abandoned(&self) -> bool;

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

/// A call whose work is a closure.
pub(super) struct Call<F, T> {
    pub(super) work: F,
    pub(super) answer: oneshot::Sender<Result<T>>,
    pub(super) pass: Option<Pass>,
    pub(super) written: Written,
}

impl<F, T> Work for Call<F, T>
where
    F: AsyncFnOnce(&mut Session) -> Result<T> + Send + 'static,
    T: Send + 'static,
{
    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
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
            } = *self;
            session.begin(written);
            let done = {
                // What was borrowed of the session is not used again after a panic.
                let working = AssertUnwindSafe(async { work(&mut session).await }).catch_unwind();
                // A caller that is gone already is seen before anything is written.
                match select(pin!(answer.closed()), pin!(working)).await {
                    Either::Left(_) => None,
                    Either::Right((done, _)) => Some(done),
                }
            };
            let result = match done {
                Some(Ok(result)) => result,
                Some(Err(_)) => {
                    session.interrupt();
                    let outcome = session.outcome();
                    Err(Error::new(ErrorKind::Panicked, outcome))
                }
                None => {
                    session.abandon();
                    return session;
                }
            };
            if let Some(pass) = pass {
                session.judge(pass);
            }
            // An error means that the caller went away at this moment.
            drop(answer.send(result));
            session
        }
        .boxed_local()
    }
}
