//! Shows: a client of price feeds. Three simulated exchanges run in this process as real WebSocket
//! servers; in each round one is killed, one hangs, and one keeps its connections but falls silent.
//! Everlink notices, reconnects and restores the subscriptions. Failed connects feed the circuit
//! breaker of each feed, three open it: trading on that exchange stops until the circuit closes.
//!
//! Run: `cargo run --example trading --features websocket`, or with `-- --rounds 1` for a short
//! form. Nothing else is needed; three rounds take 15 to 20 s.
//!
//! Expect: every change of a connection and of a circuit with its time, who is connected after each
//! of them, and at the end a table and `all exchanges trade`. What does not happen in time ends it
//! with a failure.

mod desk;
mod exchange;
mod wire;

use std::process::ExitCode;
use std::time::Duration;

use actix::Actor;
use everlink::link::LinkOptions;
use everlink::policy::{Backoff, BreakerState, Jitter, RefusedCap, RestartPolicy};
use everlink::registry::{Registry, Subscribe};
use everlink::websocket::{Feed, FeedHealth, FeedSettings, Lag};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use desk::{Book, Desk, Trade};
use exchange::Exchange;
use wire::{SYMBOLS, Wire};

type Failure = Box<dyn std::error::Error>;

const NAMES: [&str; 3] = ["alpha", "beta", "gamma"];
/// Whatever is waited for comes sooner, or the example has failed.
const LIMIT: Duration = Duration::from_secs(20);

#[actix::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn rounds() -> Result<usize, Failure> {
    let mut args = std::env::args().skip(1);
    match (args.next().as_deref(), args.next()) {
        (None, _) => Ok(3),
        (Some("--rounds"), Some(rounds)) => Ok(rounds.parse()?),
        _ => Err("usage: trading [--rounds N]".into()),
    }
}

fn settings(url: &str) -> Result<FeedSettings, Failure> {
    let mut settings = FeedSettings::new(url)?;
    let backoff = Backoff::exponential(Duration::from_millis(100), 2.0)?;
    let backoff = backoff
        .capped(Duration::from_secs(30))?
        .jittered(Jitter::Equal);
    let mut link = LinkOptions::default();
    // A refused dial waits as long as any other, to keep what is printed short.
    link.restart = RestartPolicy::default()
        .with_backoff(backoff)
        .with_refused(RefusedCap::off());
    link.stable_after = Duration::from_secs(1);
    settings.link = link;
    settings.health = FeedHealth {
        ping_interval: Some(Duration::from_millis(500)),
        ping_timeout: Duration::from_millis(500),
        stale_after: Some(Duration::from_millis(1_500)),
    };
    // Of prices only the last one counts.
    settings.queue.when_lagging = Lag::KeepLatest;
    Ok(settings)
}

async fn run() -> Result<(), Failure> {
    let rounds = rounds()?;
    let registry = Registry::start_new();
    let (book, mut seen) = watch::channel(Book::new(NAMES));
    let desk = Desk::new(Instant::now(), book).start();
    registry
        .send(Subscribe::new(desk.clone().recipient()))
        .await?;

    let (mut exchanges, mut feeds) = (Vec::new(), Vec::new());
    for name in NAMES {
        let exchange = Exchange::open()?;
        let prices = desk.clone().recipient();
        let feed = Feed::open(name, settings(&exchange.url())?, Wire, prices, &registry)?;
        for symbol in SYMBOLS {
            feed.subscribe(symbol);
        }
        desk.send(Trade(feed.clone())).await?;
        feeds.push(feed);
        exchanges.push(exchange);
    }
    for feed in &feeds {
        feed.ready(LIMIT).await?;
    }
    all_trade(&mut seen).await?;

    for round in 0..rounds {
        println!("round {}", round + 1);
        // Each takes each part in turn.
        let part = |part: usize| (round + part) % NAMES.len();
        trouble(&mut exchanges, [part(0), part(1), part(2)], &mut seen).await?;
        all_trade(&mut seen).await?;
        restored(&exchanges)?;
    }

    let book = seen.borrow().clone();
    println!("the desk closes");
    for feed in &feeds {
        feed.stop().await;
    }
    report(&book, rounds)
}

/// Kills one, hangs one, silences one; ends when all that could be seen of it was seen.
async fn trouble(
    exchanges: &mut [Exchange],
    [killed, hung, silent]: [usize; 3],
    seen: &mut watch::Receiver<Book>,
) -> Result<(), Failure> {
    println!("       {} is killed", NAMES[killed]);
    exchanges[killed].kill().await?;
    println!("       {} hangs", NAMES[hung]);
    exchanges[hung].hang();
    println!("       {} falls silent", NAMES[silent]);
    exchanges[silent].silence(true);
    let losses: Vec<u64> = {
        let book = seen.borrow();
        NAMES.iter().map(|name| book.of(name).losses).collect()
    };
    until(seen, "the circuit of the killed exchange to open", |book| {
        book.of(NAMES[killed]).circuit == BreakerState::Open
    })
    .await?;
    until(seen, "the other losses", |book| {
        [hung, silent]
            .into_iter()
            .all(|it| book.of(NAMES[it]).losses > losses[it])
    })
    .await?;
    // The exchange stays away for a while, so that the backoff grows.
    sleep(Duration::from_secs(2)).await;
    println!("       {} is back", NAMES[killed]);
    exchanges[killed].revive()?;
    exchanges[silent].silence(false);
    Ok(())
}

async fn all_trade(seen: &mut watch::Receiver<Book>) -> Result<(), Failure> {
    let before = seen.borrow().clone();
    until(seen, "trades on all exchanges", |book| {
        NAMES.iter().all(|name| {
            let line = book.of(name);
            line.trades() && line.prices > before.of(name).prices + 20
        })
    })
    .await
}

/// What each exchange sends is what was subscribed to.
fn restored(exchanges: &[Exchange]) -> Result<(), Failure> {
    for (exchange, name) in exchanges.iter().zip(NAMES) {
        let topics = exchange.subscriptions();
        if topics != [SYMBOLS.map(str::to_owned).to_vec()] {
            return Err(format!("{name} is subscribed to {topics:?}").into());
        }
    }
    println!("       all subscriptions are restored");
    Ok(())
}

async fn until(
    seen: &mut watch::Receiver<Book>,
    what: &str,
    holds: impl FnMut(&Book) -> bool,
) -> Result<(), Failure> {
    match timeout(LIMIT, seen.wait_for(holds)).await {
        Ok(waited) => waited.map(drop).map_err(Into::into),
        Err(_) => Err(format!("waited in vain for {what}").into()),
    }
}

fn report(book: &Book, rounds: usize) -> Result<(), Failure> {
    println!("exchange  prices  orders  not sent  losses  gaps  circuit opened");
    for name in NAMES {
        let line = book.of(name);
        println!(
            "{name:<8}  {:>6}  {:>6}  {:>8}  {:>6}  {:>4}  {:>14}",
            line.prices, line.orders, line.not_sent, line.losses, line.gaps, line.opened
        );
        if line.unlawful > 0 {
            return Err(format!("{name}: orders while its circuit was open").into());
        }
        if line.gaps != line.losses {
            return Err(format!("{name}: not one gap for each loss").into());
        }
    }
    let opened: u64 = NAMES.iter().map(|name| book.of(name).opened).sum();
    if opened < rounds as u64 {
        return Err("a circuit did not open".into());
    }
    println!("all exchanges trade");
    Ok(())
}
