//! Where requests wait for the connection of one link: [`Lane`].
//!
//! The lane belongs to the link and outlives its connections. It is the one place where a caller
//! meets a connection: callers of any thread push, the connection's own task takes. While the
//! link is down requests stay here, bounded in number and bytes, until it is up again, the router
//! takes them elsewhere, or their deadline passes.

mod keeper;
mod overdue;
mod phases;
mod state;
mod traffic;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Context;
use std::time::Instant;

use crate::endpoint::Endpoint;
use crate::exit::Cause;
use crate::link::{Circuit, Mark};
use crate::redis::config::{Waiting, WhenDown};
use crate::redis::error::{ErrorKind, Outcome};
use crate::redis::lane::overdue::DeadlineOrder;
pub(crate) use crate::redis::lane::state::Unfinished;
use crate::redis::lane::state::{Phase, State};
use crate::redis::looking::KEEP_PLACES;
use crate::redis::memory::Gauges;
use crate::redis::request::Request;

pub(crate) use traffic::{Traffic, Working};

/// Requests that wait for one link.
#[derive(Debug)]
pub(crate) struct Lane {
    me: Weak<Self>,
    endpoint: Option<Endpoint>,
    limits: Waiting,
    when_down: WhenDown,
    /// The connection has written and hears nothing: perhaps its node is paused.
    suspect: AtomicBool,
    /// Says whether a call may go through while the link is up.
    circuit: Option<Circuit>,
    gauges: Gauges,
    /// Whoever counts what is taken from here.
    traffic: Arc<Traffic>,
    state: Mutex<State>,
    #[cfg(test)]
    looks: std::sync::atomic::AtomicU64,
}

/// What became of a request that was brought to a lane.
#[derive(Debug)]
pub(crate) enum Submitted {
    /// The link is up and takes care of it, or it was answered.
    Taken,
    /// It waits for the link to come up.
    Waits,
    /// The link is gone for good: the request belongs elsewhere.
    Gone(Request),
}

impl Lane {
    pub(crate) fn new(
        endpoint: Option<Endpoint>,
        limits: Waiting,
        when_down: WhenDown,
    ) -> Arc<Self> {
        Self::behind(None, endpoint, limits, when_down, Arc::default())
    }

    /// One behind a circuit breaker, whose traffic somebody counts.
    pub(crate) fn behind(
        circuit: Option<Circuit>,
        endpoint: Option<Endpoint>,
        limits: Waiting,
        when_down: WhenDown,
        traffic: Arc<Traffic>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            circuit,
            endpoint,
            limits,
            when_down,
            suspect: AtomicBool::new(false),
            gauges: Gauges::default(),
            traffic,
            #[cfg(test)]
            looks: Default::default(),
            state: Mutex::new(State {
                queue: VecDeque::new(),
                weight: 0,
                taken: 0,
                entered: false,
                unswept: 0,
                phase: Phase::Down(None),
                earliest: None,
                consumer: None,
                order: DeadlineOrder::default(),
                left: Unfinished::default(),
                keeper: None,
                #[cfg(test)]
                visited: 0,
            }),
        })
    }

    pub(crate) fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoint.as_ref()
    }

    pub(crate) fn circuit(&self) -> Option<&Circuit> {
        self.circuit.as_ref()
    }

    /// What the link's connection holds.
    pub(crate) fn gauges(&self) -> &Gauges {
        &self.gauges
    }

    /// Bytes of what waits here.
    pub(crate) fn weight(&self) -> usize {
        self.lock().weight
    }

    /// Somebody waits here.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.lock().queue.is_empty()
    }

    /// [`Lane::weight`], and what stands in the queue added up anew.
    #[cfg(test)]
    pub(crate) fn counted(&self) -> (usize, usize) {
        let state = self.lock();
        let counted = state.queue.iter().map(Request::weight).sum();
        (state.weight, counted)
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(self.lock().phase, Phase::Up)
    }

    /// Up, and its connection hears from its node.
    pub(crate) fn is_well(&self) -> bool {
        !self.is_suspect() && self.is_up()
    }

    /// Why there is no connection; none if there is one.
    pub(crate) fn why_down(&self) -> Option<Cause> {
        self.lock().why_down()
    }

    /// Why fast attempts were given up; none if they were not.
    pub(crate) fn why_parked(&self) -> Option<Cause> {
        match &self.lock().phase {
            Phase::Parked(cause) => Some(cause.clone()),
            Phase::Up | Phase::Down(_) | Phase::Finishing | Phase::Closed => None,
        }
    }

    pub(crate) fn is_suspect(&self) -> bool {
        self.suspect.load(Ordering::Relaxed)
    }

    pub(crate) fn set_suspect(&self, suspect: bool) {
        self.suspect.store(suspect, Ordering::Relaxed);
    }

    /// Lets a request wait here, or answers it with *not sent* and why. While the link is up its
    /// circuit breaker is asked first.
    #[inline]
    pub(crate) fn submit(&self, mut request: Request) -> Submitted {
        // It may have been a probe of another link.
        request.mark.clear();
        // One whose connection was lost was let through once; perhaps its link is not known to be
        // down yet.
        let ask = request.retries.after_loss == 0;
        self.push(request, ask)
    }

    /// Lets a request wait here that was accepted by another lane of this node and not sent: the
    /// breaker, which they share, is asked once.
    pub(crate) fn submit_again(&self, request: Request) -> Submitted {
        self.push(request, false)
    }

    /// The same for what the library itself asks: whatever the breaker says.
    pub(crate) fn submit_own(&self, request: Request) -> Submitted {
        self.push(request, false)
    }

    #[inline]
    fn push(&self, mut request: Request, ask: bool) -> Submitted {
        let mut state = self.lock();
        let submitted = match state.phase {
            Phase::Up => Submitted::Taken,
            Phase::Down(_) | Phase::Parked(_) => Submitted::Waits,
            Phase::Finishing | Phase::Closed => return Submitted::Gone(request),
        };
        state.unswept += 1;
        let mut gone = Vec::new();
        let mut fits = state.has_room_for(request.weight(), &self.limits);
        if !fits {
            gone = state.sweep();
            fits = state.has_room_for(request.weight(), &self.limits);
        }
        if let Some(kind) = self.refusal(&state, fits) {
            drop(state);
            drop(gone);
            request.fail(kind, Outcome::NotSent, self.endpoint.as_ref());
            return Submitted::Taken;
        }
        if ask
            && let Some(circuit) = &self.circuit
            && !circuit.is_free()
            && let Err(kind) = ask_circuit(circuit, &state, &mut request)
        {
            drop(state);
            request.fail(kind, Outcome::NotSent, self.endpoint.as_ref());
            return Submitted::Taken;
        }
        let waker = state.push(request);
        drop(state);
        // Dropping them may run what their callers left, which must not happen under the lock.
        drop(gone);
        if let Some(waker) = waker {
            waker.wake();
        }
        submitted
    }

    /// Why a request cannot wait here; none if it can.
    #[inline]
    fn refusal(&self, state: &State, fits: bool) -> Option<ErrorKind> {
        let full = || ErrorKind::QueueFull {
            requests: state.queue.len(),
            bytes: state.weight,
        };
        self.why_not(&state.phase).or_else(|| (!fits).then(full))
    }

    /// Gives requests to `take` until it gives one back, for which it has no room, and remembers
    /// whom to wake when the next comes. Left out are those that are overdue, which are answered, and
    /// those whose caller has gone. True: nothing waits any more.
    pub(crate) fn take(
        &self,
        cx: &Context<'_>,
        now: Instant,
        mut take: impl FnMut(Request) -> Option<Request>,
    ) -> bool {
        let mut done_for = Vec::new();
        let mut state = self.lock();
        match &state.consumer {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            _ => state.consumer = Some(cx.waker().clone()),
        }
        let waiting = state.queue.len();
        if waiting == 0 {
            return true;
        }
        while let Some(request) = state.queue.pop_front() {
            let weight = request.weight();
            state.weight -= weight;
            if request.deadline <= now || request.is_abandoned() {
                done_for.push(request);
            } else if let Some(request) = take(request) {
                state.weight += weight;
                state.queue.push_front(request);
                break;
            } else {
                state.taken += 1;
            }
        }
        let took_all = state.queue.is_empty();
        if took_all {
            state.earliest = None;
            if state.queue.capacity() > KEEP_PLACES {
                state.queue = VecDeque::new();
            }
        }
        let enters = state.is_to_enter();
        let gone = waiting - state.queue.len();
        state.order.left(gone);
        state.note_unsent(&done_for);
        drop(state);
        if enters {
            self.traffic.enter(&self.me);
        }
        self.answer_overdue(done_for, None);
        took_all
    }

    /// Puts requests that were not sent back at the front, in order. They were accepted once, so
    /// no bound refuses them now; a link that is given up does. If the link is gone for good they
    /// are returned: they belong elsewhere.
    #[must_use]
    pub(crate) fn put_back(&self, requests: Vec<Request>) -> Vec<Request> {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Closed) {
            return requests;
        }
        for request in requests.into_iter().rev() {
            state.weight += request.weight();
            state.note_deadline(request.deadline);
            state.queue.push_front(request);
        }
        state.order.forget();
        let refused = self.refuse_waiting(&mut state);
        let keeper = state.keeper.clone();
        drop(state);
        refused.answer(self.endpoint.as_ref());
        if let Some(keeper) = keeper {
            keeper.wake();
        }
        Vec::new()
    }

    /// Finishing, and something waits to be sent.
    pub(crate) fn has_last_requests(&self) -> bool {
        let state = self.lock();
        matches!(state.phase, Phase::Finishing) && !state.queue.is_empty()
    }

    /// Takes those that wait here and belong elsewhere; the order of the others stays.
    pub(crate) fn extract(&self, mut elsewhere: impl FnMut(&Request) -> bool) -> Vec<Request> {
        let mut state = self.lock();
        let (gone, kept): (Vec<Request>, Vec<Request>) = std::mem::take(&mut state.queue)
            .into_iter()
            .partition(&mut elsewhere);
        for request in &gone {
            state.weight -= request.weight();
        }
        state.queue = kept.into();
        state.order.forget();
        gone
    }

    /// Takes all that waits, to be routed anew.
    pub(crate) fn empty(&self) -> Vec<Request> {
        self.lock().clear()
    }

    /// Answers what is overdue, and tells the next deadline.
    pub(crate) fn expire(&self, now: Instant) -> Option<Instant> {
        let mut state = self.lock();
        match state.earliest {
            Some(earliest) if earliest <= now => {}
            earliest => return earliest,
        }
        let overdue = state.take_overdue(now);
        let earliest = state.earliest;
        let reason = state.why_down();
        state.note_unsent(&overdue);
        drop(state);
        self.answer_overdue(overdue, reason);
        earliest
    }

    fn answer_overdue(&self, overdue: Vec<Request>, reason: Option<Cause>) {
        for request in overdue {
            request.expire_unconnected(self.endpoint.as_ref(), reason.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        #[cfg(test)]
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks a circuit that does not let everything through. A link that is down is not asked: what
/// waits for it is sent once there is a new connection.
#[cold]
fn ask_circuit(circuit: &Circuit, state: &State, request: &mut Request) -> Result<(), ErrorKind> {
    if matches!(state.phase, Phase::Up) {
        request.mark = Mark::passed(circuit.ask().map_err(ErrorKind::CircuitOpen)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
