//! Callers that never stop, and the count of what they did: the proof that nothing was executed
//! twice and nothing that was acknowledged was lost.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use everlink::redis::{Error, Outcome, cmd};
use tokio::task::JoinHandle;

use crate::application::{Application, SOON, TestResult};
use crate::support::waiting::{Result, Wait};

/// One caller for each key, which counts it up.
pub(crate) struct Load {
    callers: Vec<JoinHandle<()>>,
    keys: Vec<Rc<Key>>,
    stop: Rc<Cell<bool>>,
}

struct Key {
    name: String,
    acknowledged: Cell<u64>,
    unknown: Cell<u64>,
    errors: RefCell<Vec<Error>>,
}

impl Load {
    pub(crate) fn start(
        application: &Rc<Application>,
        keys: impl IntoIterator<Item = String>,
    ) -> Self {
        let stop = Rc::new(Cell::new(false));
        let keys: Vec<Rc<Key>> = keys
            .into_iter()
            .map(|name| {
                Rc::new(Key {
                    name,
                    acknowledged: Cell::default(),
                    unknown: Cell::default(),
                    errors: RefCell::default(),
                })
            })
            .collect();
        let callers = keys
            .iter()
            .map(|key| {
                let caller = count_up(Rc::clone(application), Rc::clone(key), Rc::clone(&stop));
                tokio::task::spawn_local(caller)
            })
            .collect();
        Self {
            callers,
            keys,
            stop,
        }
    }

    /// Waits until each key was counted up so many times more.
    pub(crate) async fn goes_on(&self, times: u64) -> Result<()> {
        let goals: Vec<u64> = self
            .keys
            .iter()
            .map(|key| key.acknowledged.get() + times)
            .collect();
        let mut wait = Wait::up_to(SOON, "each key to be counted up");
        loop {
            let behind: Vec<&str> = self
                .keys
                .iter()
                .zip(&goals)
                .filter(|(key, goal)| key.acknowledged.get() < **goal)
                .map(|(key, _)| key.name.as_str())
                .collect();
            if behind.is_empty() {
                return Ok(());
            }
            wait.again(format!("{behind:?} are behind")).await?;
        }
    }

    /// Every call that failed so far.
    pub(crate) fn errors(&self) -> Vec<Error> {
        self.keys
            .iter()
            .flat_map(|key| key.errors.borrow().clone())
            .collect()
    }

    /// Ends the callers and compares what was acknowledged with what was counted. `lossless`: no
    /// failover may have lost what was acknowledged.
    pub(crate) async fn settle(mut self, application: &Application, lossless: bool) -> TestResult {
        self.stop.set(true);
        for caller in std::mem::take(&mut self.callers) {
            caller.await?;
        }
        for key in &self.keys {
            let get = cmd("GET").arg(&key.name);
            let counted = application
                .client
                .query::<Option<u64>>(get)
                .await?
                .unwrap_or(0);
            let (acknowledged, unknown) = (key.acknowledged.get(), key.unknown.get());
            let least = if lossless { acknowledged } else { 0 };
            assert!(
                (least..=acknowledged + unknown).contains(&counted),
                "{}: {acknowledged} acknowledged, {unknown} unknown, {counted} counted",
                key.name
            );
        }
        Ok(())
    }
}

async fn count_up(application: Rc<Application>, key: Rc<Key>, stop: Rc<Cell<bool>>) {
    while !stop.get() {
        let incr = cmd("INCR").arg(&key.name);
        match application.client.query::<u64>(incr).await {
            Ok(_) => key.acknowledged.set(key.acknowledged.get() + 1),
            Err(error) => {
                if error.outcome() == Outcome::Unknown {
                    key.unknown.set(key.unknown.get() + 1);
                }
                key.errors.borrow_mut().push(error);
            }
        }
        // A caller that is answered at once must not keep the others from their turn.
        tokio::task::yield_now().await;
    }
}
