//! Is the connection of a feed alive, and does anything come? [`Vigil`] says when to ping, and when
//! to give up.

use std::time::Instant;

use crate::websocket::settings::FeedHealth;

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Write a ping.
    Ping,
    /// Nothing was heard since the last ping, for all its time.
    Unanswered,
    /// No message came for so long.
    Stale,
    /// Nothing before this instant; at none, nothing ever.
    Wait(Option<Instant>),
}

/// Only what was read counts as a sign of life: the kernel accepts writes for a dead peer.
#[derive(Debug)]
pub(crate) struct Vigil {
    health: FeedHealth,
    next_ping: Option<Instant>,
    /// Written, and nothing heard since.
    pinged: Option<Instant>,
    /// The last message, or when messages began to be expected.
    message: Instant,
}

impl Vigil {
    pub(crate) fn new(health: FeedHealth, now: Instant) -> Self {
        Self {
            next_ping: health.ping_interval.map(|interval| now + interval),
            health,
            pinged: None,
            message: now,
        }
    }

    /// A frame of any sort was read.
    pub(crate) fn heard(&mut self) {
        self.pinged = None;
    }

    /// A message was read, or something changed after which messages are waited for anew.
    pub(crate) fn message(&mut self, now: Instant) {
        self.message = now;
    }

    /// A ping is written out of turn.
    pub(crate) fn pinged(&mut self, now: Instant) {
        self.pinged.get_or_insert(now);
    }

    /// Looks; `expecting` says whether messages should come.
    pub(crate) fn look(&mut self, expecting: bool, now: Instant) -> Look {
        let answer_by = self.pinged.map(|at| at + self.health.ping_timeout);
        if answer_by.is_some_and(|by| by <= now) {
            return Look::Unanswered;
        }
        let stale_at = self.health.stale_after.filter(|_| expecting);
        let stale_at = stale_at.map(|after| self.message + after);
        if stale_at.is_some_and(|at| at <= now) {
            return Look::Stale;
        }
        if let (Some(next), Some(interval)) = (self.next_ping, self.health.ping_interval)
            && next <= now
        {
            self.next_ping = Some(now + interval);
            self.pinged(now);
            return Look::Ping;
        }
        let soonest = [answer_by, stale_at, self.next_ping];
        Look::Wait(soonest.into_iter().flatten().min())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn vigil(stale_after: Option<Duration>) -> (Vigil, Instant) {
        let now = Instant::now();
        let health = FeedHealth {
            ping_interval: Some(10 * SECOND),
            ping_timeout: 3 * SECOND,
            stale_after,
        };
        (Vigil::new(health, now), now)
    }

    #[test]
    fn a_ping_is_written_every_interval_and_must_be_followed_by_something() {
        let (mut vigil, start) = vigil(None);
        assert_eq!(
            vigil.look(true, start),
            Look::Wait(Some(start + 10 * SECOND))
        );
        assert_eq!(vigil.look(true, start + 10 * SECOND), Look::Ping);
        vigil.heard();
        let later = Look::Wait(Some(start + 20 * SECOND));
        assert_eq!(vigil.look(true, start + 13 * SECOND), later);
        assert_eq!(vigil.look(true, start + 20 * SECOND), Look::Ping);
        let deadline = Look::Wait(Some(start + 23 * SECOND));
        assert_eq!(vigil.look(true, start + 22 * SECOND), deadline);
        assert_eq!(vigil.look(true, start + 23 * SECOND), Look::Unanswered);
    }

    #[test]
    fn a_feed_is_stale_when_messages_are_expected_and_only_pongs_come() {
        let (mut vigil, start) = vigil(Some(5 * SECOND));
        vigil.heard();
        assert_eq!(vigil.look(true, start + 5 * SECOND), Look::Stale);
        let ping = Look::Wait(Some(start + 10 * SECOND));
        assert_eq!(vigil.look(false, start + 5 * SECOND), ping, "none expected");
        vigil.message(start + 4 * SECOND);
        let stale = Look::Wait(Some(start + 9 * SECOND));
        assert_eq!(vigil.look(true, start + 5 * SECOND), stale);
    }

    #[test]
    fn what_is_switched_off_is_never_waited_for() {
        let (mut vigil, start) = vigil(None);
        vigil.health.ping_interval = None;
        vigil.next_ping = None;
        assert_eq!(vigil.look(true, start + 99 * SECOND), Look::Wait(None));
    }
}
