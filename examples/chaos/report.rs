//! The end of the run: [`Report`], for people and as JSON for programs.

use std::time::Duration;

use serde::Serialize;

use crate::checker::{Findings, Promise};
use crate::history::Totals;
use crate::laboratory::screen::{Look, Screen};
use crate::process::Holdings;

/// So many violations of one promise are shown.
const SHOWN: usize = 12;

/// All that was found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) server: String,
    pub(crate) node_faults: u64,
    pub(crate) network_faults: u64,
    pub(crate) totals: Totals,
    pub(crate) longest_call: Duration,
    /// For how long this process did not get to run, at most.
    pub(crate) longest_standstill: Duration,
    /// After each round of a soak.
    pub(crate) holdings: Vec<Holdings>,
    pub(crate) findings: Findings,
}

impl Report {
    pub(crate) fn new(seed: u64, server: String) -> Self {
        Self {
            seed,
            server,
            node_faults: 0,
            network_faults: 0,
            totals: Totals::default(),
            longest_call: Duration::ZERO,
            longest_standstill: Duration::ZERO,
            holdings: Vec::new(),
            findings: Findings::default(),
        }
    }

    /// Whether no promise was broken.
    pub(crate) fn is_kept(&self) -> bool {
        self.findings.violations.is_empty()
    }

    /// One JSON object.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string_pretty(self)
            .unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
    }

    pub(crate) fn show(&self, screen: &Screen) {
        let Totals {
            calls,
            commands,
            acknowledged,
            not_sent,
            refused,
            unknown,
            given_up,
            sent_again,
            ..
        } = self.totals;
        screen.line(format!(
            "\n{} faults of nodes and {} of the network; {commands} commands in {calls} calls: \
             {acknowledged} acknowledged, {not_sent} not sent, {refused} refused, {unknown} unknown \
             ({given_up} calls were given up by their callers, {sent_again} commands sent again)",
            self.node_faults, self.network_faults
        ));
        let found = &self.findings;
        screen.line(format!(
            "{} acknowledged writes are there, {} were lost by the cluster at failovers; {} of unknown \
             outcome were executed; {} reads compared; the longest call took {:.1?}; this process stood \
             still for {:.1?} at most\n",
            found.kept,
            found.lost_at_failover,
            found.unknown_but_executed,
            found.reads,
            self.longest_call,
            self.longest_standstill,
        ));
        for promise in Promise::ALL {
            let of_it = found.violations.iter();
            let of_it: Vec<_> = of_it.filter(|found| found.promise == promise).collect();
            let text = promise.text();
            if of_it.is_empty() {
                screen.line(format!("{} {text}", screen.paint(Look::Good, "kept  ")));
                continue;
            }
            let broken = screen.paint(Look::Bad, "BROKEN");
            screen.line(format!("{broken} {text}: {} time(s)", of_it.len()));
            for violation in of_it.iter().take(SHOWN) {
                screen.line(format!("         {}", violation.what));
            }
        }
        screen.line(format!(
            "\nseed {}: {}",
            self.seed,
            if self.is_kept() {
                "no violation"
            } else {
                "VIOLATIONS"
            }
        ));
    }
}
