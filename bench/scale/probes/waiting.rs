//! Many tasks that wait for answers: [`measure`].

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use everlink::redis::config::{InFlight, Waiting};
use everlink::redis::{Client, Config, cmd};
use tokio::sync::oneshot;
use tokio::task::yield_now;

use super::{Place, opened};
use crate::failure;
use crate::fleet::{Fleet, Order};
use crate::gauge::Gauge;
use crate::support::ports::Port;
use crate::support::waiting::{Failure, Result, Wait};
use crate::table::Line;

const LIMIT: Duration = Duration::from_secs(60);

pub(super) async fn measure(tasks: usize, place: Place) -> Result<Line> {
    let order = Order {
        nodes: 1,
        fragments: false,
    };
    let fleet = Fleet::start(&order)?;
    let nobody = Port::reserve()?;
    let (url, first) = match place {
        Place::Queue => (format!("redis://127.0.0.1:{}", nobody.number()), false),
        Place::InFlight | Place::Channel => (format!("redis://{}", fleet.seed()), true),
    };
    let config = Config::from_url(&url).map_err(failure)?;
    let config = config
        .command_timeout(Duration::from_secs(600))
        .waiting(Waiting::default().requests(2 * tasks))
        .in_flight(InFlight::default().requests(2 * tasks));
    let client = if first {
        opened(config).await?
    } else {
        Client::open(config).await.map_err(failure)?
    };
    let began = Gauge::now();
    let mut senders = Vec::new();
    let begun = Rc::new(Cell::new(0));
    for task in 0..tasks {
        match place {
            Place::Queue | Place::InFlight => {
                let client = client.clone();
                actix::spawn(async move {
                    // Nobody answers.
                    let _ = client.call(cmd("GET").arg(format!("key:{task}"))).await;
                });
            }
            Place::Channel => {
                let (sender, answer) = oneshot::channel::<()>();
                senders.push(sender);
                let begun = Rc::clone(&begun);
                actix::spawn(async move {
                    begun.set(begun.get() + 1);
                    let _ = answer.await;
                });
            }
        }
    }
    let held = match place {
        Place::Queue | Place::InFlight => all_there(&client, tasks, place).await?,
        Place::Channel => {
            while begun.get() < tasks {
                yield_now().await;
            }
            0
        }
    };
    let count = tasks as f64;
    Ok(Line::default()
        .with("tasks", count)
        .with("heap per task, bytes", began.heap() / count)
        .with("memory per task, bytes", began.resident() / count)
        .with("counted by the client, bytes", held as f64 / count)
        .with("CPU per task, µs", began.cpu_ms() * 1_000.0 / count))
}

/// Waits until as many bytes as there are requests are where they are to wait, and no more come.
async fn all_there(client: &Client, tasks: usize, place: Place) -> Result<usize> {
    let mut wait = Wait::up_to(LIMIT, "all requests to wait");
    let mut last = 0;
    loop {
        let memory = client.memory().await;
        let link = memory.links.first();
        let held = match place {
            Place::Queue => link.map_or(0, |link| link.waiting),
            Place::InFlight => link.map_or(0, |link| link.in_flight),
            Place::Channel => return Err(Failure::new("there is nothing to wait for")),
        };
        if held >= tasks && held == last {
            return Ok(memory.total);
        }
        last = held;
        wait.again(held).await?;
    }
}
