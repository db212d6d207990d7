//! A connection lent to one call: [`Session`].

use std::fmt;
use std::sync::Arc;

use mysql_async::Params;
use mysql_async::prelude::Queryable;

use crate::exit::{Cause, CauseKind};
use crate::link::Pass;
use crate::mysql::answer::Answer;
use crate::mysql::call::Written;
use crate::mysql::effect::Effect;
use crate::mysql::error::{Error, ErrorKind, Outcome, Result, SessionId};
use crate::mysql::lending::{Mishap, Progress, Purpose, Remains, Transaction};
use crate::mysql::queue::Shared;
use crate::mysql::reading::{Fate, Reading, fits, gather};
use crate::mysql::statement::Statement;
use crate::mysql::verdict;
use crate::mysql::wire::Wire;

/// A connection lent to the work of one call: all its statements run on the same connection, one
/// after the other.
///
/// Nothing that is done to it is seen by who comes next: it is reset before it goes back to the
/// pool, and closed if it cannot be.
pub struct Session {
    id: SessionId,
    shared: Arc<Shared>,
    wire: Option<Wire>,
    mishap: Option<Mishap>,
    written: Written,
    purpose: Purpose,
    progress: Progress,
    transaction: Transaction,
    /// A statement was begun and not waited for: the server may still work on it.
    orphan: Option<u32>,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, wire: Wire) -> Self {
        Self {
            id: SessionId::fresh(),
            shared,
            wire: Some(wire),
            mishap: None,
            written: Written::default(),
            purpose: Purpose::Statement,
            progress: Progress::Untouched,
            transaction: Transaction::None,
            orphan: None,
        }
    }

    /// Executes a statement without parameters, by the text protocol.
    ///
    /// # Errors
    /// See [`ErrorKind`]; [`Error::outcome`] tells what became of it. After a deadline or a loss
    /// the session is of no more use.
    pub async fn query(&mut self, statement: impl Into<Statement>) -> Result<Answer> {
        self.execute(&statement.into(), None).await
    }

    /// Prepares a statement, unless this connection has it prepared already, and executes it with
    /// these parameters.
    ///
    /// # Errors
    /// As [`query`](Self::query), and if the parameters do not fit: *not sent*.
    pub async fn exec(
        &mut self,
        statement: impl Into<Statement>,
        params: impl Into<Params>,
    ) -> Result<Answer> {
        self.execute(&statement.into(), Some(params.into())).await
    }

    pub(super) async fn execute(
        &mut self,
        statement: &Statement,
        params: Option<Params>,
    ) -> Result<Answer> {
        let result = self.attempt(statement, params).await;
        let settings = self.shared.settings();
        result.map_err(|error| {
            let error = error.at(&settings.endpoint).of(&statement.verb());
            error.of_session(self.id)
        })
    }

    async fn attempt(&mut self, statement: &Statement, params: Option<Params>) -> Result<Answer> {
        // The statement before this one was not waited for.
        let forgotten = self.progress == Progress::UnderWay;
        if self.transaction == Transaction::InDoubt && !forgotten {
            self.look_after_transaction().await;
        }
        if forgotten || self.transaction == Transaction::Over {
            self.interrupt();
        }
        let Some(wire) = self.wire.as_mut() else {
            let stalled = "a statement before passed its deadline";
            let cause = match &self.mishap {
                Some(Mishap::Lost(cause)) => cause.clone(),
                Some(Mishap::Overdue) => Cause::new(CauseKind::Stalled, stalled),
                None => Cause::new(CauseKind::Closed, "a statement before ended its use"),
            };
            return Err(Error::not_sent(ErrorKind::Lost(cause)));
        };
        let settings = self.shared.settings();
        let limit = statement.deadline().unwrap_or(settings.timeouts.query);
        let effect = statement.effect();
        // A prepared one is always single. What changes something is carried out by the server only
        // as far as its answer is read.
        let single = params.is_some() || statement.is_single();
        let reading = Reading {
            most: settings.pool.answer_bytes,
            effect,
            cuts: single && effect == Effect::Reads,
        };
        let mut sent = false;
        let mark = || {
            if self.purpose != Purpose::Transaction {
                self.written.set();
            }
        };
        self.progress = Progress::UnderWay;
        let running = async {
            match params {
                None => {
                    mark();
                    sent = true;
                    let result = wire.conn().query_iter(statement.sql());
                    gather(result, reading).await
                }
                Some(params) => {
                    let prepared = match wire.conn().prep(statement.sql()).await {
                        Ok(prepared) => prepared,
                        Err(fault) => return Fate::Failed(verdict::on_statement(fault, None)),
                    };
                    if let Err(error) = fits(&prepared, &params) {
                        return Fate::Failed(error);
                    }
                    mark();
                    sent = true;
                    gather(wire.conn().exec_iter(prepared, params), reading).await
                }
            }
        };
        let ended = tokio::time::timeout(limit, running).await;
        self.progress = Progress::Between;
        match ended {
            Ok(Fate::Done(mut answer)) => {
                answer.session = Some(self.id);
                let open = self.wire.as_ref().is_some_and(Wire::has_transaction);
                self.transaction = Transaction::after_success(open);
                Ok(answer)
            }
            Ok(Fate::Failed(error)) => {
                match error.kind() {
                    ErrorKind::Lost(cause) => self.lose(cause.clone()),
                    ErrorKind::Server(server) if self.purpose == Purpose::Transaction => {
                        self.transaction = self.transaction.after_error(server.code());
                    }
                    ErrorKind::Server(_) => {}
                    // The driver closes a connection whose parameters did not fit.
                    _ if sent => self.wire = None,
                    _ => {}
                }
                Err(error)
            }
            Ok(Fate::TooLarge) => {
                let kind = ErrorKind::TooLarge(reading.most);
                Err(Error::new(kind, Outcome::Executed))
            }
            Ok(Fate::CutOff) => {
                self.interrupt();
                // The server ends it in the middle: what a function of it did is taken back, or not.
                let kind = ErrorKind::TooLarge(reading.most);
                Err(Error::new(kind, Outcome::Unknown))
            }
            Err(_) => {
                self.mishap = Some(Mishap::Overdue);
                self.interrupt();
                let outcome = match sent {
                    true => Outcome::Unknown,
                    false => Outcome::NotSent,
                };
                Err(Error::new(ErrorKind::Deadline(limit), outcome))
            }
        }
    }

    /// Asks whether the server still has the transaction: which errors end it depends on the
    /// server and its settings, and the error does not say. A ping's answer does.
    async fn look_after_transaction(&mut self) {
        let limit = self.shared.settings().health.timeout;
        let Some(wire) = self.wire.as_mut() else {
            return;
        };
        self.progress = Progress::UnderWay;
        let answered = wire.answers(limit).await;
        self.progress = Progress::Between;
        match answered {
            Ok(()) if wire.has_transaction() => self.transaction = Transaction::Open,
            Ok(()) => self.transaction = Transaction::Over,
            Err(cause) => self.lose(cause),
        }
    }

    fn lose(&mut self, cause: Cause) {
        self.wire = None;
        self.mishap.get_or_insert(Mishap::Lost(cause));
    }

    /// The call begins.
    pub(super) fn begin(&mut self, written: Written) {
        self.written = written;
    }

    /// The work of a session of its own: it is reset afterwards.
    pub(super) async fn carry_out<T, F>(&mut self, work: F) -> Result<T>
    where
        F: AsyncFnOnce(&mut Self) -> Result<T>,
    {
        self.purpose = Purpose::Session;
        let result = work(self).await;
        result.map_err(|error| error.reason_of(self.id, self.outcome()))
    }

    /// `BEGIN`, the work, and `COMMIT` or `ROLLBACK`.
    pub(super) async fn transact<T, F>(&mut self, work: F) -> Result<T>
    where
        F: AsyncFnOnce(&mut Self) -> Result<T>,
    {
        self.purpose = Purpose::Transaction;
        // Whatever becomes of it: without a COMMIT nothing stays.
        self.query("BEGIN").await.map_err(|error| {
            let refused = error.outcome() == Outcome::Refused;
            match refused {
                true => error,
                false => error.with_outcome(Outcome::NotSent),
            }
        })?;
        let result = work(self).await;
        match result {
            Ok(value) => {
                self.purpose = Purpose::Commit;
                let committed = self.query("COMMIT").await;
                committed.map_err(|error| match error.outcome() {
                    Outcome::NotSent => error.with_outcome(Outcome::RolledBack),
                    _ => error,
                })?;
                Ok(value)
            }
            Err(error) => {
                // Whatever is known of it: nothing follows but its end.
                self.transaction = Transaction::None;
                if self.wire.is_some() && self.query("ROLLBACK").await.is_err() {
                    // Without its connection it is rolled back just as well.
                    self.wire = None;
                }
                let error = error.reason_of(self.id, Outcome::RolledBack);
                Err(match error.outcome() {
                    Outcome::Refused | Outcome::NotSent | Outcome::RolledBack => error,
                    Outcome::Unknown | Outcome::Executed | Outcome::Answered => {
                        // What was done elsewhere is not taken back.
                        match error.is_of_session(self.id) {
                            true => error.with_outcome(Outcome::RolledBack),
                            false => error,
                        }
                    }
                })
            }
        }
    }

    /// Whoever used it went away: in the middle of a statement its connection is of no more use.
    pub(super) fn interrupt(&mut self) {
        if let Some(wire) = self.wire.take()
            && self.progress != Progress::Untouched
        {
            self.orphan = Some(wire.id());
        }
    }

    /// The caller is gone: what it has not used is as good as ever.
    pub(super) fn abandon(&mut self) {
        if self.progress != Progress::Untouched {
            self.interrupt();
        }
    }

    pub(super) fn outcome(&self) -> Outcome {
        self.written.outcome()
    }

    /// Tells the breaker what became of the call. A loss is the supervisor's to tell.
    pub(super) fn judge(&self, pass: Pass) {
        match self.mishap {
            Some(Mishap::Overdue) => pass.failed(),
            Some(Mishap::Lost(_)) => {}
            None => pass.succeeded(),
        }
    }

    /// What is left of it, the connection made as good as new.
    pub(super) async fn clean(mut self) -> Remains {
        let limit = self.shared.settings().health.timeout;
        if self.progress == Progress::UnderWay {
            self.interrupt();
        }
        let mut wire = self.wire.take();
        if let Some(used) = wire.as_mut()
            && (self.purpose != Purpose::Statement || used.is_dirty())
            && !used.reset(limit).await
        {
            wire = None;
        }
        Remains {
            wire,
            mishap: self.mishap,
            orphan: self.orphan,
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("connection", &self.wire.as_ref().map(Wire::id))
            .field("mishap", &self.mishap)
            .finish_non_exhaustive()
    }
}
