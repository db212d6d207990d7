//! One life of the pool, from the first connection that answered to the end of the last:
//! [`Pump`].

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::{Future, pending};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::{Either, LocalBoxFuture, join_all, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use mysql_async::Opts;
use tokio::time::{Instant, sleep_until};

use crate::exit::{Cause, CauseKind};
use crate::link::{Lifeline, Wish, Wishes};
use crate::mysql::lending::Mishap;
use crate::mysql::queue::Shared;
use crate::mysql::settings::MysqlSettings;
use crate::mysql::task::{Done, serve};
use crate::mysql::wire::{Place, Wire};

mod looking;

/// Connections that are dialled at once.
const DIALS: usize = 4;
/// After a failed dial of a pool that is up.
const DIAL_AGAIN: Duration = Duration::from_millis(100);
const DIAL_AGAIN_MOST: Duration = Duration::from_secs(5);

/// All of it is one future, part of the connection actor: with that every socket is gone.
pub(super) struct Pump {
    shared: Arc<Shared>,
    settings: Arc<MysqlSettings>,
    options: Opts,
    lifeline: Lifeline,
    wishes: Rc<Wishes>,
    tasks: FuturesUnordered<LocalBoxFuture<'static, Done>>,
    open: Rc<Cell<usize>>,
    /// The one that was used last is lent next.
    idle: VecDeque<Wire>,
    in_use: usize,
    dialling: usize,
    /// Counted among the open ones until they are closed.
    retiring: usize,
    failed_dials: u32,
    dial_after: Instant,
    checking: bool,
    /// Something happened while a check was under way.
    check_again: bool,
    failed_checks: u32,
    next_check: Instant,
    /// The first loss that nobody has found an explanation for.
    suspicion: Option<Cause>,
    end: Option<Cause>,
    /// Those whose calls are dropped with it can be told why.
    told: bool,
}

/// Its connections and calls are dropped after this: aborted, if it has not come to an end.
impl Drop for Pump {
    fn drop(&mut self) {
        if !self.told {
            self.shared.lose(&CauseKind::Aborted.into());
        }
        let gauges = &self.shared.gauges;
        for gauge in [&gauges.open, &gauges.idle, &gauges.in_use] {
            gauge.store(0, Ordering::Relaxed);
        }
    }
}

impl Pump {
    pub(super) fn new(
        first: Wire,
        open: Rc<Cell<usize>>,
        shared: Arc<Shared>,
        options: Opts,
        lifeline: Lifeline,
        wishes: Rc<Wishes>,
    ) -> Self {
        let now = Instant::now();
        let settings = shared.settings();
        Self {
            options,
            lifeline,
            wishes,
            tasks: FuturesUnordered::new(),
            open,
            idle: VecDeque::from([first]),
            in_use: 0,
            dialling: 0,
            retiring: 0,
            failed_dials: 0,
            dial_after: now,
            checking: false,
            check_again: false,
            failed_checks: 0,
            next_check: now + settings.health.interval,
            suspicion: None,
            end: None,
            told: false,
            settings,
            shared,
        }
    }

    /// Runs until the server is gone or somebody wishes it to end, and says why.
    pub(super) async fn run(mut self) -> Cause {
        let cause = self.work().await;
        self.shared.lose(&cause);
        self.told = true;
        cause
    }

    async fn work(&mut self) -> Cause {
        loop {
            match self.wishes.wish() {
                Wish::Now => return CauseKind::Requested.into(),
                Wish::Drain if self.in_use == 0 => {
                    join_all(self.idle.drain(..).map(Wire::close)).await;
                    return CauseKind::Requested.into();
                }
                // Whatever was found meanwhile: what is under way may be answered all the same.
                Wish::Drain => {}
                Wish::Run => {
                    if let Some(cause) = self.end.take() {
                        return cause;
                    }
                    self.retire();
                    self.lend();
                    self.dial();
                    if self.next_look().is_some_and(|due| Instant::now() >= due) {
                        self.look(None);
                    }
                }
            }
            self.count();
            let alarm = pin!(sleep_until(self.next_alarm()));
            let shared = Arc::clone(&self.shared);
            let arrived = pin!(shared.arrived.notified());
            let wishes = Rc::clone(&self.wishes);
            let wished = pin!(wishes.changed());
            let news = select(select(arrived, wished), alarm);
            let tasks = &mut self.tasks;
            let done = async {
                match tasks.next().await {
                    Some(done) => done,
                    None => pending().await,
                }
            };
            let done = match select(pin!(done), news).await {
                Either::Left((done, _)) => Some(done),
                Either::Right(_) => None,
            };
            if let Some(done) = done {
                self.settle(done);
            }
        }
    }

    /// Lends idle connections to the calls that wait, first come first served.
    fn lend(&mut self) {
        while let Some(wire) = self.idle.pop_back() {
            let Some(mut waiting) = self.shared.take() else {
                self.idle.push_back(wire);
                break;
            };
            let circuit = self.shared.circuit.as_ref();
            if let Some(Err(error)) = circuit.map(|circuit| waiting.work.pass(circuit)) {
                waiting.work.fail(error.at(&self.settings.endpoint));
                self.idle.push_back(wire);
                continue;
            }
            self.in_use += 1;
            self.lifeline.used();
            let serving = serve(wire, waiting, Arc::clone(&self.shared));
            self.tasks.push(serving.boxed_local());
        }
    }

    /// Makes new connections up to the minimum, and up to the maximum while calls wait.
    fn dial(&mut self) {
        if Instant::now() < self.dial_after {
            return;
        }
        let size = self.settings.pool;
        while self.open.get() < size.max && self.dialling < DIALS && self.wants_dial() {
            let dialling = self.fresh().map(Done::Dialled);
            self.dialling += 1;
            self.tasks.push(dialling.boxed_local());
        }
    }

    fn wants_dial(&self) -> bool {
        self.open.get() < self.settings.pool.min || self.shared.waiting() > self.dialling
    }

    /// A new connection; its place is taken at once.
    fn fresh(&self) -> impl Future<Output = Result<Wire, Cause>> + use<> {
        Wire::dial(
            self.options.clone(),
            Place::taken(&self.open),
            self.settings.pool.lifetime,
            self.settings.link.connect_timeout,
        )
    }

    /// Closes those that lived long enough, and those beyond the minimum that nobody needs.
    fn retire(&mut self) {
        let now = Instant::now();
        let mut spare = self.spare();
        for _ in 0..self.idle.len() {
            let Some(wire) = self.idle.pop_front() else {
                break;
            };
            let unneeded = spare > 0 && wire.idle_since() + self.settings.pool.idle <= now;
            if wire.expires() > now && !unneeded {
                self.idle.push_back(wire);
                continue;
            }
            spare = spare.saturating_sub(1);
            self.retiring += 1;
            let closing = wire.close().map(|()| Done::Retired);
            self.tasks.push(closing.boxed_local());
        }
    }

    /// Connections beyond the minimum.
    fn spare(&self) -> usize {
        let stay = self.retiring + self.settings.pool.min;
        self.open.get().saturating_sub(stay)
    }

    fn settle(&mut self, done: Done) {
        match done {
            Done::Served(remains) => {
                self.in_use -= 1;
                self.rest(remains.wire);
                if let Some(number) = remains.orphan {
                    self.end_orphan(number);
                }
                match remains.mishap {
                    Some(Mishap::Lost(cause)) => self.look(Some(cause)),
                    Some(Mishap::Overdue) => self.look(None),
                    None => {}
                }
            }
            Done::Unserved(waiting, cause) => {
                self.in_use -= 1;
                self.look(Some(cause));
                self.shared.put_back(waiting);
            }
            Done::Dialled(dialled) => {
                self.dialling -= 1;
                self.dialled(dialled);
            }
            Done::Checked(wire, finding) => {
                self.checking = false;
                self.rest(wire);
                self.checked(finding);
                if std::mem::take(&mut self.check_again) {
                    self.look(None);
                }
            }
            Done::Retired => self.retiring -= 1,
            Done::Freed(wire) => self.rest(wire),
        }
    }

    /// A connection that nobody uses any more, if there is room for it.
    fn rest(&mut self, wire: Option<Wire>) {
        if let Some(mut wire) = wire
            && self.open.get() <= self.settings.pool.max
        {
            wire.rests();
            self.idle.push_back(wire);
        }
    }

    fn dialled(&mut self, dialled: Result<Wire, Cause>) {
        match dialled {
            Ok(wire) => {
                self.failed_dials = 0;
                self.rest(Some(wire));
            }
            Err(cause) => {
                let again = DIAL_AGAIN.saturating_mul(1 << self.failed_dials.min(10));
                self.failed_dials += 1;
                self.dial_after = Instant::now() + again.min(DIAL_AGAIN_MOST);
                // What is there may be well all the same.
                self.look(Some(cause));
            }
        }
    }

    /// When something is to be done that no news gives rise to. Only what [`Pump::work`] would then
    /// do counts: else it would be woken by it again and again.
    fn next_alarm(&self) -> Instant {
        let size = self.settings.pool;
        let mut next = Instant::now() + Duration::from_secs(60);
        if self.wishes.wish() != Wish::Run {
            return next;
        }
        next = self.next_look().map_or(next, |due| next.min(due));
        if self.wants_dial() && self.open.get() < size.max && self.dialling < DIALS {
            next = next.min(self.dial_after);
        }
        let has_spare = self.spare() > 0;
        for wire in &self.idle {
            next = next.min(wire.expires());
            if has_spare {
                next = next.min(wire.idle_since() + size.idle);
            }
        }
        next
    }

    fn count(&self) {
        let gauges = &self.shared.gauges;
        gauges.open.store(self.open.get(), Ordering::Relaxed);
        gauges.idle.store(self.idle.len(), Ordering::Relaxed);
        gauges.in_use.store(self.in_use, Ordering::Relaxed);
    }
}
