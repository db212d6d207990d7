//! The end of the demo: [`Report`], as a table for people and as JSON for programs.

use std::time::Duration;

use serde::Serialize;

use crate::ledger::{Ledger, Totals};
use crate::phases::{Fault, Phase};
use crate::proof::Findings;
use crate::screen::{Look, Screen};

/// How soon after the cluster can serve again the first success must come.
const FIRST_SUCCESS_WITHIN: Duration = Duration::from_secs(1);

/// All that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) seconds: f64,
    pub(crate) kept: bool,
    /// Milliseconds everywhere below.
    deadline_ms: u64,
    tolerance_ms: u64,
    longest_call_ms: f64,
    totals: Totals,
    faults: Vec<Row>,
    late: Vec<String>,
    proof: Findings,
}

/// One fault.
#[derive(Debug, Serialize)]
struct Row {
    fault: Fault,
    title: String,
    noticed_ms: Option<f64>,
    cluster_could_serve_ms: Option<f64>,
    first_success_ms: Option<f64>,
    every_slot_ms: Option<f64>,
    longest_call_ms: f64,
    longest_call_elsewhere_ms: f64,
    acknowledged: u64,
    not_sent: u64,
    refused: u64,
    unknown: u64,
}

impl Row {
    fn of(phase: &Phase) -> Self {
        let measured = phase.fault.interrupts();
        let only = |value: Option<Duration>| value.filter(|_| measured).map(ms);
        Self {
            fault: phase.fault,
            title: phase.title.clone(),
            noticed_ms: phase.to_notice().map(ms),
            cluster_could_serve_ms: phase
                .outage()
                .filter(|_| phase.fault != Fault::ClientKill)
                .filter(|_| measured || phase.fault == Fault::Return)
                .map(ms),
            first_success_ms: only(phase.to_first_success()),
            every_slot_ms: only(phase.to_every_success()),
            longest_call_ms: ms(phase.longest_affected),
            longest_call_elsewhere_ms: ms(phase.longest_elsewhere),
            acknowledged: phase.acknowledged,
            not_sent: phase.not_sent,
            refused: phase.refused,
            unknown: phase.unknown,
        }
    }

    /// Why recovery took too long, if it did.
    fn late(&self) -> Option<String> {
        let limit = ms(FIRST_SUCCESS_WITHIN);
        let title = &self.title;
        if self.fault.interrupts() {
            match self.first_success_ms {
                Some(first) if first <= limit => None,
                Some(first) => Some(format!("{title}: first success after {}", shown(first))),
                None => Some(format!("{title}: no success at all")),
            }
        } else if self.fault == Fault::Reshard && self.longest_call_ms > limit {
            let longest = shown(self.longest_call_ms);
            Some(format!("{title}: a call on a moving slot took {longest}"))
        } else {
            None
        }
    }
}

impl Report {
    pub(crate) fn new(seed: u64, ran: Duration, ledger: &Ledger, proof: Findings) -> Self {
        let faults: Vec<Row> = ledger.read(|_, phases| phases.iter().map(Row::of).collect());
        let late: Vec<String> = faults.iter().filter_map(Row::late).collect();
        let kept = late.is_empty() && proof.promises().iter().all(|(_, broken)| *broken == 0);
        let totals = ledger.totals();
        Self {
            seed,
            seconds: ran.as_secs_f64(),
            kept,
            deadline_ms: ledger.deadline().as_millis() as u64,
            tolerance_ms: ledger.tolerance().as_millis() as u64,
            longest_call_ms: ms(totals.longest),
            totals,
            faults,
            late,
            proof,
        }
    }

    /// One JSON object.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string_pretty(self)
            .unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
    }

    /// The table, the proof and the verdict.
    pub(crate) fn show(&self, screen: &Screen) {
        screen.line("");
        self.show_table(screen);
        self.show_proof(screen);
        let verdict = if self.kept {
            screen.paint(Look::Good, "Every promise was kept.")
        } else {
            screen.paint(Look::Bad, "A promise was broken.")
        };
        screen.line(format!("\n{verdict}  (seed {})", self.seed));
    }

    fn show_table(&self, screen: &Screen) {
        let head = [
            [
                "", "noticed", "cluster", "first", "all", "longest", "longest", "not", "re-", "un-",
            ],
            [
                "fault", "after", "serves", "success", "slots", "call", "elsewh.", "sent", "fused",
                "known",
            ],
        ];
        for line in head {
            let line = columns(
                line[0],
                &line[1..]
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>(),
            );
            screen.line(screen.paint(Look::Strong, line));
        }
        for row in &self.faults {
            let time = |value: Option<f64>| value.map_or("·".to_owned(), shown);
            let later =
                |value: Option<f64>| value.map_or("·".to_owned(), |ms| format!("+{}", shown(ms)));
            let figures = [
                time(row.noticed_ms),
                time(row.cluster_could_serve_ms),
                later(row.first_success_ms),
                later(row.every_slot_ms),
                time(Some(row.longest_call_ms).filter(|ms| *ms > 0.0)),
                time(Some(row.longest_call_elsewhere_ms).filter(|ms| *ms > 0.0)),
                row.not_sent.to_string(),
                row.refused.to_string(),
                row.unknown.to_string(),
            ];
            screen.line(columns(&row.title, &figures));
        }
        for line in [
            "",
            "noticed after    from the fault to the first event that tells of it",
            "cluster serves   from the fault until a plain socket could write to these slots again",
            "first success    from then to the application's first success there; must be under 1 s",
            "all slots        the same for every one of the slots in use there",
            "longest call     on the slots concerned, and elsewhere",
            "not sent, refused, unknown    what the callers of failed commands were told",
        ] {
            screen.line(screen.paint(Look::Quiet, line));
        }
    }

    fn show_proof(&self, screen: &Screen) {
        let Totals {
            calls,
            commands,
            acknowledged,
            ..
        } = self.totals;
        screen.line(format!(
            "\n{commands} commands in {calls} calls, {:.2} % acknowledged; the longest call took {} \
             (deadline {}, tolerance {})\n",
            100.0 * acknowledged as f64 / commands.max(1) as f64,
            shown(self.longest_call_ms),
            shown(self.deadline_ms as f64),
            shown(self.tolerance_ms as f64),
        ));
        let proof = &self.proof;
        let mut promises = proof.promises();
        if self.faults.len() > 1 {
            promises.push((
                "first success within 1 s of the cluster being able to serve",
                self.late.len() as u64,
            ));
        }
        for (promise, broken) in promises {
            let line = match broken {
                0 => format!("{} {promise}", screen.paint(Look::Good, "kept  ")),
                _ => format!(
                    "{} {promise}: {broken} time(s)",
                    screen.paint(Look::Bad, "BROKEN")
                ),
            };
            screen.line(line);
        }
        for late in &self.late {
            screen.line(screen.paint(Look::Bad, late));
        }
        screen.line(format!(
            "\n{} ids and {} counts were acknowledged and read back. Lost by the cluster at failover: {} \
             (its replication is\nasynchronous: no client can prevent that). Of unknown outcome and \
             executed after all: {} ids.",
            proof.acknowledged_ids,
            proof.acknowledged_counts,
            proof.lost_by_the_cluster_at_failover,
            proof.unknown_but_executed,
        ));
    }
}

fn columns(title: &str, figures: &[String]) -> String {
    let mut line = format!("{title:<32}");
    for (index, figure) in figures.iter().enumerate() {
        let width = if index < 6 { 9 } else { 7 };
        line.push_str(&format!("{figure:>width$}"));
    }
    line
}

fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}

fn shown(ms: f64) -> String {
    if ms >= 1_000.0 {
        format!("{:.2} s", ms / 1_000.0)
    } else if ms >= 10.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{ms:.1} ms")
    }
}
