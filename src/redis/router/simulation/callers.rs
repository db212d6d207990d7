//! Callers of a simulation: what they ask, what they are told, and whether that was the truth.

use std::sync::Arc;

use actix::Addr;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::world::World;
use super::{TICK, arbiters, ms};
use crate::clock::now;
use crate::redis::command::{Command, cmd, pipe};
use crate::redis::error::Outcome;
use crate::redis::request::{Answer, Responder};
use crate::redis::retry::RetryMode;
use crate::redis::router::cluster::ClusterRouter;
use crate::redis::router::routes::Shared;
use crate::redis::router::since::Since;
use crate::redis::value::Value;

/// One request, and what its caller was told.
pub(super) struct Told {
    id: u64,
    repeatable: bool,
    /// None if the caller went away.
    answer: Option<Result<(), Outcome>>,
}

#[derive(Clone)]
pub(super) struct Doors {
    pub(super) shared: Arc<Shared>,
    pub(super) router: Addr<ClusterRouter>,
}

/// A command of a random kind, and whether executing it twice is allowed.
fn command(id: u64, rng: &mut StdRng) -> (Command, bool) {
    let key = format!("key:{}", rng.random_range(0..200));
    let id = id.to_string();
    match rng.random_range(0..10) {
        0..3 => (cmd("GETBIT").arg(key).arg(id), true),
        3 => (cmd("APPEND").arg(key).arg(id).idempotent(), true),
        4 => {
            let any = cmd("APPEND").arg(key).arg(id);
            (any.retry_mode(RetryMode::AtLeastOnce), true)
        }
        5 => (
            cmd("GETBIT").arg(key).arg(id).retry_mode(RetryMode::Never),
            false,
        ),
        _ => (cmd("APPEND").arg(key).arg(id), false),
    }
}

/// One caller's call: a single command by either door, or a pipeline.
pub(super) async fn call(world: World, doors: Doors, first: u64, mut rng: StdRng) -> Vec<Told> {
    sleep(ms(rng.random_range(0..10_000))).await;
    let deadline = ms(rng.random_range(1..=1000));
    let parts = if rng.random_ratio(1, 4) {
        rng.random_range(2..8)
    } else {
        1
    };
    let (commands, repeatable): (Vec<_>, Vec<_>) = (first..first + parts)
        .map(|id| command(id, &mut rng))
        .unzip();
    let door = rng.random_range(0..2);
    let seat = arbiters::any(&mut rng);
    let asked = async {
        if parts > 1 {
            let (sender, replies) = oneshot::channel();
            let pipeline = commands
                .into_iter()
                .fold(pipe().timeout(deadline), |pipeline, command| {
                    pipeline.push(command)
                });
            doors
                .shared
                .dispatch_all(seat, pipeline, Since::At(now()), Some(sender));
            let replies = replies.await.expect("a pipeline is answered");
            return replies.into_iter().collect::<Vec<Answer>>();
        }
        let command = commands.into_iter().next().expect("one").timeout(deadline);
        if door == 0 {
            let answer = doors.router.send(command).await;
            return vec![answer.expect("the router lives")];
        }
        let (sender, answer) = oneshot::channel();
        doors
            .shared
            .dispatch(seat, command, Since::Now, Responder::One(sender));
        vec![answer.await.expect("answered by its guard at least")]
    };
    let began = Instant::now();
    let ids = (first..).zip(repeatable);
    if rng.random_ratio(1, 8) {
        // It goes away, perhaps before the answer.
        let _ = timeout(ms(rng.random_range(0..100)), asked).await;
        let told = |(id, repeatable)| Told {
            id,
            repeatable,
            answer: None,
        };
        return ids
            .take(usize::try_from(parts).expect("few"))
            .map(told)
            .collect();
    }
    let answers = asked.await;
    let late = began.elapsed().saturating_sub(deadline);
    if late > TICK {
        world.violated(format!("{first} was answered {late:?} late: {answers:?}"));
    }
    ids.zip(answers)
        .map(|((id, repeatable), answer)| {
            if let Ok(value) = &answer
                && *value != Value::Bulk(id.to_string().into_bytes().into())
            {
                world.violated(format!("{id} was answered with another's reply: {value:?}"));
            }
            let answer = Some(answer.map(drop).map_err(|error| error.outcome()));
            Told {
                id,
                repeatable,
                answer,
            }
        })
        .collect()
}

/// Whether what was told is what happened.
pub(super) fn judge(world: &World, told: &[Told]) {
    for Told {
        id,
        repeatable,
        answer,
    } in told
    {
        let times = world.state().executed.get(id).copied().unwrap_or(0);
        let truth = match answer {
            _ if times > 1 && !repeatable => false,
            Some(Ok(())) => times >= 1,
            Some(Err(Outcome::NotSent | Outcome::Refused)) => times == 0,
            Some(Err(Outcome::Unknown)) | None => true,
            Some(Err(_)) => false,
        };
        if !truth {
            world.violated(format!(
                "{id} (repeatable: {repeatable}) was executed {times} times, and its caller told {answer:?}"
            ));
        }
    }
}

/// After the faults every slot is served again.
pub(super) async fn probe(world: &World, doors: &Doors, first: u64) -> u64 {
    let keys = (0..40).map(|n| format!("key:{n}"));
    let mut asked = 0;
    let mut rng = StdRng::seed_from_u64(first);
    for (id, key) in (first..).zip(keys) {
        let (sender, answer) = oneshot::channel();
        let seat = arbiters::any(&mut rng);
        let command = cmd("APPEND").arg(&key).arg(id);
        doors
            .shared
            .dispatch(seat, command, Since::Now, Responder::One(sender));
        if let Err(error) = answer.await.expect("answered") {
            world.violated(format!("{key} is not served after the faults: {error:?}"));
        }
        asked += 1;
    }
    asked
}
