//! What is in flight on one connection, in the order of the replies to come: [`InFlight`]. It decides
//! by the instants it is given.

use std::collections::VecDeque;
use std::time::Instant;

use crate::redis::config::InFlight as Limits;
use crate::redis::looking::{KEEP_PLACES, earlier, rest_after};
use crate::redis::request::Request;

/// What it costs to keep a place for a reply.
const PLACE_SIZE: usize = size_of::<Entry>();

/// A server that has so much to do works while callers run.
const ENOUGH: usize = 4;
/// The largest wave: before a larger one is given out, the server has nothing left to do.
const LARGEST_WAVE: usize = 128;

/// What the next reply is for.
#[derive(Debug)]
pub(crate) enum Expected {
    /// A caller's request.
    Request(Request),
    /// Nobody: what keeps a [`Place`].
    Nobody,
}

/// What keeps a place for a reply. As a number, no request is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Place {
    /// A request whose caller was answered already, because its deadline passed. Its place
    /// stays: the reply, when it comes, must not reach anybody else.
    Overdue = 1,
    /// The `OK` of an `ASKING`.
    Asking,
    /// The answer to a health check's `PING`.
    Ping,
}

/// Two words, which go through registers: a third would be stored and read again at once, by other
/// pieces, for which a processor waits.
#[derive(Debug)]
struct Entry {
    /// [`Request::NONE`] if it is a place.
    request: Request,
    at: At,
}

/// Where the last byte of an entry ends in the stream of all bytes written, and in the lowest bits what
/// else there is to know of it.
#[derive(Debug, Clone, Copy)]
struct At(u64);

impl At {
    const BITS: u32 = 3;
    const PLACE_MASK: u64 = 0b011;
    const SENT_BEFORE: u64 = 0b100;

    #[inline]
    fn new(end: u64, sent_before: bool) -> Self {
        let bit = if sent_before { Self::SENT_BEFORE } else { 0 };
        Self(end << Self::BITS | bit)
    }

    fn of_place(end: u64, place: Place) -> Self {
        Self(end << Self::BITS).with(place)
    }

    fn with(self, place: Place) -> Self {
        Self(self.0 & !Self::PLACE_MASK | place as u64)
    }

    #[inline]
    fn end(self) -> u64 {
        self.0 >> Self::BITS
    }

    #[inline]
    fn place(self) -> Option<Place> {
        const OVERDUE: u64 = Place::Overdue as u64;
        const ASKING: u64 = Place::Asking as u64;
        match self.0 & Self::PLACE_MASK {
            0 => None,
            OVERDUE => Some(Place::Overdue),
            ASKING => Some(Place::Asking),
            _ => Some(Place::Ping),
        }
    }

    /// An earlier sending of it, over another connection, may have been executed.
    #[inline]
    fn was_sent_before(self) -> bool {
        self.0 & Self::SENT_BEFORE != 0
    }
}

/// What is in flight, and how much of it the kernel has taken.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    entries: VecDeque<Entry>,
    appended: u64,
    written: u64,
    /// Where the last request that was answered ended.
    answered: u64,
    weight: usize,
    /// Entries without a request, which keep a place only.
    places: usize,
    overdue: usize,
    checks: usize,
    /// No request here is due earlier.
    earliest: Option<Instant>,
    /// All of many were looked through to find those that were due; not again before.
    rests_until: Option<Instant>,
    /// Entries that were looked at for that.
    #[cfg(test)]
    visited: usize,
}

/// The requests of a connection that ended.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// Their last byte was never handed to the kernel.
    pub(crate) not_sent: Vec<Request>,
    /// Written, not answered.
    pub(crate) unanswered: Vec<Request>,
}

impl InFlight {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// No caller waits for a reply; a health check may.
    pub(crate) fn awaits_nothing(&self) -> bool {
        self.weight == 0 && self.overdue == 0
    }

    /// Gives back what a busy time left.
    pub(crate) fn release(&mut self) {
        if self.entries.is_empty() {
            self.entries = VecDeque::new();
        }
    }

    /// How many replies are given out at once. Then the callers run, and what they send next is
    /// written while the server still works on the rest: neither waits for the other. A third
    /// is best by measurement; of 8 and fewer two waves cost more calls of the kernel than they gain.
    ///
    /// Where servers of other connections work meanwhile, all is one wave: callers do not wait for
    /// this server alone, and each wave costs a call of the kernel on both sides.
    #[inline]
    pub(crate) fn wave(&self, others_work: bool) -> usize {
        const ONE_WAVE: usize = 2 * ENOUGH;
        match self.len() {
            ..=ONE_WAVE => ONE_WAVE,
            many if others_work => many.min(LARGEST_WAVE),
            many => (many / 3).clamp(ENOUGH, LARGEST_WAVE),
        }
    }

    /// The server has enough to do for a while.
    #[inline]
    pub(crate) fn is_enough(&self) -> bool {
        self.len() >= ENOUGH
    }

    /// All that is kept here, in bytes: requests, and places for replies that are nobody's.
    #[inline]
    pub(crate) fn held(&self) -> usize {
        self.weight + self.places * PLACE_SIZE
    }

    /// [`InFlight::held`], added up anew.
    #[cfg(test)]
    pub(crate) fn counted(&self) -> usize {
        let weight = |entry: &Entry| match entry.at.place() {
            None => entry.request.weight(),
            Some(_) => PLACE_SIZE,
        };
        self.entries.iter().map(weight).sum()
    }

    /// Whether a request of this weight keeps the bound; one always fits.
    #[inline]
    pub(crate) fn has_room_for(&self, weight: usize, limits: &Limits) -> bool {
        self.weight == 0 || (self.held() + weight <= limits.bytes && self.len() < limits.requests)
    }

    /// When to look for overdue requests next.
    pub(crate) fn earliest(&self) -> Option<Instant> {
        self.earliest
            .max(self.rests_until.filter(|_| self.earliest.is_some()))
    }

    /// Requests answered as overdue whose replies are still to come.
    pub(crate) fn has_overdue(&self) -> bool {
        self.overdue > 0
    }

    /// Health checks whose answers are still to come.
    pub(crate) fn checks(&self) -> usize {
        self.checks
    }

    /// `bytes` were appended to what is written, for the reply to this.
    #[inline]
    pub(crate) fn push(&mut self, mut request: Request, bytes: usize) {
        self.weight += request.weight();
        let due = request.due;
        if self.earliest.is_none_or(|earliest| due < earliest) {
            self.earliest = Some(due);
        }
        self.appended += bytes as u64;
        let sent_before = std::mem::replace(&mut request.perhaps_sent, true);
        let at = At::new(self.appended, sent_before);
        self.entries.push_back(Entry { request, at });
    }

    /// The same for a reply that is no caller's.
    pub(crate) fn push_place(&mut self, place: Place, bytes: usize) {
        self.places += 1;
        self.checks += usize::from(place == Place::Ping);
        self.appended += bytes as u64;
        self.entries.push_back(Entry {
            request: Request::NONE,
            at: At::of_place(self.appended, place),
        });
    }

    /// The bytes of [`InFlight::newest`] that the kernel has not taken, where they lie.
    pub(crate) fn rest_of_newest(&self) -> impl Iterator<Item = &[u8]> {
        let left = self
            .entries
            .back()
            .map_or(0, |newest| newest.at.end() - self.written);
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        self.newest().into_iter().flat_map(move |request| {
            let taken = request.wire_len().saturating_sub(left);
            request.pieces(taken)
        })
    }

    /// What was pushed last, if it is a request.
    pub(crate) fn newest(&self) -> Option<&Request> {
        let newest = self.entries.back()?;
        newest.at.place().is_none().then_some(&newest.request)
    }

    /// The kernel took so many bytes more.
    pub(crate) fn wrote(&mut self, bytes: usize) {
        self.written += bytes as u64;
    }

    /// A reply came: whose is it? Nobody's, if no request was written completely: a reply to what
    /// the kernel has not taken yet can only be a stray one.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Expected> {
        let whole = self.entries.front()?.at.end() <= self.written;
        if whole { self.pop_front() } else { None }
    }

    /// The request of which the kernel has taken a part only, if that is the next.
    pub(crate) fn pop_partly_written(&mut self) -> Option<Request> {
        let entry = self.entries.front()?;
        let partly = self.answered < self.written && self.written < entry.at.end();
        if !partly || entry.at.place().is_some() {
            return None;
        }
        match self.pop_front()? {
            Expected::Request(request) => Some(request),
            Expected::Nobody => None,
        }
    }

    // Always: left out of its two callers, as the compiler does by a hair, it takes 20 instructions more.
    #[inline(always)]
    fn pop_front(&mut self) -> Option<Expected> {
        let Entry { mut request, at } = self.entries.pop_front()?;
        self.answered = at.end();
        if self.entries.is_empty() {
            self.earliest = None;
            if self.entries.capacity() > KEEP_PLACES {
                self.entries = VecDeque::new();
            }
        }
        if let Some(place) = at.place() {
            self.places -= 1;
            self.overdue -= usize::from(place == Place::Overdue);
            self.checks -= usize::from(place == Place::Ping);
            return Some(Expected::Nobody);
        }
        self.weight -= request.weight();
        // This sending of it has its answer.
        request.perhaps_sent = at.was_sent_before();
        request.asking = false;
        Some(Expected::Request(request))
    }

    /// Takes out the requests that are overdue: whose deadline has passed, or the time of this
    /// attempt. Their places stay. Of very many one may come a little late, so that finding a few at
    /// each instant does not cost a look at all.
    ///
    /// Their bytes may still leave the write buffer later, so each counts as perhaps sent.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<Request> {
        if self.earliest().is_none_or(|next| next > now) {
            return Vec::new();
        }
        let mut expired = Vec::new();
        self.earliest = None;
        self.rests_until = rest_after(self.entries.len()).map(|rest| now + rest);
        #[cfg(test)]
        {
            self.visited += self.entries.len();
        }
        for entry in &mut self.entries {
            if entry.at.place().is_some() {
                continue;
            }
            let due = entry.request.due;
            if due > now {
                self.earliest = Some(earlier(self.earliest, due));
                continue;
            }
            self.weight -= entry.request.weight();
            self.places += 1;
            self.overdue += 1;
            expired.push(std::mem::replace(&mut entry.request, Request::NONE));
            entry.at = entry.at.with(Place::Overdue);
        }
        expired
    }

    /// The connection has ended: what becomes of each request.
    pub(crate) fn settle(&mut self) -> Settled {
        let mut settled = Settled::default();
        let written = self.written;
        for Entry { mut request, at } in std::mem::take(self).entries {
            if at.place().is_some() {
                continue;
            }
            if at.end() > written {
                request.perhaps_sent = at.was_sent_before();
                settled.not_sent.push(request);
            } else {
                request.asking = false;
                settled.unanswered.push(request);
            }
        }
        settled
    }
}

#[cfg(test)]
mod tests;
