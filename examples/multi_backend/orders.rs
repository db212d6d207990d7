//! The application: each order is a row in MariaDB, and then a member of a set in Redis.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use actix_rt::task::JoinHandle;
use everlink::mysql::Pool;
use everlink::redis::{Client, Outcome, cmd};

use crate::Result;
use crate::support::waiting::Wait;

const WORKERS: u32 = 4;

/// Orders that are written all the time.
pub(crate) struct Orders {
    ledger: Rc<Ledger>,
    workers: Vec<JoinHandle<()>>,
}

/// What the application was told.
#[derive(Default)]
pub(crate) struct Ledger {
    next: Cell<u32>,
    over: Cell<bool>,
    written: RefCell<BTreeSet<u32>>,
    counted: RefCell<BTreeSet<u32>>,
    /// Nobody can tell whether MariaDB has them.
    open: RefCell<BTreeSet<u32>>,
    refused: Cell<u32>,
}

impl Orders {
    pub(crate) async fn start(pool: Pool, client: Client) -> Result<Self> {
        pool.query("CREATE TABLE orders (n INT, KEY (n))").await?;
        let ledger = Rc::<Ledger>::default();
        let workers = (0..WORKERS)
            .map(|_| {
                let work = work(pool.clone(), client.clone(), Rc::clone(&ledger));
                actix_rt::spawn(work)
            })
            .collect();
        Ok(Self { ledger, workers })
    }

    /// Waits until so many more orders went through both.
    pub(crate) async fn more(&self, orders: usize, patience: Duration) -> Result<()> {
        let counted = || self.ledger.counted.borrow().len();
        let goal = counted() + orders;
        let mut wait = Wait::up_to(patience, format!("{orders} more orders"));
        while counted() < goal {
            wait.again(counted()).await?;
        }
        Ok(())
    }

    pub(crate) async fn finish(self) -> Result<Rc<Ledger>> {
        self.ledger.over.set(true);
        for worker in self.workers {
            worker.await?;
        }
        Ok(self.ledger)
    }
}

async fn work(pool: Pool, client: Client, ledger: Rc<Ledger>) {
    while !ledger.over.get() {
        let n = ledger.next.replace(ledger.next.get() + 1);
        let written = pool.exec("INSERT INTO orders VALUES (?)", (n,)).await;
        match written.map_err(|error| error.outcome()) {
            Ok(_) => {
                ledger.written.borrow_mut().insert(n);
            }
            Err(outcome) if outcome.is_safe_to_repeat() => {
                ledger.refused.set(ledger.refused.get() + 1);
                continue;
            }
            Err(_) => {
                ledger.open.borrow_mut().insert(n);
                continue;
            }
        }
        // To add it a second time changes nothing, so it is tried until it is known to be there.
        loop {
            match client.call(cmd("SADD").arg("orders").arg(n)).await {
                Ok(_) => break,
                Err(error) if error.outcome() == Outcome::Executed => break,
                Err(_) if ledger.over.get() => return,
                Err(_) => {}
            }
        }
        ledger.counted.borrow_mut().insert(n);
    }
}

impl Ledger {
    /// Compares what was told with what the servers hold.
    pub(crate) async fn prove(&self, pool: &Pool, client: &Client) -> Result<bool> {
        let rows: Vec<u32> = pool.query("SELECT n FROM orders").await?.rows()?;
        let held: BTreeSet<u32> = rows.iter().copied().collect();
        let set: Vec<u32> = client.query(cmd("SMEMBERS").arg("orders")).await?;
        let set: BTreeSet<u32> = set.into_iter().collect();
        let (written, open) = (self.written.borrow(), self.open.borrow());
        println!(
            "{} orders acknowledged, {} surely without effect, {} of unknown outcome",
            written.len(),
            self.refused.get(),
            open.len()
        );
        let promises = [
            ("no order was executed twice", rows.len() == held.len()),
            (
                "every acknowledged order is in MariaDB",
                written.is_subset(&held),
            ),
            (
                "no other order is, but of unknown outcome",
                held.iter().all(|n| written.contains(n) || open.contains(n)),
            ),
            (
                "every order that Redis acknowledged is in Redis",
                self.counted.borrow().is_subset(&set),
            ),
        ];
        for (promise, kept) in promises {
            println!("  {} {promise}", if kept { "kept:  " } else { "BROKEN:" });
        }
        Ok(promises.iter().all(|(_, kept)| *kept))
    }
}
