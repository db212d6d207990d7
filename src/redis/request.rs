//! One command on its way, with the promise to answer it exactly once: [`Request`].

mod replies;

use std::mem::{self, ManuallyDrop};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::sync::oneshot;

use crate::endpoint::Endpoint;
use crate::exit::Cause;
use crate::link::Mark;
pub(crate) use crate::redis::awaited::Answer;
use crate::redis::awaited::Answerer;
use crate::redis::command::Command;
use crate::redis::error::{Error, ErrorKind, Outcome};
use crate::redis::retry::{Failure, RetryPolicy};
use crate::redis::seat::Seat;
use crate::redis::slot::Slot;
use crate::redis::spares::{Depot, Spares};
use crate::redis::value::ServerError;

pub(crate) use replies::Gather;
pub use replies::Replies;

/// A command on its way. It resolves exactly once: whoever drops it without an answer answers
/// with an error that says what can be known.
///
/// On its way it is moved a dozen times, through the lane and what is in flight: a box costs less
/// than to move 200 bytes so often, and the next request of the thread uses it again. Its destructor
/// takes the box out, so nothing is left to look at after it.
#[derive(Debug)]
pub(crate) struct Request(ManuallyDrop<Option<Box<Parts>>>);

const WHOLE: &str = "a request keeps its parts until it is dropped; nothing is asked of `NONE`";

static SHARED_BOXES: Depot<Box<Parts>> = Depot::new();

thread_local! {
    static BOXES: Spares<Box<Parts>> = const { Spares::new(&SHARED_BOXES) };
}

/// What there is to know of a [`Request`].
#[derive(Debug)]
pub(crate) struct Parts {
    /// It is there until the request is dropped.
    command: Option<Command>,
    /// The slot of its keys; none for a command without a key.
    pub(crate) slot: Option<Slot>,
    /// Whose connections it goes over.
    pub(crate) seat: Seat,
    /// It may be sent again though it may have been executed: it only reads, or is idempotent, or
    /// its caller wants it at least once.
    pub(crate) repeatable: bool,
    /// It is never sent again, whatever the policy says.
    pub(crate) once: bool,
    /// A script or function, of which a part may have run before an error.
    pub(crate) script: bool,
    /// Send `ASKING` before it.
    pub(crate) asking: bool,
    /// Redirects followed so far.
    pub(crate) redirects: u8,
    /// How often it was tried again.
    pub(crate) retries: Retries,
    /// Why it was put off the last time: should its deadline pass, that is its answer.
    refusal: Option<Box<Refusal>>,
    /// What it takes of a bound.
    weight: usize,
    /// When its call must end.
    pub(crate) deadline: Instant,
    /// The length of that deadline, for the error that tells of it.
    pub(crate) timeout: Duration,
    /// When its present sending must be answered; at most the deadline.
    pub(crate) due: Instant,
    /// The last byte of a sending of it, this one or an earlier one, may have been handed to the
    /// kernel, and no reply to that came.
    pub(crate) perhaps_sent: bool,
    /// What the circuit breaker of its link knows of it.
    pub(crate) mark: Mark,
    responder: Responder,
}

/// How often a request was tried again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Retries {
    pub(crate) all: u32,
    /// Since the topology was last read anew for it.
    pub(crate) this_round: u32,
    /// How often it was.
    pub(crate) rounds: u32,
    /// Because its connection was lost before it was answered.
    pub(crate) after_loss: u8,
}

/// An error reply after which a request is tried again, and who gave it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) error: ServerError,
    pub(crate) endpoint: Endpoint,
}

/// Where an answer goes.
#[derive(Debug)]
pub(crate) enum Responder {
    /// A caller of a client.
    Caller(Answerer),
    /// A mailbox's own sender.
    One(oneshot::Sender<Answer>),
    /// One part of a pipeline.
    Part(Arc<Gather>, usize),
    /// Nobody waits, or it was answered already.
    Nobody,
}

impl Request {
    /// What stands where there is none: the only one that answers nobody. Nothing may be asked of it.
    pub(crate) const NONE: Self = Self(ManuallyDrop::new(None));

    // Always: 17 instructions per call more where the compiler leaves it out, as it does by a hair.
    #[inline(always)]
    pub(crate) fn new(
        command: Command,
        deadline: Instant,
        timeout: Duration,
        responder: Responder,
    ) -> Self {
        let parts = Parts {
            weight: command.weight() + size_of::<Parts>(),
            command: Some(command),
            slot: None,
            seat: Seat::SHARED,
            repeatable: false,
            script: false,
            asking: false,
            redirects: 0,
            once: false,
            retries: Retries::default(),
            refusal: None,
            deadline,
            due: deadline,
            timeout,
            perhaps_sent: false,
            mark: Mark::default(),
            responder,
        };
        Self(ManuallyDrop::new(Some(
            match BOXES.try_with(Spares::take) {
                Ok(Some(mut spare)) => {
                    // What it held is gone already: there is nothing to drop, nor to look for.
                    debug_assert!(spare.is_empty());
                    mem::forget(mem::replace(&mut *spare, parts));
                    spare
                }
                Ok(None) | Err(_) => Box::new(parts),
            },
        )))
    }

    /// What it takes of a bound: its bytes, and what keeping it costs.
    #[inline]
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    /// Why it is put off, or that an earlier reason holds no more.
    pub(crate) fn set_refusal(&mut self, refusal: Option<Refusal>) {
        let weight = |refusal: &Refusal| refusal.error.as_bytes().len() + size_of::<Refusal>();
        self.weight -= self.refusal.as_deref().map_or(0, weight);
        self.weight += refusal.as_ref().map_or(0, weight);
        self.refusal = refusal.map(Box::new);
    }

    /// What says when it is sent again.
    #[inline]
    pub(crate) fn policy<'a>(&'a self, configured: &'a RetryPolicy) -> &'a RetryPolicy {
        let own = self.command.as_ref().and_then(Command::own_retry);
        own.map_or(configured, |policy| policy)
    }

    /// How many bytes it has on the wire.
    #[inline]
    pub(crate) fn wire_len(&self) -> usize {
        self.command.as_ref().map_or(0, Command::wire_len)
    }

    /// Those from this one on, where they lie.
    pub(crate) fn pieces(&self, from: usize) -> impl Iterator<Item = &[u8]> {
        let command = self.command.iter();
        command.flat_map(move |command| command.pieces(from))
    }

    #[inline]
    pub(crate) fn write_to(&self, out: &mut BytesMut) {
        if let Some(command) = &self.command {
            command.write_to(out);
        }
    }

    /// It is written now: until when must it be answered?
    #[inline]
    pub(crate) fn begin_attempt(&mut self, now: Instant, configured: &RetryPolicy) {
        if let Some(timeout) = self.policy(configured).attempt_timeout
            && self.repeatable
            && self.policy(configured).is_on(Failure::Timeout)
        {
            // A time beyond what the clock can tell is as good as none.
            let due = now.checked_add(timeout);
            self.due = due.map_or(self.deadline, |due| due.min(self.deadline));
        }
    }

    /// Nobody waits for the answer any more.
    #[inline]
    pub(crate) fn is_abandoned(&self) -> bool {
        match &self.responder {
            Responder::Caller(answerer) => answerer.is_abandoned(),
            Responder::One(sender) => sender.is_closed(),
            Responder::Part(gather, _) => gather.is_abandoned(),
            Responder::Nobody => false,
        }
    }

    #[inline]
    pub(crate) fn resolve(mut self, answer: Answer) {
        self.answer(answer);
    }

    /// Answers with an error that names the command and the endpoint. What an earlier sending
    /// left unknown, no later refusal makes known.
    pub(crate) fn fail(self, kind: ErrorKind, outcome: Outcome, endpoint: Option<&Endpoint>) {
        self.fail_because(kind, outcome, endpoint, None);
    }

    /// As [`Request::fail`], and adds what lies behind it.
    pub(crate) fn fail_because(
        mut self,
        kind: ErrorKind,
        outcome: Outcome,
        endpoint: Option<&Endpoint>,
        reason: Option<Cause>,
    ) {
        let outcome = match outcome {
            _ if self.perhaps_sent => Outcome::Unknown,
            // A server had it.
            Outcome::NotSent => self.outcome_without_reply(),
            outcome => outcome,
        };
        let error = self.error(kind, outcome, endpoint).because(reason);
        self.answer(Err(error));
    }

    /// The deadline passed while there was no connection, for this reason.
    pub(crate) fn expire_unconnected(self, endpoint: Option<&Endpoint>, reason: Option<Cause>) {
        let kind = ErrorKind::Deadline(self.timeout);
        self.give_up(kind, endpoint, reason);
    }

    /// Its client ends before it could be sent again.
    pub(crate) fn stop(self) {
        self.give_up(ErrorKind::Stopped, None, None);
    }

    /// It waited for a sending that does not come: why it was put off is its answer, else this.
    fn give_up(mut self, kind: ErrorKind, endpoint: Option<&Endpoint>, reason: Option<Cause>) {
        // A sending that has no answer yet makes a refusal before it old news.
        let refusal = self.refusal.take().filter(|_| !self.perhaps_sent);
        if let Some(refusal) = refusal {
            let Refusal { error, endpoint } = *refusal;
            let kind = ErrorKind::Server(error);
            self.fail_because(kind, Outcome::Refused, Some(&endpoint), reason);
            return;
        }
        self.fail_because(kind, Outcome::NotSent, endpoint, reason);
    }

    /// The deadline passed.
    pub(crate) fn expire(self, endpoint: Option<&Endpoint>) {
        self.expire_unconnected(endpoint, None);
    }

    pub(crate) fn outcome_without_reply(&self) -> Outcome {
        match self.refusal {
            _ if self.perhaps_sent => Outcome::Unknown,
            Some(_) => Outcome::Refused,
            None => Outcome::NotSent,
        }
    }

    fn name(&self) -> &str {
        self.command.as_ref().map_or("", Command::name)
    }

    fn error(&self, kind: ErrorKind, outcome: Outcome, endpoint: Option<&Endpoint>) -> Error {
        let error = Error::new(kind, outcome).of(self.name());
        match endpoint {
            Some(endpoint) => error.at(endpoint),
            None => error,
        }
    }

    #[inline]
    fn answer(&mut self, answer: Answer) {
        match mem::replace(&mut self.responder, Responder::Nobody) {
            Responder::Caller(answerer) => answerer.give(answer),
            // An error means that the caller has gone; nobody to tell.
            Responder::One(sender) => drop(sender.send(answer)),
            Responder::Part(gather, index) => gather.put(index, answer),
            Responder::Nobody => {}
        }
    }
}

impl Deref for Request {
    type Target = Parts;

    #[inline]
    fn deref(&self) -> &Parts {
        self.0.as_ref().expect(WHOLE)
    }
}

impl DerefMut for Request {
    #[inline]
    fn deref_mut(&mut self) -> &mut Parts {
        self.0.as_mut().expect(WHOLE)
    }
}

impl Parts {
    /// Gives away or drops all that has a destructor, as [`Request::new`] relies on. Each field is
    /// named, so that one that is added is thought of here.
    #[inline]
    fn empty(&mut self) {
        let Self {
            command,
            refusal,
            mark,
            // Answered: it is `Nobody`.
            responder: _,
            // Plain values.
            slot: _,
            seat: _,
            repeatable: _,
            once: _,
            script: _,
            asking: _,
            redirects: _,
            retries: _,
            weight: _,
            deadline: _,
            timeout: _,
            due: _,
            perhaps_sent: _,
        } = self;
        if let Some(command) = command.take() {
            command.recycle();
        }
        if refusal.is_some() {
            *refusal = None;
        }
        mark.clear();
    }

    fn is_empty(&self) -> bool {
        let answered = matches!(self.responder, Responder::Nobody);
        answered && self.command.is_none() && self.refusal.is_none() && !self.mark.is_probe()
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if self.0.is_none() {
            return;
        }
        if !matches!(self.responder, Responder::Nobody) {
            let error = self.error(ErrorKind::Stopped, self.outcome_without_reply(), None);
            self.answer(Err(error));
        }
        if let Some(mut parts) = self.0.take() {
            parts.empty();
            // An error means that the thread ends.
            let _ = BOXES.try_with(|boxes| boxes.keep(parts));
        }
    }
}

#[cfg(test)]
mod tests;
