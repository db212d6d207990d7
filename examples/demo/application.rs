//! The application: [`Worker`] actors that read and write all the time, each through one of the
//! two doors.

use std::rc::Rc;
use std::time::Duration;

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, SpawnHandle, WrapFuture,
};
use everlink::redis::{Command, Value, cmd};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::cells::Cell;
use crate::laboratory::door::{Answer, Call, Door};
use crate::laboratory::fate::Fate;
use crate::ledger::{Deed, Ledger, Told};

/// How many workers there are; every other one uses the other door.
pub(crate) const WORKERS: u64 = 12;
/// How often a worker makes a call.
const EVERY: Duration = Duration::from_millis(8);
/// A worker with so many calls under way waits for answers before it makes another.
const MOST_UNDER_WAY: usize = 500;

/// Makes calls at a steady pace, whether those before were answered or not.
pub(crate) struct Worker {
    door: Door,
    cells: Rc<Vec<Cell>>,
    ledger: Rc<Ledger>,
    rng: StdRng,
    under_way: usize,
    ticking: Option<SpawnHandle>,
}

impl Worker {
    pub(crate) fn new(
        door: Door,
        cells: Rc<Vec<Cell>>,
        ledger: Rc<Ledger>,
        seed: u64,
        number: u64,
    ) -> Self {
        Self {
            door,
            cells,
            ledger,
            rng: StdRng::seed_from_u64(seed.wrapping_mul(1_000).wrapping_add(number)),
            under_way: 0,
            ticking: None,
        }
    }

    fn tick(&mut self, ctx: &mut Context<Self>) {
        if self.under_way >= MOST_UNDER_WAY {
            return;
        }
        let parts = if self.rng.random_ratio(1, 10) { 4 } else { 1 };
        let jobs: Vec<Job> = (0..parts).map(|_| self.job()).collect();
        self.under_way += 1;
        let began = self.ledger.begin();
        let answers = self
            .door
            .clone()
            .send(Call::of(jobs.iter().map(|job| job.command(&self.cells))));
        let (ledger, cells) = (Rc::clone(&self.ledger), Rc::clone(&self.cells));
        let call = async move {
            let answers = answers.await;
            let pairs = || {
                let answers = (0..jobs.len()).map(|index| answers.get(index));
                jobs.iter().zip(answers)
            };
            let strange = pairs().filter(|(job, answer)| job.is_strange(*answer, &cells));
            let strange = strange.count() as u64;
            let told: Vec<Told> = pairs().map(|(job, answer)| job.told(answer)).collect();
            ledger.end(began, &told, strange);
        };
        ctx.spawn(
            call.into_actor(self)
                .map(|(), worker, _| worker.under_way -= 1),
        );
    }

    fn job(&mut self) -> Job {
        let cell = self.rng.random_range(0..self.cells.len());
        let (verb, deed) = match self.rng.random_range(0..10) {
            0..3 => (Verb::Get, Deed::Other),
            3..5 => (Verb::Set(self.ledger.new_id()), Deed::Other),
            5..7 => (Verb::Incr, Deed::Count),
            _ => {
                let id = self.ledger.new_id();
                (Verb::Push(id), Deed::Push(id))
            }
        };
        Job { cell, verb, deed }
    }
}

/// One command of a call.
struct Job {
    cell: usize,
    verb: Verb,
    deed: Deed,
}

enum Verb {
    Get,
    Set(u64),
    Incr,
    Push(u64),
}

impl Job {
    fn command(&self, cells: &[Cell]) -> Command {
        let cell = &cells[self.cell];
        match self.verb {
            Verb::Get => cmd("GET").arg(&cell.value),
            Verb::Set(id) => {
                let value = format!("{}{id}", cell.mark());
                cmd("SET").arg(&cell.value).arg(value)
            }
            Verb::Incr => cmd("INCR").arg(&cell.counter),
            Verb::Push(id) => cmd("RPUSH").arg(&cell.list).arg(id),
        }
    }

    fn told(&self, answer: Option<&Answer>) -> Told {
        Told {
            cell: self.cell,
            deed: self.deed,
            fate: answer.map_or(Fate::NotSent, Fate::of),
        }
    }

    /// A reply to another command would be of another type, or of another cell.
    fn is_strange(&self, answer: Option<&Answer>, cells: &[Cell]) -> bool {
        let Some(Ok(reply)) = answer else {
            return false;
        };
        let fits = match (&self.verb, reply) {
            (Verb::Get, Value::Nil) | (Verb::Incr | Verb::Push(_), Value::Int(_)) => true,
            (Verb::Get, value) => value
                .as_bytes()
                .is_some_and(|bytes| bytes.starts_with(cells[self.cell].mark().as_bytes())),
            (Verb::Set(_), value) => value.as_bytes().is_some_and(|bytes| bytes == "OK"),
            (Verb::Incr | Verb::Push(_), _) => false,
        };
        !fits
    }
}

impl Actor for Worker {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        // Not all at the same moment.
        let wait = self.rng.random_range(Duration::ZERO..EVERY);
        self.ticking = Some(ctx.run_later(wait, |worker, ctx| {
            worker.ticking = Some(ctx.run_interval(EVERY, Self::tick));
        }));
    }
}

/// Make no more calls. Those under way go on.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Rest;

impl Handler<Rest> for Worker {
    type Result = ();

    fn handle(&mut self, _: Rest, ctx: &mut Context<Self>) {
        if let Some(ticking) = self.ticking.take() {
            ctx.cancel_future(ticking);
        }
    }
}
