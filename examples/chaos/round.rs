//! One round: load and faults, then rest, then what callers were told is compared with what the
//! servers hold.

use std::rc::Rc;
use std::time::Duration;

use everlink::redis::Client;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::time::{Instant, sleep};

use crate::checker::{Findings, Promise};
use crate::history::{Get, History, TOLERANCE};
use crate::laboratory::cells::{Cell, cells};
use crate::laboratory::held::Held;
use crate::laboratory::screen::Screen;
use crate::network::Network;
use crate::nodes::{NodeFaults, flush};
use crate::pulse::Pulse;
use crate::report::Report;
use crate::support::redis_cluster::RedisCluster;
use crate::support::waiting::{Failure, Result};
use crate::traffic::{LONGEST_DEADLINE, Traffic, read_value};
use crate::windows::Windows;

/// How long faults pause before the end, so that the last calls can be told.
const AFTER_THE_LAST_FAULT: Duration = Duration::from_millis(500);

/// What lives longer than a round.
pub(crate) struct Lab {
    pub(crate) cluster: Rc<RedisCluster>,
    pub(crate) network: Rc<Network>,
    pub(crate) client: Client,
    pub(crate) screen: Rc<Screen>,
    pub(crate) retry_unknown: bool,
}

impl Lab {
    /// Runs one round and adds what it found to the report.
    ///
    /// # Errors
    /// The laboratory itself failed.
    pub(crate) async fn round(
        &self,
        seed: u64,
        lasts: Duration,
        report: &mut Report,
    ) -> Result<()> {
        let cells = Rc::new(cells(&format!(
            "everlink-chaos:{:08x}",
            rand::random::<u32>()
        )));
        let history = Rc::new(History::new(cells.len()));
        let windows = Rc::new(Windows::default());
        let pulse = Pulse::start();
        let traffic = Rc::new(Traffic {
            client: self.client.clone(),
            cells: Rc::clone(&cells),
            history: Rc::clone(&history),
            retry_unknown: self.retry_unknown,
        });
        let callers = traffic.start(seed)?;
        let until = Instant::now() + lasts;
        let nodes = NodeFaults {
            cluster: Rc::clone(&self.cluster),
            network: Rc::clone(&self.network),
            cells: Rc::clone(&cells),
            history: Rc::clone(&history),
            windows: Rc::clone(&windows),
            screen: Rc::clone(&self.screen),
            rng: StdRng::seed_from_u64(seed),
        };
        let before = self.network.count();
        let (happened, first, second) = tokio::join!(
            nodes.run(until),
            self.network.run(seed ^ 1, until, &self.screen),
            self.network.run(seed ^ 2, until, &self.screen),
        );
        let node_faults = happened?;
        first.and(second)?;
        sleep(AFTER_THE_LAST_FAULT).await;
        for caller in callers {
            caller.abort();
        }
        self.rest(&history).await?;

        let mut findings = Findings::default();
        self.compare(&cells, &history, &windows, &mut findings)
            .await?;
        let open = history.open();
        if open > 0 {
            let what = format!("{open} call(s) were not answered");
            findings.broken(Promise::Ends, what);
        }
        history.read(|_, late, strange| {
            for late in late {
                let took = late.ended - late.began;
                let stood_still = pulse.missed(late.began, late.ended);
                if took > late.allowed + TOLERANCE + stood_still {
                    let (allowed, said) = (late.allowed, &late.said);
                    let what = format!(
                        "{took:.3?} instead of {allowed:?}, of which this process stood still \
                         {stood_still:.3?}: {said}"
                    );
                    findings.broken(Promise::EndsInTime, what);
                }
            }
            for strange in strange {
                findings.broken(Promise::OwnReply, strange.clone());
            }
        });
        report.node_faults += node_faults;
        report.network_faults += self.network.count() - before;
        report.totals.add(&history.totals());
        report.longest_call = report.longest_call.max(history.longest());
        report.longest_standstill = report.longest_standstill.max(pulse.longest());
        report.findings.add(findings);
        flush(&self.cluster).await
    }

    /// No more calls; those under way are waited for as long as they may take.
    async fn rest(&self, history: &History) -> Result<()> {
        let again = if self.retry_unknown { 30 } else { 1 };
        let limit = Instant::now() + (LONGEST_DEADLINE + TOLERANCE * 4) * again;
        while history.open() > 0 && Instant::now() < limit {
            sleep(Duration::from_millis(10)).await;
        }
        self.cluster.wait_ok().await
    }

    async fn compare(
        &self,
        cells: &[Cell],
        history: &History,
        windows: &Windows,
        findings: &mut Findings,
    ) -> Result<()> {
        for (index, cell) in cells.iter().enumerate() {
            let began = history.now();
            let held = Held::read(&self.cluster, cell).await?;
            let last = match &held.value {
                None => None,
                Some(text) => Some(read_value(cell, text).ok_or_else(|| {
                    Failure::new(format!("{} holds a value of nobody", cell.value))
                })?),
            };
            let ended = history.now();
            history.read(|cells, _, _| {
                let mut of_cell = cells[index].clone();
                // What is there in the end is a read, too.
                of_cell.gets.push(Get {
                    began,
                    ended,
                    value: last,
                });
                findings.check((index, &cell.list), &held, &of_cell, windows);
            });
        }
        Ok(())
    }
}
