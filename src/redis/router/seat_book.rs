//! Who has which seat, for whoever takes one: [`SeatBook`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::thread::ThreadId;

use actix::{Addr, Message, WeakRecipient};

use crate::redis::connection::Dialer;
use crate::redis::router::host::{Host, HostId, Reports};
use crate::redis::router::router::{Router, Topology};
use crate::redis::seat::Seat;

/// Who has which seat. Taking one needs nobody else's thread: actix-web stands still on the thread
/// that starts it until its workers have begun.
#[derive(Debug)]
pub(crate) struct SeatBook {
    /// The router's thread, which needs no seat.
    home: ThreadId,
    taken: Mutex<Vec<Option<Entry>>>,
}

/// A seat that somebody has. Its place is free again once the last handle has left it and its links
/// have ended: no two links have one name at a time.
#[derive(Debug)]
struct Entry {
    thread: ThreadId,
    tenure: Weak<Tenure>,
    host: Weak<()>,
}

/// A seat, as long as the tenure is held.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) seat: Seat,
    _tenure: Option<Arc<Tenure>>,
}

/// Held by all handles of one seat.
#[derive(Debug)]
struct Tenure {
    id: HostId,
    router: WeakRecipient<LeaveSeat>,
}

impl Drop for Tenure {
    #[expect(clippy::disallowed_methods, reason = "once for a seat")]
    fn drop(&mut self) {
        if let Some(router) = self.router.upgrade() {
            router.do_send(LeaveSeat(self.id));
        }
    }
}

impl Taken {
    pub(crate) fn shared() -> Self {
        Self {
            seat: Seat::SHARED,
            _tenure: None,
        }
    }
}

impl SeatBook {
    /// Of a router on this thread.
    pub(crate) fn new() -> Self {
        Self {
            home: thread::current().id(),
            taken: Mutex::default(),
        }
    }

    /// A seat for a thread, which is this one: the seat that it has already, or a new one.
    #[expect(clippy::disallowed_methods, reason = "once for a seat")]
    pub(crate) fn take<T: Topology>(
        &self,
        thread: ThreadId,
        router: &Addr<Router<T>>,
        dialer: impl FnOnce() -> Dialer,
    ) -> Taken {
        // One that has ended frees no seat again.
        if thread == self.home || !router.connected() {
            return Taken::shared();
        }
        let mut taken = self.lock();
        let there = taken.iter().enumerate().find_map(|(place, entry)| {
            let entry = entry.as_ref().filter(|entry| entry.thread == thread)?;
            entry.host.upgrade()?;
            Some((Seat::at(place)?, entry.tenure.upgrade()?))
        });
        if let Some((seat, tenure)) = there {
            let _tenure = Some(tenure);
            return Taken { seat, _tenure };
        }
        let free = taken.iter().position(Option::is_none);
        let place = free.unwrap_or(taken.len());
        let Some(seat) = Seat::at(place) else {
            // More than can be counted.
            return Taken::shared();
        };
        let (id, alive) = (HostId::new(), Arc::new(()));
        let weak = router.downgrade();
        let reports = Reports {
            furnished: weak.clone().recipient(),
            ended: weak.clone().recipient(),
        };
        let there = Arc::downgrade(&alive);
        let host = Host::start_here(id, dialer(), reports, alive);
        let tenure = Arc::new(Tenure {
            id,
            router: weak.recipient(),
        });
        if free.is_none() {
            taken.push(None);
        }
        taken[place] = Some(Entry {
            thread,
            tenure: Arc::downgrade(&tenure),
            host: there,
        });
        drop(taken);
        router.do_send(TakeSeat { seat, id, host });
        let _tenure = Some(tenure);
        Taken { seat, _tenure }
    }

    pub(super) fn free(&self, seat: Seat) {
        if let Some(place) = seat.place()
            && let Some(entry) = self.lock().get_mut(place)
        {
            *entry = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<Entry>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// This host serves a seat from now on.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct TakeSeat {
    pub(super) seat: Seat,
    pub(super) id: HostId,
    pub(super) host: Addr<Host>,
}

/// The last handle of a seat is gone.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct LeaveSeat(pub(super) HostId);
