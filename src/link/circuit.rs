//! The circuit breaker of one link, shared by those who ask it, those who tell it results, and
//! the link's supervisor, which tells its changes: [`Circuit`].

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix::{Message, WeakRecipient};

use crate::clock::now;
use crate::event::EventKind;
use crate::policy::{
    Breaker, BreakerSettings, BreakerState, Epoch, Force, ProbeId, Refusal, Results,
};

/// The [`Breaker`] of one link. Clones are the same breaker; usable from any thread.
///
/// A backend that has one gives it to its supervisor by
/// [`Backend::circuit`](crate::link::Backend::circuit). The supervisor tells it when the link
/// comes up, is lost, or fails to connect, and tells the world when it changes; the backend asks
/// it before each call while the link is up, and says by the [`Pass`] what became of the call.
#[derive(Clone)]
pub struct Circuit(Arc<Shared>);

struct Shared {
    /// Calls go through without being asked: the one thing that each call looks at.
    free: AtomicBool,
    epoch: AtomicU32,
    guarded: Mutex<Guarded>,
}

struct Guarded {
    breaker: Breaker,
    /// Changes that the supervisor has to tell, in order.
    untold: VecDeque<EventKind>,
    supervisor: Option<WeakRecipient<CircuitNews>>,
}

/// To the supervisor: there are changes to tell.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct CircuitNews;

/// Leave for one call to go through. Say what became of it; dropped unsaid, it says that nobody
/// can tell, and if it was a probe its place is free for another.
#[derive(Debug)]
#[must_use = "say what became of the call"]
pub struct Pass {
    circuit: Circuit,
    epoch: Epoch,
    probe: Option<ProbeId>,
}

impl Circuit {
    /// A closed one.
    pub fn new(settings: BreakerSettings) -> Self {
        let breaker = Breaker::new(settings);
        Self(Arc::new(Shared {
            free: AtomicBool::new(true),
            epoch: AtomicU32::new(breaker.epoch().0),
            guarded: Mutex::new(Guarded {
                breaker,
                untold: VecDeque::new(),
                supervisor: None,
            }),
        }))
    }

    /// Its state.
    pub fn state(&self) -> BreakerState {
        self.lock().breaker.state()
    }

    /// May a call go through? To be asked only while the link is up.
    ///
    /// # Errors
    /// It may not; and when to ask again.
    pub fn ask(&self) -> Result<Pass, Refusal> {
        let (probe, epoch) = self.with(|breaker, now| {
            let probe = breaker.ask(now)?;
            Ok((probe, breaker.epoch()))
        })?;
        Ok(Pass {
            circuit: self.clone(),
            epoch,
            probe,
        })
    }

    /// Every call may go through; whoever knows that need not ask.
    #[cfg(feature = "redis")]
    pub(crate) fn is_free(&self) -> bool {
        self.0.free.load(Ordering::Relaxed)
    }

    #[cfg(feature = "redis")]
    pub(crate) fn epoch(&self) -> u32 {
        self.0.epoch.load(Ordering::Relaxed)
    }

    /// What counts as slow; none if that is not counted.
    #[cfg(feature = "redis")]
    pub(crate) fn slow_after(&self) -> Option<Duration> {
        let slow = self.lock().breaker.settings().slow();
        slow.map(|slow| slow.longer_than())
    }

    pub(crate) fn record(&self, epoch: u32, results: Results) {
        self.with(|breaker, now| breaker.record(Epoch(epoch), results, now));
    }

    /// The same for calls that ended at this instant.
    #[cfg(feature = "redis")]
    pub(crate) fn record_at(&self, epoch: u32, results: Results, at: Instant) {
        self.with(|breaker, _| breaker.record(Epoch(epoch), results, at));
    }

    pub(crate) fn connected(&self) {
        self.with(|breaker, _| breaker.connected());
    }

    /// A reply came over the link's connection, read in this epoch.
    #[cfg(feature = "redis")]
    pub(crate) fn heard(&self, epoch: u32) {
        self.with(|breaker, _| breaker.heard(Epoch(epoch)));
    }

    pub(crate) fn connection_lost(&self) {
        self.with(|breaker, now| breaker.connection_lost(now));
    }

    pub(crate) fn connect_failed(&self) {
        self.with(|breaker, now| breaker.connect_failed(now));
    }

    pub(crate) fn force(&self, force: Force) {
        self.with(|breaker, _| breaker.force(force));
    }

    /// Turns half-open if its time has come; else tells how long that will take, if ever.
    pub(crate) fn look(&self) -> Option<Duration> {
        self.with(|breaker, now| {
            breaker.look(now);
            let due = breaker.half_open_at()?;
            Some(due.saturating_duration_since(now))
        })
    }

    /// From now on this supervisor tells the changes.
    pub(crate) fn attach(&self, supervisor: WeakRecipient<CircuitNews>) {
        self.lock().supervisor = Some(supervisor);
    }

    /// The changes that were not told yet, in order.
    pub(crate) fn take_untold(&self) -> VecDeque<EventKind> {
        std::mem::take(&mut self.lock().untold)
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// How it stands now, as an event.
    pub(crate) fn present(&self) -> EventKind {
        event_of(&self.lock().breaker, now())
    }

    fn with<R>(&self, act: impl FnOnce(&mut Breaker, Instant) -> R) -> R {
        let now = now();
        let mut guarded = self.lock();
        let before = guarded.breaker.epoch();
        let result = act(&mut guarded.breaker, now);
        let epoch = guarded.breaker.epoch();
        if epoch == before {
            return result;
        }
        let free = match guarded.breaker.state() {
            BreakerState::Closed | BreakerState::ForcedClosed => true,
            BreakerState::Open | BreakerState::HalfOpen | BreakerState::ForcedOpen => false,
        };
        self.0.free.store(free, Ordering::Relaxed);
        self.0.epoch.store(epoch.0, Ordering::Relaxed);
        let supervisor = guarded.supervisor.as_ref().and_then(|it| it.upgrade());
        match supervisor {
            Some(supervisor) => {
                let event = event_of(&guarded.breaker, now);
                guarded.untold.push_back(event);
                drop(guarded);
                #[expect(clippy::disallowed_methods, reason = "once for a change of state")]
                supervisor.do_send(CircuitNews);
            }
            // Nobody will ever tell it.
            None => guarded.untold.clear(),
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, Guarded> {
        let guarded = &self.0.guarded;
        guarded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// It is a probe of a half-open breaker.
    pub fn is_probe(&self) -> bool {
        self.probe.is_some()
    }

    /// The call was answered: with an application's error too, since the server is alive.
    pub fn succeeded(self) {
        self.end(true);
    }

    /// The call passed its deadline unanswered. A lost connection is the supervisor's to tell: it
    /// counts once for all calls.
    pub fn failed(self) {
        self.end(false);
    }

    fn end(mut self, succeeded: bool) {
        match self.probe.take() {
            Some(probe) => self
                .circuit
                .with(|breaker, now| breaker.probe(probe, Some(succeeded), now)),
            None => {
                let results = if succeeded {
                    Results::SUCCESS
                } else {
                    Results::FAILURE
                };
                self.circuit.record(self.epoch.0, results);
            }
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(probe) = self.probe.take() {
            self.circuit
                .with(|breaker, now| breaker.probe(probe, None, now));
        }
    }
}

fn event_of(breaker: &Breaker, now: Instant) -> EventKind {
    if let Some(trip) = breaker.trip() {
        let due = breaker.half_open_at();
        let retry_after = due.map(|due| due.saturating_duration_since(now));
        return EventKind::CircuitOpened { trip, retry_after };
    }
    match breaker.state() {
        BreakerState::HalfOpen => EventKind::CircuitHalfOpen,
        BreakerState::ForcedClosed => EventKind::CircuitClosed { forced: true },
        BreakerState::Closed | BreakerState::Open | BreakerState::ForcedOpen => {
            EventKind::CircuitClosed { forced: false }
        }
    }
}

impl fmt::Debug for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Circuit").field(&self.state()).finish()
    }
}
