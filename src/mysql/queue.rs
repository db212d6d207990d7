//! What a pool's handles, its connection actor and its backend share: the calls that wait for a
//! connection, and how the link stands: [`Shared`].

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::select;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::event::{Event, EventKind};
use crate::exit::{Cause, CauseKind};
use crate::link::Circuit;
use crate::mysql::call::Work;
use crate::mysql::error::{Error, ErrorKind, Result};
use crate::mysql::settings::{MysqlSettings, PoolSize, WhenDown};
use crate::policy::BreakerSettings;

/// How the link stands, for callers.
#[derive(Debug, Clone)]
pub(super) enum Phase {
    /// With the cause of the last failure, if there was one.
    Down(Option<Cause>),
    Up,
    Parked(Cause),
    Stopped,
}

/// A call that waits for a connection until `due`.
pub(super) struct Waiting {
    pub(super) work: Box<dyn Work>,
    since: Instant,
    pub(super) due: Instant,
}

/// Calls that wait, and how many bytes they keep.
#[derive(Default)]
struct Queue {
    calls: VecDeque<Waiting>,
    bytes: usize,
}

impl Queue {
    /// One always fits.
    fn has_room(&self, weight: usize, size: &PoolSize) -> bool {
        let fits = self.bytes.saturating_add(weight) <= size.waiting_bytes;
        self.calls.len() < size.waiting && (fits || self.calls.is_empty())
    }

    fn push_back(&mut self, waiting: Waiting) {
        self.bytes += waiting.work.weight();
        self.calls.push_back(waiting);
    }

    fn push_front(&mut self, waiting: Waiting) {
        self.bytes += waiting.work.weight();
        self.calls.push_front(waiting);
    }

    fn pop_front(&mut self) -> Option<Waiting> {
        let first = self.calls.pop_front()?;
        self.bytes -= first.work.weight();
        Some(first)
    }

    /// Takes out those whose callers are gone.
    fn take_abandoned(&mut self) -> VecDeque<Waiting> {
        let calls = std::mem::take(self).calls.into_iter();
        let (gone, wanted) = calls.partition(|waiting| waiting.work.is_abandoned());
        let wanted: VecDeque<_> = wanted;
        wanted
            .into_iter()
            .for_each(|waiting| self.push_back(waiting));
        gone
    }
}

/// Shared by the handles, from any thread, and the link.
pub(super) struct Shared {
    settings: Mutex<Arc<MysqlSettings>>,
    pub(super) circuit: Option<Circuit>,
    /// Why the last connection actor ended.
    loss: Mutex<Option<Cause>>,
    queue: Mutex<Queue>,
    /// Changes under the lock of the queue.
    phase: Mutex<Phase>,
    /// Calls arrived.
    pub(super) arrived: Notify,
    keeper: Notify,
    /// There will never be a connection again.
    over: AtomicBool,
    pub(super) gauges: Gauges,
}

#[derive(Default)]
pub(super) struct Gauges {
    pub(super) open: AtomicUsize,
    pub(super) idle: AtomicUsize,
    pub(super) in_use: AtomicUsize,
}

/// How many connections and calls a pool has at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Statistics {
    /// Connections, those included that are being dialled.
    pub open: usize,
    /// Connections lent to calls.
    pub in_use: usize,
    /// Connections that nobody uses.
    pub idle: usize,
    /// Calls that wait for a connection.
    pub waiting: usize,
    /// Connections at the most.
    pub max: usize,
}

impl Shared {
    pub(super) fn new(settings: MysqlSettings) -> Arc<Self> {
        Arc::new(Self {
            circuit: settings.link.circuit(Some(BreakerSettings::default())),
            settings: Mutex::new(Arc::new(settings)),
            loss: Mutex::default(),
            queue: Mutex::default(),
            phase: Mutex::new(Phase::Down(None)),
            arrived: Notify::new(),
            keeper: Notify::new(),
            over: AtomicBool::new(false),
            gauges: Gauges::default(),
        })
    }

    pub(super) fn settings(&self) -> Arc<MysqlSettings> {
        Arc::clone(&locked(&self.settings))
    }

    /// From now on these count, for those that wait already, too.
    pub(super) fn replace_settings(&self, settings: MysqlSettings) {
        let latest = Instant::now() + settings.timeouts.acquire;
        *locked(&self.settings) = Arc::new(settings);
        for waiting in &mut self.lock().calls {
            waiting.due = waiting.due.min(latest);
        }
        self.keeper.notify_one();
    }

    pub(super) fn statistics(&self) -> Statistics {
        let of = |gauge: &AtomicUsize| gauge.load(Ordering::Relaxed);
        Statistics {
            open: of(&self.gauges.open),
            in_use: of(&self.gauges.in_use),
            idle: of(&self.gauges.idle),
            waiting: self.waiting(),
            max: self.settings().pool.max,
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.lock().calls.len()
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(*locked(&self.phase), Phase::Up)
    }

    /// Whether a call may be made now.
    pub(super) fn admit(&self) -> Result<()> {
        let settings = self.settings();
        let kind = match &*locked(&self.phase) {
            Phase::Up => return Ok(()),
            Phase::Down(_) if settings.when_down == WhenDown::Wait => return Ok(()),
            Phase::Down(cause) => ErrorKind::Down(cause.clone()),
            Phase::Parked(cause) => ErrorKind::Parked(cause.clone()),
            Phase::Stopped => ErrorKind::Stopped,
        };
        Err(Error::not_sent(kind).at(&settings.endpoint))
    }

    /// Takes a call in, or answers it.
    pub(super) fn submit(&self, work: Box<dyn Work>) {
        let (settings, since) = (self.settings(), Instant::now());
        let (due, weight) = (since + settings.timeouts.acquire, work.weight());
        // Dropped after the lock is released: with them goes what their callers gave them, whose
        // own drop may come here.
        let mut gone = VecDeque::new();
        let mut queue = self.lock();
        // Looked at under the lock, by which the link's news come too: nothing is left behind.
        let refused = self.admit().err().or_else(|| {
            if !queue.has_room(weight, &settings.pool) {
                gone = queue.take_abandoned();
            }
            let full = !queue.has_room(weight, &settings.pool);
            full.then(|| Error::not_sent(ErrorKind::QueueFull(queue.calls.len())))
        });
        if let Some(error) = refused {
            drop(queue);
            work.fail(error);
            return;
        }
        queue.push_back(Waiting { work, since, due });
        let first = queue.calls.len() == 1;
        drop(queue);
        self.arrived.notify_one();
        if first {
            self.keeper.notify_one();
        }
    }

    /// The next call, passing over those whose callers are gone.
    pub(super) fn take(&self) -> Option<Waiting> {
        loop {
            let first = self.lock().pop_front();
            // One that is given up is dropped without the lock, as above.
            if first
                .as_ref()
                .is_none_or(|waiting| !waiting.work.is_abandoned())
            {
                return first;
            }
        }
    }

    /// A call that got a connection which was dead: it is the next again.
    pub(super) fn put_back(&self, waiting: Waiting) {
        let mut queue = self.lock();
        if let Err(error) = self.admit() {
            drop(queue);
            waiting.work.fail(error);
            return;
        }
        queue.push_front(waiting);
        drop(queue);
        self.arrived.notify_one();
        self.keeper.notify_one();
    }

    /// What the link tells.
    pub(super) fn observe(&self, event: &Event) {
        let phase = match &event.kind {
            EventKind::Connected | EventKind::Reconnected { .. } => Phase::Up,
            EventKind::Disconnected { cause } | EventKind::ConnectFailed { cause, .. } => {
                Phase::Down(Some(cause.clone()))
            }
            EventKind::GaveUp { cause, .. } => Phase::Parked(cause.clone()),
            EventKind::Stopped => Phase::Stopped,
            // Keeps the cause, unless a parked or stopped link is tried again.
            EventKind::Connecting => match &*locked(&self.phase) {
                Phase::Down(cause) => Phase::Down(cause.clone()),
                Phase::Parked(_) | Phase::Stopped | Phase::Up => Phase::Down(None),
            },
            _ => return,
        };
        self.change(phase);
    }

    /// Nobody will ever come for what waits.
    pub(super) fn close(&self) {
        self.over.store(true, Ordering::Release);
        self.change(Phase::Stopped);
        self.keeper.notify_one();
    }

    fn change(&self, phase: Phase) {
        let mut queue = self.lock();
        *locked(&self.phase) = phase;
        let Err(error) = self.admit() else {
            return;
        };
        let failed = std::mem::take(&mut *queue).calls;
        drop(queue);
        for waiting in failed {
            waiting.work.fail(error.clone());
        }
    }

    /// The connection actor is about to end, and what it does for callers with it.
    pub(super) fn lose(&self, cause: &Cause) {
        *locked(&self.loss) = Some(cause.clone());
    }

    /// What a caller is told whose call was dropped with the connection actor.
    pub(super) fn cause_of_loss(&self) -> Cause {
        let cause = locked(&self.loss).clone();
        cause.unwrap_or_else(|| CauseKind::Closed.into())
    }

    /// Answers the calls that waited for too long. All wait equally long, or less since new
    /// settings say so, so the first is due first.
    fn expire(&self, now: Instant) -> Option<Instant> {
        loop {
            let mut queue = self.lock();
            let due = queue.calls.front()?.due;
            if due > now {
                return Some(due);
            }
            let late = queue.pop_front()?;
            drop(queue);
            let cause = match &*locked(&self.phase) {
                Phase::Down(cause) => cause.clone(),
                Phase::Up | Phase::Parked(_) | Phase::Stopped => None,
            };
            let settings = self.settings();
            let error = Error::not_sent(ErrorKind::NoConnection {
                waited: late.due - late.since,
                in_use: self.gauges.in_use.load(Ordering::Relaxed),
                cause,
            });
            late.work.fail(error.at(&settings.endpoint));
        }
    }

    /// Looks after the deadlines of what waits, until the link is gone.
    pub(super) async fn keep(this: Arc<Self>) {
        while !this.over.load(Ordering::Acquire) {
            let next = this.expire(Instant::now());
            let news = pin!(this.keeper.notified());
            match next {
                Some(due) => {
                    select(pin!(sleep_until(due)), news).await;
                }
                None => news.await,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        locked(&self.queue)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
