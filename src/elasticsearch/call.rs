//! One request, from its acceptance to its answer: finds a node, and another where that is safe.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::elasticsearch::cluster::Shared;
use crate::elasticsearch::error::{Error, ErrorKind, Outcome, Result};
use crate::elasticsearch::node::{Job, Node};
use crate::elasticsearch::request::Request;
use crate::elasticsearch::response::Response;
use crate::elasticsearch::rotation::Turn;
use crate::elasticsearch::wire::{Fault, Written};
use crate::exit::{Cause, CauseKind, Class};
use crate::link::Pass;
use crate::policy::Refusal;

/// When all nodes that are up failed this request before it was written to one of them.
const BREATH: Duration = Duration::from_millis(100);
/// In place of a deadline that no clock can tell.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// A request under way.
pub(super) struct Call<'a> {
    shared: &'a Arc<Shared>,
    request: &'a Request,
    written: &'a Written,
    began: Instant,
    limit: Duration,
    /// Nodes that had it, or said no, in this round.
    passed_over: Vec<Arc<Node>>,
    /// Repetitions of what was written.
    repeats: u32,
    /// The outcome of a try is open: no later one can take that back.
    open: bool,
    last: Option<Error>,
    /// Those passed over of whom their breakers said no in this round.
    refused: Vec<(Arc<Node>, Refusal)>,
}

/// A node that may have the request now.
struct Chosen {
    node: Arc<Node>,
    pass: Option<Pass>,
    room: OwnedSemaphorePermit,
}

/// Carries out a request that was checked and has its place; `began` is when the caller made it.
///
/// # Errors
/// See [`ErrorKind`].
pub(super) async fn call(
    shared: &Arc<Shared>,
    request: &Request,
    written: &Written,
    began: Instant,
) -> Result<Response> {
    let limit = request
        .deadline()
        .unwrap_or(shared.settings().timeouts.request);
    let mut call = Call {
        shared,
        request,
        written,
        began,
        limit,
        passed_over: Vec::new(),
        repeats: 0,
        open: false,
        last: None,
        refused: Vec::new(),
    };
    loop {
        let chosen = call.choose().await?;
        if let Some(answer) = call.attempt(chosen).await {
            return answer;
        }
    }
}

impl Call<'_> {
    fn due(&self) -> Instant {
        let due = self.began.checked_add(self.limit);
        due.unwrap_or_else(|| self.began + FAR)
    }

    /// All nodes may be tried again.
    fn begin_round(&mut self) {
        self.passed_over.clear();
        self.refused.clear();
    }

    /// When the first of the breakers that said no is worth asking again, if one is.
    fn refused_until(&self, now: Instant) -> Option<Instant> {
        let refusals = self.refused.iter();
        let soonest = refusals.filter_map(|it| it.1.retry_after).min()?;
        now.checked_add(soonest.max(BREATH))
    }

    /// The breakers that said no may be asked again.
    fn forget_refusals(&mut self) {
        for (node, _) in self.refused.drain(..) {
            self.passed_over.retain(|it| !Arc::ptr_eq(it, &node));
        }
    }

    /// A node with room for the request, before its deadline.
    async fn choose(&mut self) -> Result<Chosen> {
        // Watched before it is looked at: no news is missed.
        let mut news = self.shared.changed.subscribe();
        let mut stranded = None;
        loop {
            news.mark_unchanged();
            let nodes = self.shared.nodes();
            let now = Instant::now();
            if now >= self.due() {
                return Err(self.late(None));
            }
            let until = match self.shared.turn(&nodes, &self.passed_over) {
                Turn::Take(at) => match self.take(&nodes[at]).await {
                    Some(chosen) => return Ok(chosen),
                    None => continue,
                },
                Turn::Rest(until) => {
                    let until = Instant::from_std(until);
                    let until = self.refused_until(now).map_or(until, |it| it.min(until));
                    if until >= self.due() {
                        return Err(self.in_vain());
                    }
                    self.forget_refusals();
                    until
                }
                Turn::AllPassedOver => {
                    if self.refused.len() == self.passed_over.len()
                        && let Some((_, refusal)) = self.refused.pop()
                    {
                        return Err(self.end_with(ErrorKind::CircuitOpen(refusal)));
                    }
                    self.begin_round();
                    now + BREATH
                }
                Turn::Parked(cause) => return Err(self.end_with(ErrorKind::Parked(cause))),
                Turn::Stopped => return Err(self.end_with(ErrorKind::Stopped)),
                Turn::Wait(cause) => {
                    self.begin_round();
                    stranded.get_or_insert_with(|| self.shared.strand());
                    if wait(&mut news, self.due()).await {
                        continue;
                    }
                    return Err(self.late(cause));
                }
            };
            wait(&mut news, until.min(self.due())).await;
        }
    }

    /// Waits for room with it, if its breaker lets the request through; none: it went away.
    async fn take(&mut self, node: &Arc<Node>) -> Option<Chosen> {
        let pass = match node.circuit.as_ref().map(|circuit| circuit.ask()) {
            Some(Ok(pass)) => Some(pass),
            Some(Err(refusal)) => {
                self.refused.push((Arc::clone(node), refusal));
                self.passed_over.push(Arc::clone(node));
                return None;
            }
            None => None,
        };
        let room = Arc::clone(&node.room);
        let room = match Arc::clone(&room).try_acquire_owned() {
            Ok(room) => room,
            Err(_) => {
                let mut news = self.shared.changed.subscribe();
                let entering = pin!(room.acquire_owned());
                let news = pin!(wait(&mut news, self.due()));
                match select(entering, news).await {
                    Either::Left((Ok(room), _)) => room,
                    // Something changed: look again.
                    Either::Left((Err(_), _)) | Either::Right(_) => return None,
                }
            }
        };
        Some(Chosen {
            node: Arc::clone(node),
            pass,
            room,
        })
    }

    /// One try; none: there is to be another.
    async fn attempt(&mut self, chosen: Chosen) -> Option<Result<Response>> {
        let Chosen { node, pass, room } = chosen;
        let timeouts = self.shared.settings().timeouts;
        let now = Instant::now();
        let (due, whole) = match self.request.is_idempotent() {
            true => (
                self.due().min(now + timeouts.attempt),
                self.limit.min(timeouts.attempt),
            ),
            false => (self.due(), self.limit.min(FAR)),
        };
        let fair = due.saturating_duration_since(now) >= whole / 2;
        let (answer, answered) = oneshot::channel();
        let written = Written::default();
        let job = Job {
            request: self.request.clone(),
            due,
            fair,
            written: written.clone(),
            answer,
        };
        // Whoever waits for us sees it too, if all of this is dropped.
        let guard = Mirror {
            own: &written,
            all: self.written,
        };
        if node.send(job).is_err() {
            // It went down at this moment.
            self.passed_over.push(node);
            return None;
        }
        let result = answered.await.unwrap_or_else(|_| {
            Err(Fault {
                kind: ErrorKind::Lost(node.cause_of_loss()),
                outcome: written.outcome(),
            })
        });
        drop(guard);
        drop(room);
        match result {
            Ok(response) => {
                if let Some(pass) = pass {
                    pass.succeeded();
                }
                self.answered(&node, response)
            }
            Err(fault) => {
                if let (Some(pass), ErrorKind::Deadline(_), true) = (pass, &fault.kind, fair) {
                    pass.failed();
                }
                self.failed(node, fault)
            }
        }
    }

    fn answered(&mut self, node: &Arc<Node>, response: Response) -> Option<Result<Response>> {
        let kind = match response.status() {
            401 | 407 => {
                let error = Error::new(ErrorKind::Denied(response), Outcome::Refused);
                return Some(Err(self.ended(node.at(error))));
            }
            429 if response.may_be_partial() => Outcome::Unknown,
            // Refused before anything was done.
            429 => Outcome::Refused,
            // A node that goes, or a proxy before one that went: it may have been carried out.
            502..=504 => Outcome::Unknown,
            _ => {
                node.works();
                return Some(Ok(response));
            }
        };
        if matches!(response.status(), 429 | 503) {
            node.rest(response.retry_after());
        }
        let error = node.at(Error::new(ErrorKind::Busy(response), kind));
        self.again(node, error, false)
    }

    fn failed(&mut self, node: Arc<Node>, fault: Fault) -> Option<Result<Response>> {
        let kind = match fault.kind {
            ErrorKind::Deadline(_) if Instant::now() >= self.due() => {
                let error = Error::new(ErrorKind::Deadline(self.limit), fault.outcome);
                return Some(Err(self.ended(node.at(error))));
            }
            ErrorKind::Deadline(_) => ErrorKind::Deadline(self.shared.settings().timeouts.attempt),
            kind => kind,
        };
        let is_lost = matches!(kind, ErrorKind::Lost(_) | ErrorKind::Deadline(_));
        let permanent = matches!(&kind, ErrorKind::Lost(it) if it.class() == Class::Permanent);
        let error = node.at(Error::new(kind, fault.outcome));
        if !is_lost || (permanent && self.shared.nodes().len() == 1) {
            return Some(Err(self.ended(error)));
        }
        let free = fault.outcome == Outcome::NotSent;
        self.again(&node, error, free)
    }

    /// Tries another node if that is safe; `free`: nothing was written, so that it is no load.
    fn again(&mut self, node: &Arc<Node>, error: Error, free: bool) -> Option<Result<Response>> {
        let safe = error.outcome().is_safe_to_repeat() || self.request.is_idempotent();
        let counted = !error.outcome().is_safe_to_repeat();
        let within = !counted || self.repeats < self.shared.settings().repeats;
        if !safe || !within || !(free || self.shared.may_repeat()) {
            return Some(Err(self.ended(error)));
        }
        if counted {
            self.repeats += 1;
        }
        self.open |= error.outcome() == Outcome::Unknown;
        self.last = Some(error);
        self.passed_over.push(Arc::clone(node));
        None
    }

    /// The deadline passed while it waited for a node.
    fn late(&mut self, cause: Option<Cause>) -> Error {
        let last = self.last.take();
        let cause = cause.or_else(|| last.as_ref()?.cause().cloned());
        self.end_with(ErrorKind::NoNode {
            waited: self.began.elapsed(),
            cause,
        })
    }

    /// All nodes are busy for longer than it can wait.
    fn in_vain(&mut self) -> Error {
        match self.last.take() {
            Some(last) => self.ended(last),
            None => {
                let why = "all nodes ask to be left alone for longer than its deadline";
                self.late(Some(Cause::new(CauseKind::Unavailable, why)))
            }
        }
    }

    fn end_with(&self, kind: ErrorKind) -> Error {
        self.ended(Error::not_sent(kind))
    }

    /// A try that was not sent says nothing of one before it that was.
    fn ended(&self, error: Error) -> Error {
        match self.open && error.outcome().is_safe_to_repeat() {
            true => error.with_outcome(Outcome::Unknown),
            false => error,
        }
    }
}

/// Writes through what is known of one try, as long as it is under way.
struct Mirror<'a> {
    own: &'a Written,
    all: &'a Written,
}

impl Drop for Mirror<'_> {
    fn drop(&mut self) {
        if self.own.outcome() == Outcome::Unknown {
            self.all.set(true);
        }
    }
}

/// False: the time came first.
async fn wait(news: &mut tokio::sync::watch::Receiver<()>, until: Instant) -> bool {
    match timeout_at(until, news.changed()).await {
        Ok(Ok(())) => true,
        // Whoever tells is gone with all nodes.
        Ok(Err(_)) => {
            sleep_until(until).await;
            false
        }
        Err(_) => false,
    }
}
