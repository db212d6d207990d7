//! The process of one client: [`run`]. So its memory is its own, and so is its death.
//!
//! It writes lines: `ready` once it is connected, one for each call of a stream, `end` with what it
//! counted, or `failed`. It works until its standard input ends.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::clock::now;
use crate::failure;
use crate::peers::{Cluster, Contender, Everlink, Fred, Manager, Peer, Rustis, Target};
use crate::record::Call;
use crate::support::waiting::Result;

/// What the process is told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) contender: Contender,
    pub(crate) target: Target,
    pub(crate) work: Work,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Work {
    /// `SET`s at a steady pace, whatever becomes of those before.
    Streams(Vec<Stream>),
    /// `INCR`s by so many tasks, each on a key of its own: `once:0`, `once:1` and so on.
    Once { tasks: usize },
    /// `SET`s of so many bytes by so many tasks, one after the other.
    Pressing { tasks: usize, bytes: usize },
}

/// Calls at a steady pace, to these keys in turn.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Stream {
    pub(crate) keys: Vec<String>,
    pub(crate) per_second: u32,
}

/// What a process counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counted {
    pub(crate) made: u64,
    pub(crate) acknowledged: u64,
    pub(crate) failed: u64,
    /// `INCR`s of a key of their own that were answered by more than 1.
    pub(crate) wrong: u64,
}

/// # Errors
/// The client does not connect.
pub(crate) fn run(order: Order) -> Result<()> {
    match order.contender {
        Contender::Everlink => actix::System::new().block_on(work::<Everlink>(order)),
        Contender::RedisRs if order.target.cluster => on_tokio::<Cluster>(order),
        Contender::RedisRs => on_tokio::<Manager>(order),
        Contender::Fred => on_tokio::<Fred>(order),
        Contender::Rustis => on_tokio::<Rustis>(order),
    }
}

fn on_tokio<C: Peer>(order: Order) -> Result<()> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build()?;
    let done = runtime.block_on(work::<C>(order));
    // Some never end what they began.
    runtime.shutdown_background();
    done
}

async fn work<C: Peer>(order: Order) -> Result<()> {
    let client = C::connect(&order.target).await?;
    println!("ready");
    let over = over_with_input();
    // Calls still out when it is over are given their time, and no more.
    let rest = order.target.timeout.unwrap_or_default() + Duration::from_secs(1);
    let counted = match order.work {
        Work::Streams(streams) => {
            let mut tasks = JoinSet::new();
            for (index, stream) in streams.into_iter().enumerate() {
                tasks.spawn(steady(
                    client.clone(),
                    index,
                    stream,
                    Arc::clone(&over),
                    rest,
                ));
            }
            tasks.join_all().await;
            Counted::default()
        }
        Work::Once { tasks } => {
            let tally = Arc::new(Tally::default());
            let mut set = JoinSet::new();
            for _ in 0..tasks {
                set.spawn(once(client.clone(), Arc::clone(&tally), Arc::clone(&over)));
            }
            all_of(set, &over, rest).await;
            tally.counted()
        }
        Work::Pressing { tasks, bytes } => {
            let tally = Arc::new(Tally::default());
            let mut set = JoinSet::new();
            for task in 0..tasks {
                let (tally, over) = (Arc::clone(&tally), Arc::clone(&over));
                set.spawn(pressing(client.clone(), task, bytes, tally, over));
            }
            all_of(set, &over, rest).await;
            tally.counted()
        }
    };
    println!("end {}", serde_json::to_string(&counted).map_err(failure)?);
    Ok(())
}

fn over_with_input() -> Arc<AtomicBool> {
    let over = Arc::new(AtomicBool::new(false));
    let tell = Arc::clone(&over);
    std::thread::spawn(move || {
        let mut input = Vec::new();
        // However it ends, it is over.
        let _ = std::io::stdin().read_to_end(&mut input);
        tell.store(true, Ordering::Relaxed);
    });
    over
}

/// Waits for tasks that end once it is over; for `rest` longer, if some do not.
async fn all_of(mut set: JoinSet<()>, over: &AtomicBool, rest: Duration) {
    while !over.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(5)).await;
    }
    // Those that do not end are aborted with the set.
    let _ = timeout(rest, async { while set.join_next().await.is_some() {} }).await;
}

async fn steady<C: Peer>(
    client: C,
    stream: usize,
    what: Stream,
    over: Arc<AtomicBool>,
    rest: Duration,
) {
    let mut ticks = interval(Duration::from_secs(1) / what.per_second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut calls = JoinSet::new();
    for key in what.keys.iter().cycle() {
        ticks.tick().await;
        if over.load(Ordering::Relaxed) {
            break;
        }
        let (mut client, key) = (client.clone(), key.clone());
        calls.spawn(async move {
            let began = now();
            let done = client.set(&key, "value").await;
            let call = Call {
                stream,
                began,
                ended: now(),
                failure: done.err().map(|failure| failure.to_string()),
            };
            println!("{}", call.line());
        });
        while calls.try_join_next().is_some() {}
    }
    all_of(calls, &over, rest).await;
}

#[derive(Default)]
struct Tally {
    made: AtomicU64,
    acknowledged: AtomicU64,
    failed: AtomicU64,
    wrong: AtomicU64,
}

impl Tally {
    fn counted(&self) -> Counted {
        Counted {
            made: self.made.load(Ordering::Relaxed),
            acknowledged: self.acknowledged.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            wrong: self.wrong.load(Ordering::Relaxed),
        }
    }

    async fn note_failure(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        // A client that fails at once would do nothing else.
        sleep(Duration::from_millis(1)).await;
    }
}

async fn once<C: Peer>(mut client: C, tally: Arc<Tally>, over: Arc<AtomicBool>) {
    while !over.load(Ordering::Relaxed) {
        let number = tally.made.fetch_add(1, Ordering::Relaxed);
        match client.incr(&format!("once:{number}")).await {
            Ok(value) => {
                tally.acknowledged.fetch_add(1, Ordering::Relaxed);
                let wrong = u64::from(value != 1);
                tally.wrong.fetch_add(wrong, Ordering::Relaxed);
            }
            Err(_) => tally.note_failure().await,
        }
    }
}

async fn pressing<C: Peer>(
    mut client: C,
    task: usize,
    bytes: usize,
    tally: Arc<Tally>,
    over: Arc<AtomicBool>,
) {
    let (key, value) = (format!("key:{task}"), "v".repeat(bytes));
    while !over.load(Ordering::Relaxed) {
        tally.made.fetch_add(1, Ordering::Relaxed);
        match client.set(&key, &value).await {
            Ok(()) => {
                tally.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => tally.note_failure().await,
        }
    }
}
