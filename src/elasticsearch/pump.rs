//! One life of a node's link: carries requests, checks, and ends when the node is out: [`Pump`].

use std::future::pending;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::future::{Either, LocalBoxFuture, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, sleep_until, timeout_at};

use crate::elasticsearch::check::{Finding, check};
use crate::elasticsearch::error::ErrorKind;
use crate::elasticsearch::node::{Job, Node};
use crate::elasticsearch::settings::ElasticSettings;
use crate::elasticsearch::wire::{Fault, Wire};
use crate::exit::{Cause, CauseKind, Class};
use crate::link::{Lifeline, Wish, Wishes};

/// A failed check is followed by the next after this.
const CHECK_AGAIN: Duration = Duration::from_secs(1);
const FAR: Duration = Duration::from_secs(3600);

/// What came to its end.
enum Done {
    /// A request was answered.
    Carried,
    /// Its caller is gone.
    Abandoned,
    /// The credentials or a certificate were refused: a check tells whether for good. Or an answer
    /// did not come within the little time that was left for it.
    Suspicious,
    /// A connection was lost.
    Lost(Cause),
    /// An answer did not come in due time: the node or the request may be slow.
    Late,
    Checked(Finding),
}

/// What woke it.
enum News {
    Job(Job),
    Done(Done),
    Other,
}

/// All of it is one future, part of the connection actor: with that every connection is gone.
pub(super) struct Pump {
    node: Arc<Node>,
    settings: Arc<ElasticSettings>,
    wire: Rc<Wire>,
    lifeline: Lifeline,
    wishes: Rc<Wishes>,
    jobs: mpsc::UnboundedReceiver<Job>,
    tasks: FuturesUnordered<LocalBoxFuture<'static, Done>>,
    in_flight: usize,
    checking: bool,
    /// Something happened while a check was under way.
    check_again: bool,
    /// In a row; a check must not forget what became of requests.
    lost: u32,
    /// Failed checks and late requests in a row.
    doubts: u32,
    failed_checks: u32,
    next_check: Instant,
    end: Option<Cause>,
    /// Those whose requests are dropped with it can be told why.
    told: bool,
}

impl Drop for Pump {
    fn drop(&mut self) {
        if !self.told {
            self.node.lose(&CauseKind::Aborted.into());
        }
    }
}

impl Pump {
    /// Opens the lane of the node.
    pub(super) fn new(
        node: Arc<Node>,
        settings: Arc<ElasticSettings>,
        wire: Wire,
        lifeline: Lifeline,
        wishes: Rc<Wishes>,
    ) -> Self {
        let (lane, jobs) = mpsc::unbounded_channel();
        node.open(lane);
        Self {
            next_check: Instant::now() + settings.health.interval,
            node,
            settings,
            wire: Rc::new(wire),
            lifeline,
            wishes,
            jobs,
            tasks: FuturesUnordered::new(),
            in_flight: 0,
            checking: false,
            check_again: false,
            lost: 0,
            doubts: 0,
            failed_checks: 0,
            end: None,
            told: false,
        }
    }

    /// Runs until the node is out or somebody wishes it to end, and says why.
    pub(super) async fn run(mut self) -> Cause {
        let cause = self.work().await;
        self.node.lose(&cause);
        self.told = true;
        cause
    }

    async fn work(&mut self) -> Cause {
        let mut draining = false;
        loop {
            match self.wishes.wish() {
                Wish::Now => return CauseKind::Requested.into(),
                // Whatever was found meanwhile: what is under way may be answered all the same.
                Wish::Drain => {
                    if !std::mem::replace(&mut draining, true) {
                        self.node.shut();
                        self.jobs.close();
                    }
                    if self.in_flight == 0 && self.jobs.is_empty() {
                        return CauseKind::Requested.into();
                    }
                }
                Wish::Run => {
                    if let Some(cause) = self.end.take() {
                        return cause;
                    }
                    let checks = self.settings.health.enabled || self.failed_checks > 0;
                    if checks && !self.checking && Instant::now() >= self.next_check {
                        self.look();
                    }
                }
            }
            match self.news().await {
                News::Job(job) => self.carry(job),
                News::Other => {}
                News::Done(done) => self.settle(done),
            }
        }
    }

    async fn news(&mut self) -> News {
        let checks = self.settings.health.enabled || self.failed_checks > 0;
        // At no other time it does anything about it.
        let free = self.wishes.wish() == Wish::Run && !self.checking;
        let alarm = match checks && free {
            true => self.next_check,
            false => Instant::now() + FAR,
        };
        let wishes = Rc::clone(&self.wishes);
        let wished = pin!(wishes.changed());
        let alarm = pin!(sleep_until(alarm));
        let other = select(wished, alarm);
        let tasks = &mut self.tasks;
        let done = async {
            match tasks.next().await {
                Some(done) => done,
                None => pending().await,
            }
        };
        let jobs = &mut self.jobs;
        let job = async {
            match jobs.recv().await {
                Some(job) => job,
                // Shut; what is under way goes on.
                None => pending().await,
            }
        };
        match select(pin!(done), select(pin!(job), other)).await {
            Either::Left((done, _)) => News::Done(done),
            Either::Right((Either::Left((job, _)), _)) => News::Job(job),
            Either::Right((Either::Right(_), _)) => News::Other,
        }
    }

    fn carry(&mut self, job: Job) {
        self.in_flight += 1;
        self.lifeline.used();
        let carrying = carry(Rc::clone(&self.wire), job);
        self.tasks.push(carrying.boxed_local());
    }

    /// Looks whether the node is well, unless it is to end anyhow.
    fn look(&mut self) {
        if self.wishes.wish() != Wish::Run {
            return;
        }
        if self.checking {
            self.check_again = true;
            return;
        }
        self.checking = true;
        self.next_check = Instant::now() + self.settings.health.interval;
        let wire = Rc::clone(&self.wire);
        let health = self.settings.health;
        let checking = async move { Done::Checked(check(&wire, health).await) };
        self.tasks.push(checking.boxed_local());
    }

    fn settle(&mut self, done: Done) {
        match done {
            Done::Carried => {
                self.in_flight -= 1;
                self.lost = 0;
                self.doubts = 0;
            }
            Done::Abandoned => self.in_flight -= 1,
            Done::Suspicious => {
                self.in_flight -= 1;
                self.look();
            }
            Done::Lost(cause) => {
                self.in_flight -= 1;
                self.lost += 1;
                self.count(cause);
                self.look();
            }
            Done::Late => {
                self.in_flight -= 1;
                self.doubts += 1;
                self.count(Cause::new(CauseKind::Stalled, "answers came too late"));
                self.look();
            }
            Done::Checked(finding) => {
                self.checking = false;
                self.checked(finding);
                if std::mem::take(&mut self.check_again) && self.failed_checks == 0 {
                    self.look();
                }
            }
        }
    }

    /// One failure more; the last of them says why the node is out.
    fn count(&mut self, cause: Cause) {
        if self.lost + self.doubts >= self.settings.node_failure_threshold {
            let text = match cause.detail() {
                "" => format!("{} failures in a row", self.lost + self.doubts),
                why => format!("{} failures in a row: {why}", self.lost + self.doubts),
            };
            self.end.get_or_insert(Cause::new(cause.kind(), text));
        }
    }

    fn checked(&mut self, finding: Finding) {
        let cause = match finding {
            Finding::Well => {
                self.failed_checks = 0;
                self.doubts = 0;
                return;
            }
            Finding::Gone(cause) => {
                self.end.get_or_insert(cause);
                return;
            }
            Finding::Failed(cause) => cause,
        };
        self.failed_checks += 1;
        self.doubts += 1;
        self.count(Cause::new(
            CauseKind::Unhealthy,
            format!("a check failed: {cause}"),
        ));
        let again = CHECK_AGAIN.min(self.settings.health.interval);
        self.next_check = Instant::now() + again;
    }
}

/// Carries one request, unless its caller goes away: then its connection is closed.
async fn carry(wire: Rc<Wire>, mut job: Job) -> Done {
    let carrying = timeout_at(job.due, wire.carry(&job.request, &job.written));
    // A caller that is gone already is seen before anything is written.
    let carried = match select(pin!(job.answer.closed()), pin!(carrying)).await {
        Either::Left(_) => return Done::Abandoned,
        Either::Right((carried, _)) => carried,
    };
    let (result, done) = match carried {
        Ok(Ok(response)) => {
            let done = match response.status() {
                401 => Done::Suspicious,
                _ => Done::Carried,
            };
            (Ok(response), done)
        }
        Ok(Err(fault)) => {
            let done = match fault.cause() {
                Some(cause) if cause.class() == Class::Permanent => Done::Suspicious,
                Some(cause) => Done::Lost(cause.clone()),
                None => Done::Carried,
            };
            (Err(fault), done)
        }
        Err(_) => {
            let fault = Fault {
                kind: ErrorKind::Deadline(Duration::ZERO),
                outcome: job.written.outcome(),
            };
            let done = match job.fair {
                true => Done::Late,
                false => Done::Suspicious,
            };
            (Err(fault), done)
        }
    };
    // An error means that the caller went away at this moment.
    drop(job.answer.send(result));
    done
}
