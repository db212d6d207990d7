//! The one thing that must never happen: a statement that is executed twice, or lost although it
//! was acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use everlink::mysql::{Outcome, Pool, Session, WhenDown};

use crate::shop::{SOON, Shop, TestResult, server, settings};

#[derive(Default)]
struct Ledger {
    acknowledged: BTreeSet<u32>,
    /// Those that surely had no effect.
    void: BTreeSet<u32>,
    unknown: BTreeSet<u32>,
}

/// Every third is a transaction of two rows.
async fn insert(pool: &Pool, n: u32) -> everlink::mysql::Result<()> {
    if n.is_multiple_of(3) {
        return pool
            .transaction(async move |session: &mut Session| {
                session.exec("INSERT INTO counter VALUES (?)", (n,)).await?;
                session.exec("INSERT INTO partner VALUES (?)", (n,)).await
            })
            .await
            .map(drop);
    }
    let inserted = pool.exec("INSERT INTO counter VALUES (?)", (n,)).await;
    inserted.map(drop)
}

#[actix::test]
async fn under_load_and_kills_nothing_is_executed_twice_and_nothing_acknowledged_is_lost()
-> TestResult {
    let server = server!();
    let mut settings = settings(&server);
    settings.when_down = WhenDown::Wait;
    // Else each kill would find the backoff as long as the one before has left it.
    settings.link.stable_after = std::time::Duration::from_millis(50);
    let shop = Shop::ready(settings).await;
    shop.pool
        .query("CREATE TABLE counter (n INT, KEY (n))")
        .await?;
    shop.pool
        .query("CREATE TABLE partner (n INT, KEY (n))")
        .await?;
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let next = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let relaxed = std::sync::atomic::Ordering::Relaxed;
    let workers: Vec<_> = (0..16)
        .map(|_| {
            let (pool, ledger) = (shop.pool.clone(), Arc::clone(&ledger));
            let (next, over) = (Arc::clone(&next), Arc::clone(&over));
            actix::spawn(async move {
                while !over.load(relaxed) {
                    let n = next.fetch_add(1, relaxed);
                    let result = insert(&pool, n).await;
                    let mut ledger = ledger.lock().expect("no panic");
                    match result.map_err(|error| error.outcome()) {
                        Ok(()) => ledger.acknowledged.insert(n),
                        Err(outcome) if outcome.is_safe_to_repeat() => ledger.void.insert(n),
                        Err(Outcome::Unknown) => ledger.unknown.insert(n),
                        Err(outcome) => panic!("{outcome}"),
                    };
                }
            })
        })
        .collect();
    for round in 1..=3 {
        let goal = ledger.lock().expect("no panic").acknowledged.len() + 100;
        let mut wait = crate::support::waiting::Wait::up_to(SOON, "acknowledged calls");
        while ledger.lock().expect("no panic").acknowledged.len() < goal {
            wait.again(goal).await?;
        }
        server.kill9().await?;
        shop.told("disconnected", round).await;
        server.restart().await?;
        shop.told("reconnected", round).await;
    }
    over.store(true, relaxed);
    for worker in workers {
        worker.await?;
    }
    let mut counted: BTreeMap<u32, u32> = BTreeMap::new();
    for n in server.rows::<u32>("SELECT n FROM shop.counter").await? {
        *counted.entry(n).or_default() += 1;
    }
    let partners: BTreeSet<u32> = server
        .rows("SELECT n FROM shop.partner")
        .await?
        .into_iter()
        .collect();
    let ledger = ledger.lock().expect("no panic");
    let twice: Vec<_> = counted.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "executed twice: {twice:?}");
    let lost: Vec<_> = ledger
        .acknowledged
        .iter()
        .filter(|n| !counted.contains_key(n))
        .collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let ghosts: Vec<_> = ledger
        .void
        .iter()
        .filter(|n| counted.contains_key(n))
        .collect();
    assert!(ghosts.is_empty(), "said to have had no effect: {ghosts:?}");
    let halves: Vec<_> = counted
        .keys()
        .filter(|n| n.is_multiple_of(3) && !partners.contains(n))
        .collect();
    assert!(halves.is_empty(), "half a transaction: {halves:?}");
    assert!(ledger.acknowledged.len() >= 300);
    let names = shop.names();
    let order: Vec<&str> = names
        .into_iter()
        .filter(|name| ["connected", "disconnected", "reconnected"].contains(name))
        .collect();
    let expected = ["connected"]
        .into_iter()
        .chain(["disconnected", "reconnected"].repeat(3));
    assert_eq!(order, expected.collect::<Vec<_>>());
    Ok(())
}
