//! The load: [`Traffic`], callers that make calls at a steady pace through both doors, each with a
//! deadline of its own, some of which go away before they are answered.

use std::rc::Rc;
use std::time::Duration;

use everlink::redis::{Client, Command, Value, cmd};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::history::{Deed, History, Record};
use crate::laboratory::cells::Cell;
use crate::laboratory::door::{Answer, Call, Door};
use crate::laboratory::fate::Fate;
use crate::support::waiting::Result;

const CALLERS: u64 = 10;
const EVERY: Duration = Duration::from_millis(8);
/// With so many calls under way no more are made.
const MOST_UNDER_WAY: u64 = 3_000;
/// What a call may take.
const DEADLINES: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
];
/// The longest of them.
pub(crate) const LONGEST_DEADLINE: Duration = DEADLINES[2];
/// How often a caller that does what it must not do sends a command again.
const WRONG_RETRIES: usize = 3;
/// Makes an argument longer than a socket takes at once.
const PADDING: usize = 48 * 1024;

/// What all callers have in common.
pub(crate) struct Traffic {
    pub(crate) client: Client,
    pub(crate) cells: Rc<Vec<Cell>>,
    pub(crate) history: Rc<History>,
    pub(crate) retry_unknown: bool,
}

impl Traffic {
    /// Starts all callers; they end when they are aborted, the calls under way go on.
    ///
    /// # Errors
    /// It is not the client of a cluster.
    pub(crate) fn start(self: &Rc<Self>, seed: u64) -> Result<Vec<JoinHandle<()>>> {
        (0..CALLERS)
            .map(|number| {
                let rng = StdRng::seed_from_u64(seed.wrapping_mul(1_000).wrapping_add(number));
                let door = Door::of(&self.client, number)?;
                Ok(actix::spawn(Rc::clone(self).work(door, rng)))
            })
            .collect()
    }

    async fn work(self: Rc<Self>, door: Door, mut rng: StdRng) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if self.history.open() >= MOST_UNDER_WAY {
                continue;
            }
            let count = if rng.random_ratio(1, 10) {
                rng.random_range(2..12)
            } else {
                1
            };
            let allowed = DEADLINES[rng.random_range(0..DEADLINES.len())];
            let jobs = (0..count).map(|_| self.job(&mut rng, allowed)).collect();
            // Some callers do not wait for the answer.
            let patience = rng
                .random_ratio(1, 40)
                .then(|| Duration::from_micros(rng.random_range(0..20_000)));
            actix::spawn(Rc::clone(&self).call(door.clone(), jobs, allowed, patience));
        }
    }

    fn job(&self, rng: &mut StdRng, allowed: Duration) -> Job {
        let cell = rng.random_range(0..self.cells.len());
        let verb = match rng.random_range(0..10) {
            0..2 => Verb::Get,
            2 => Verb::Mget,
            3..5 => Verb::Set(self.history.new_id()),
            5..7 => Verb::Incr,
            _ => Verb::Push(self.history.new_id()),
        };
        Job {
            cell,
            verb,
            allowed,
            padded: rng.random_ratio(1, 400),
        }
    }

    async fn call(
        self: Rc<Self>,
        door: Door,
        jobs: Vec<Job>,
        allowed: Duration,
        patience: Option<Duration>,
    ) {
        let history = &self.history;
        let began = history.begin();
        let sending = door.send(Call::of(jobs.iter().map(|job| job.command(&self.cells))));
        let answers = match patience {
            None => Some(sending.await),
            Some(patience) => timeout(patience, sending).await.ok(),
        };
        let Some(mut answers) = answers else {
            history.given_up();
            for job in &jobs {
                self.record(job, began, None);
            }
            history.end();
            return;
        };
        history.answered(began, allowed, || {
            let errors = answers.iter().filter_map(|answer| answer.as_ref().err());
            errors
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; ")
        });
        if self.retry_unknown {
            self.send_again(&jobs, &mut answers).await;
        }
        for (index, job) in jobs.iter().enumerate() {
            match answers.get(index) {
                Some(answer) => self.record(job, began, Some(answer)),
                // The mailbox was closed: never accepted.
                None => history.strange(format!("{} of {} answers", answers.len(), jobs.len())),
            }
        }
        history.end();
    }

    /// What nobody should do.
    async fn send_again(&self, jobs: &[Job], answers: &mut [Answer]) {
        for (job, answer) in jobs.iter().zip(answers) {
            for _ in 0..WRONG_RETRIES {
                if Fate::of(answer) != Fate::Unknown {
                    break;
                }
                self.history.sent_again();
                *answer = self.client.call(job.command(&self.cells)).await;
            }
        }
    }

    /// Without an answer the caller went away.
    fn record(&self, job: &Job, began: Duration, answer: Option<&Answer>) {
        let said = match answer {
            None => Some("given up by the caller".into()),
            Some(Ok(_)) => None,
            Some(Err(error)) => Some(error.to_string().into()),
        };
        let record = Record {
            began,
            ended: self.history.now(),
            fate: answer.map_or(Fate::Unknown, Fate::of),
            said,
        };
        let deed = match answer {
            Some(Ok(reply)) => job.read(reply, &self.cells).unwrap_or_else(|| {
                let name = job.command(&self.cells).name().to_owned();
                let what = format!("{name} made at {began:.3?} was answered {reply:?}");
                self.history.strange(what);
                job.deed()
            }),
            _ => job.deed(),
        };
        self.history.record(job.cell, deed, record);
    }
}

/// One command of a call.
struct Job {
    cell: usize,
    verb: Verb,
    allowed: Duration,
    padded: bool,
}

#[derive(Debug, Clone, Copy)]
enum Verb {
    Get,
    /// Both the value and the counter: `TRYAGAIN` while the slot moves.
    Mget,
    Set(u64),
    Incr,
    Push(u64),
}

impl Job {
    fn command(&self, cells: &[Cell]) -> Command {
        let cell = &cells[self.cell];
        let padding = || {
            let length = if self.padded { PADDING } else { 0 };
            format!(":{}", ".".repeat(length))
        };
        let command = match self.verb {
            Verb::Get => cmd("GET").arg(&cell.value),
            Verb::Mget => cmd("MGET").arg(&cell.value).arg(&cell.counter),
            Verb::Set(id) => {
                let value = format!("{}{id}{}", cell.mark(), padding());
                cmd("SET").arg(&cell.value).arg(value)
            }
            Verb::Incr => cmd("INCR").arg(&cell.counter),
            Verb::Push(id) => cmd("RPUSH")
                .arg(&cell.list)
                .arg(format!("{id}{}", padding())),
        };
        command.timeout(self.allowed)
    }

    /// What is known without a reply.
    fn deed(&self) -> Deed {
        match self.verb {
            Verb::Get | Verb::Mget => Deed::Get { value: None },
            Verb::Set(id) => Deed::Set { id },
            Verb::Incr => Deed::Count { value: None },
            Verb::Push(id) => Deed::Push { id, length: None },
        }
    }

    /// What the reply says; `None` if it is the reply to another command, or of another cell.
    fn read(&self, reply: &Value, cells: &[Cell]) -> Option<Deed> {
        let cell = &cells[self.cell];
        let number = |reply: &Value| match reply {
            Value::Int(number) => u64::try_from(*number).ok(),
            _ => None,
        };
        Some(match (self.verb, reply) {
            (Verb::Get, value) => Deed::Get {
                value: written(cell, value)?,
            },
            (Verb::Mget, Value::Array(both)) => match both.as_slice() {
                [value, Value::Nil | Value::Bulk(_)] => Deed::Get {
                    value: written(cell, value)?,
                },
                _ => return None,
            },
            (Verb::Set(id), reply) if reply.as_bytes().is_some_and(|text| text == "OK") => {
                Deed::Set { id }
            }
            (Verb::Incr, reply) => Deed::Count {
                value: Some(number(reply)?),
            },
            (Verb::Push(id), reply) => Deed::Push {
                id,
                length: Some(number(reply)?),
            },
            (Verb::Mget | Verb::Set(_), _) => return None,
        })
    }
}

/// Which `SET` wrote this value of the cell; the outer `None` if it is no value of the cell.
fn written(cell: &Cell, value: &Value) -> Option<Option<u64>> {
    if matches!(value, Value::Nil) {
        return Some(None);
    }
    let text = std::str::from_utf8(value.as_bytes()?).ok()?;
    read_value(cell, text).map(Some)
}

/// The id in a value of this cell.
pub(crate) fn read_value(cell: &Cell, text: &str) -> Option<u64> {
    let (id, _) = text.strip_prefix(&cell.mark())?.split_once(':')?;
    id.parse().ok()
}
