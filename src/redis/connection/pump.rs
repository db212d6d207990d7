//! The socket's work, as one future: [`Pump`] takes requests from the lane, writes them, reads
//! replies and answers callers, and watches that the peer makes progress.
//!
//! Reading never waits for writing, nor the other way round: a server that stops reading because
//! its own replies are not read would otherwise block both for ever. One turn takes in a bounded
//! amount, then yields to whatever else runs on the arbiter.

mod alarm;
mod blocks;
mod overdue;
mod reading;
mod writing;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::BytesMut;

use crate::clock::now;
use crate::exit::{Cause, CauseKind};
use crate::link::Tally;
use crate::redis::cluster::Signal;
use crate::redis::config::Config;
use crate::redis::connection::ending::{Ending, Wish};
use crate::redis::connection::exchange::Exchange;
use crate::redis::connection::in_flight::{Expected, InFlight, Place};
use crate::redis::connection::pump::alarm::Alarm;
use crate::redis::connection::pump::blocks::Blocks;
use crate::redis::connection::pump::reading::READ_CHUNK;
use crate::redis::connection::transport::Stream;
use crate::redis::connection::vigil::{Verdict, Vigil};
use crate::redis::error::{ErrorKind, Outcome};
use crate::redis::handoff::{Handoff, News, Reason};
use crate::redis::lane::{Lane, Working};
use crate::redis::refusal::outcome_of;
use crate::redis::request::Request;
use crate::redis::resp::Decoder;
use crate::redis::value::{ServerError, Value};
use crate::registry::LastUsed;

const ASKING: &[u8] = b"*1\r\n$6\r\nASKING\r\n";
const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

/// Rounds of reading, taking and writing in one turn.
const ROUNDS_PER_TURN: usize = 8;
/// Buffers that grew beyond this are released once they are empty; all of them before a health
/// check, or in its place where there are none, when nothing was read for a while.
const KEEP_BUFFER: usize = 256 * 1024;

/// The socket's work. Resolves with the cause when the connection ends; dropping it at any time
/// settles every request it holds.
pub(crate) struct Pump {
    stream: Box<dyn Stream>,
    decoder: Decoder,
    unread: BytesMut,
    /// The least that a read is given room for.
    chunk: usize,
    blocks: Blocks,
    /// A wave ended before all replies were looked at.
    has_unanswered: bool,
    unwritten: BytesMut,
    /// The newest request is too large for the write buffer, and written from where it is, behind that.
    large: bool,
    /// The stream may keep what it took for itself, as TLS does, until it is flushed.
    unflushed: bool,
    in_flight: InFlight,
    working: Working,
    lane: Arc<Lane>,
    /// In this turn all that waited in the lane was taken: whoever brings the next wakes this.
    took_all: bool,
    handoff: Handoff,
    config: Arc<Config>,
    vigil: Vigil,
    ending: Rc<Ending>,
    alarm: Alarm,
    last_used: LastUsed,
    last_cause: Option<Cause>,
    tally: Tally,
}

impl Pump {
    pub(crate) fn new(
        exchange: Exchange,
        lane: Arc<Lane>,
        handoff: Handoff,
        config: Arc<Config>,
        ending: Rc<Ending>,
        last_used: LastUsed,
    ) -> Self {
        // It may have a part of what was read already.
        let mut decoder = exchange.decoder;
        decoder.set_limits(config.limits);
        let vigil = Vigil::new(config.health, config.timeouts.command, now());
        let tally = Tally::new(lane.circuit().cloned(), now());
        Self {
            stream: exchange.stream,
            decoder,
            unread: exchange.unread,
            chunk: READ_CHUNK,
            blocks: Blocks::default(),
            has_unanswered: false,
            unwritten: BytesMut::new(),
            large: false,
            unflushed: false,
            in_flight: InFlight::default(),
            working: Working::for_lane(&lane),
            lane,
            took_all: false,
            handoff,
            config,
            vigil,
            ending,
            alarm: Alarm::new(),
            last_used,
            last_cause: None,
            tally,
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<Cause> {
        let now = now();
        self.tally.begin(now);
        self.took_all = false;
        let mut busy = true;
        for _ in 0..ROUNDS_PER_TURN {
            match self.round(cx, now) {
                Ok(more) => busy = more,
                Err(cause) => return Poll::Ready(cause),
            }
            // After a wave, callers run before the next one.
            if !busy || self.has_unanswered {
                break;
            }
        }
        if self.ending.wish() == Wish::Drain
            && self.in_flight.is_empty()
            && self.unwritten.is_empty()
            && !self.lane.has_last_requests()
        {
            return self.farewell(cx);
        }
        if let Poll::Ready(cause) = self.watch(cx, now) {
            return Poll::Ready(cause);
        }
        if busy {
            cx.waker().wake_by_ref();
        } else {
            // In between callers were answered whose next requests are not here yet. One that has
            // fallen silent may be paused, and would count for as long as it is.
            let works = self.in_flight.is_enough() && !self.vigil.is_suspect();
            self.working.set(works);
        }
        Poll::Pending
    }

    /// Reads, takes, writes. True: there is more to do.
    fn round(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, Cause> {
        // What is taken after the end was seen would be lost for nothing.
        let read = self.read(cx, now)?;
        if read || !self.took_all {
            self.take(cx, now);
        }
        let written = self.write(cx)?;
        self.flush(cx)?;
        let has_more = !self.took_all || self.large || !self.unwritten.is_empty();
        Ok(read || (written && has_more))
    }

    /// Tells what is held at the end of a turn.
    fn account(&self) {
        #[cfg(test)]
        assert_eq!(self.in_flight.held(), self.in_flight.counted());
        self.lane.gauges().set(
            self.in_flight.held(),
            self.unwritten.len(),
            self.unread.len() + self.decoder.pending(),
        );
    }

    #[inline]
    fn answer(&mut self, reply: Value) -> Result<(), Cause> {
        // Out of band: belongs to no request.
        if let Value::Push(_) = reply {
            return Ok(());
        }
        match self.in_flight.pop() {
            Some(Expected::Request(mut request)) => {
                self.tally.answered(&mut request.mark);
                match reply {
                    Value::Error(error) => self.refused(request, error),
                    value => request.resolve(Ok(value)),
                }
            }
            Some(Expected::Nobody) => self.tally.heard(),
            None => return Err(self.unasked(reply)),
        }
        Ok(())
    }

    #[cold]
    fn unasked(&mut self, reply: Value) -> Cause {
        // A server refuses a request that is too long before it has read all of it, and closes.
        // Sent again, it would end the next connection too.
        if let Value::Error(error) = reply
            && let Some(request) = self.in_flight.pop_partly_written()
        {
            let kind = ErrorKind::Server(error);
            request.fail(kind, Outcome::Refused, self.lane.endpoint());
        }
        Cause::new(CauseKind::Protocol, "a reply came that nobody asked for")
    }

    #[cold]
    fn refused(&self, request: Request, error: ServerError) {
        let Some(endpoint) = self.lane.endpoint() else {
            return;
        };
        let outcome = outcome_of(&error, request.script, request.slot, endpoint);
        let passing = Signal::of(&error, endpoint) != Signal::None
            || request.policy(&self.config.retry).is_code(error.code());
        if outcome.is_refused() && passing {
            self.handoff.bounce(request, endpoint, Reason::Reply(error));
            return;
        }
        request.fail(ErrorKind::Server(error), outcome, Some(endpoint));
    }

    /// Takes requests from the lane into the write buffer, as many as it has room for; one that is too
    /// large for it is written from where it is. What is in the lane is surely not sent, what was taken
    /// may be.
    fn take(&mut self, cx: &Context<'_>, now: Instant) {
        let taking = match self.ending.wish() {
            Wish::Run => true,
            Wish::Drain => self.lane.has_last_requests(),
            Wish::Now => false,
        };
        // A peer that is written to and not heard may be paused: what it would get now would be of
        // unknown outcome, what waits can still go elsewhere.
        if !taking || self.vigil.is_suspect() {
            return;
        }
        let before = self.in_flight.len();
        let Self {
            lane,
            unwritten,
            large,
            in_flight,
            config,
            tally,
            ..
        } = self;
        self.took_all = lane.take(cx, now, |mut request| {
            let asking = if request.asking { ASKING.len() } else { 0 };
            let length = request.wire_len();
            let bytes = unwritten.len() + asking + length;
            let writable = bytes <= config.buffers.write_bytes || unwritten.is_empty();
            let room = in_flight.has_room_for(request.weight(), &config.in_flight);
            if *large || !writable || !room {
                return Some(request);
            }
            request.begin_attempt(now, &config.retry);
            tally.written(&mut request.mark);
            if request.asking {
                unwritten.extend_from_slice(ASKING);
                in_flight.push_place(Place::Asking, ASKING.len());
            }
            if length > config.buffers.write_bytes {
                *large = true;
            } else {
                request.write_to(unwritten);
            }
            in_flight.push(request, length);
            None
        });
        if self.in_flight.len() > before {
            self.last_used.touch(now);
        }
    }

    /// Deadlines, health checks, stalls. Pending while all is well.
    fn watch(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Cause> {
        loop {
            self.expire(cx, now);
            let awaited = !self.in_flight.awaits_nothing();
            let overdue = self.in_flight.has_overdue();
            let unanswered = self.in_flight.checks();
            let next_check = match self.vigil.check(now, awaited, overdue, unanswered) {
                Verdict::Well(next) => next,
                Verdict::Ping => {
                    self.release_buffers();
                    self.keep_large();
                    self.unwritten.extend_from_slice(PING);
                    self.in_flight.push_place(Place::Ping, PING.len());
                    cx.waker().wake_by_ref();
                    continue;
                }
                Verdict::Rest => {
                    self.release_buffers();
                    continue;
                }
                Verdict::Suspect => {
                    self.lane.set_suspect(true);
                    if let Some(endpoint) = self.lane.endpoint() {
                        self.handoff.tell(endpoint, News::Quiet);
                    }
                    continue;
                }
                Verdict::Lost(cause) => return Poll::Ready(cause),
            };
            // While the connection is busy, or slow, what waits in the lane can be overdue too.
            let waiting = (!self.took_all).then(|| self.lane.expire(now)).flatten();
            let next = [next_check, self.in_flight.earliest(), waiting]
                .into_iter()
                .flatten()
                .min();
            if let Some(next) = next {
                self.alarm.set(next, cx);
            }
            return Poll::Pending;
        }
    }
}

impl Future for Pump {
    type Output = Cause;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Cause> {
        if self.ending.wish() == Wish::Now {
            return Poll::Ready(CauseKind::Requested.into());
        }
        if self.ending.remember(cx.waker()) {
            self.alarm.move_on();
        }
        let turn = self.turn(cx);
        self.account();
        let cause = ready!(turn);
        self.last_cause = Some(cause.clone());
        Poll::Ready(cause)
    }
}

/// However the connection ends, by an error, on request, by a panic or an abort: nothing it held
/// is lost, nothing is answered twice.
impl Drop for Pump {
    fn drop(&mut self) {
        let settled = self.in_flight.settle();
        self.lane.gauges().set(0, 0, 0);
        self.lane.set_suspect(false);
        let homeless = self.lane.put_back(settled.not_sent);
        self.lane.note_unanswered(settled.unanswered.len());
        let Some(endpoint) = self.lane.endpoint() else {
            return;
        };
        let cause = self
            .last_cause
            .take()
            .unwrap_or_else(|| CauseKind::Aborted.into());
        for request in settled.unanswered.into_iter().chain(homeless) {
            let lost = Reason::Lost(cause.clone());
            if request.repeatable || !request.perhaps_sent {
                self.handoff.bounce(request, endpoint, lost);
            } else {
                lost.answer(request, Some(endpoint));
            }
        }
    }
}

#[cfg(test)]
mod checks;
#[cfg(test)]
mod endings;
#[cfg(test)]
mod flushing;
#[cfg(test)]
mod large;
#[cfg(test)]
mod panics;
#[cfg(test)]
mod pieces;
#[cfg(test)]
mod random;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod timer;
#[cfg(test)]
mod turns;
