//! Whether a connection still makes progress: [`Vigil`]. Pure: it is told what happens and when.
//!
//! Three signs, from weak to strong. *Suspect*: something is in flight and nothing was heard for
//! half a second; nothing more is written, the router looks around, nothing is closed. *Unhealthy*:
//! the link was idle, and several health checks in a row stayed without an answer. *Stalled*: a
//! command is overdue and nothing was heard for a whole command deadline. Only bytes that were read count as progress:
//! the kernel accepts writes for a dead peer, and a paused one even completes a TCP connect.

use std::time::{Duration, Instant};

use crate::exit::{Cause, CauseKind};
use crate::redis::config::Health;

/// Nothing heard for so long while something is in flight makes a node suspect. Long enough for
/// almost any command, short beside the second or so in which a cluster promotes a replica.
const SUSPECT_AFTER: Duration = Duration::from_millis(500);

/// Nothing heard for so long while nothing is in flight means that buffers are not needed soon.
/// Where there are health checks, the first of them means it.
const REST_AFTER: Duration = Duration::from_secs(5);

/// Watches one connection.
#[derive(Debug)]
pub(crate) struct Vigil {
    health: Health,
    stall_after: Duration,
    last_heard: Instant,
    /// When something was first in flight after silence without anything in flight.
    waiting_since: Option<Instant>,
    ping_sent: Option<Instant>,
    suspect: bool,
    resting: bool,
}

/// What the vigil asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Nothing, until then.
    Well(Option<Instant>),
    /// A `PING`. What the link holds and does not need now can go.
    Ping,
    /// Nothing is held that is not needed; nothing else is asked for until the link is used.
    Rest,
    /// The router should look around.
    Suspect,
    /// The connection has to be replaced.
    Lost(Cause),
}

impl Vigil {
    /// `stall_after` is the command deadline.
    pub(crate) fn new(health: Health, stall_after: Duration, now: Instant) -> Self {
        Self {
            health,
            stall_after,
            last_heard: now,
            waiting_since: None,
            ping_sent: None,
            suspect: false,
            resting: false,
        }
    }

    /// Something is in flight and nothing was heard for a while.
    pub(crate) fn is_suspect(&self) -> bool {
        self.suspect
    }

    /// Bytes were read.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.last_heard = now;
        self.waiting_since = None;
        self.ping_sent = None;
        self.suspect = false;
        self.resting = false;
    }

    /// Looks at the clock. `awaited`: replies to commands are, some of them past their deadline if
    /// `overdue`; so many `unanswered` checks have no answer yet.
    ///
    /// A health check is what is waited for until anything is heard. The peer lives then, whatever it
    /// said; and should it fall silent before it has answered, or never answer, further checks find that.
    pub(crate) fn check(
        &mut self,
        now: Instant,
        awaited: bool,
        overdue: bool,
        unanswered: usize,
    ) -> Verdict {
        if !awaited && self.ping_sent.is_none() {
            self.waiting_since = None;
            return self.idle(now, unanswered);
        }
        // Silence counts from when there was something to answer.
        let since = (*self.waiting_since.get_or_insert(now)).max(self.last_heard);
        if overdue && now >= since + self.stall_after {
            return Verdict::Lost(Cause::new(
                CauseKind::Stalled,
                "a command is overdue and nothing was heard",
            ));
        }
        if let Some(sent) = self.ping_sent
            && now >= sent + self.health.timeout
        {
            return self.ping(now, unanswered);
        }
        if !self.suspect && now >= since + SUSPECT_AFTER {
            self.suspect = true;
            return Verdict::Suspect;
        }
        let suspect_at = (!self.suspect).then_some(since + SUSPECT_AFTER);
        let stall_check = overdue.then(|| since + self.stall_after);
        let ping_at = self.ping_sent.map(|sent| sent + self.health.timeout);
        Verdict::Well(
            [suspect_at, stall_check, ping_at]
                .into_iter()
                .flatten()
                .min(),
        )
    }

    fn idle(&mut self, now: Instant, unanswered: usize) -> Verdict {
        if !self.health.enabled {
            return self.rest(now);
        }
        let due = self.last_heard + self.health.idle;
        if now < due {
            return Verdict::Well(Some(due));
        }
        self.waiting_since = Some(now);
        self.ping(now, unanswered)
    }

    /// One more, unless enough of them have no answer.
    fn ping(&mut self, now: Instant, unanswered: usize) -> Verdict {
        if unanswered >= self.health.failures as usize {
            return Verdict::Lost(Cause::new(
                CauseKind::Unhealthy,
                "health checks in a row stayed without an answer",
            ));
        }
        self.ping_sent = Some(now);
        Verdict::Ping
    }

    /// Without health checks: once in each silence.
    fn rest(&mut self, now: Instant) -> Verdict {
        let due = self.last_heard + REST_AFTER;
        if self.resting {
            Verdict::Well(None)
        } else if now < due {
            Verdict::Well(Some(due))
        } else {
            self.resting = true;
            Verdict::Rest
        }
    }
}

#[cfg(test)]
mod tests;
