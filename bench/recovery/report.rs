//! Figures for people and for programs: [`table`], [`json`].

use std::fmt::Write as _;

use serde_json::{Value, json as object};

use crate::failure;
use crate::figures::{Figures, Sample};
use crate::peers::Contender;
use crate::rounds::Compared;
use crate::setting::Setting;
use crate::support::redis_configuration::program;
use crate::support::waiting::Result;

/// As Markdown: for each failure a table with a line for each client.
pub(crate) fn table(all: &[Compared]) -> String {
    let mut text = format!("{}.\n\n", Setting::here(&program()));
    for compared in all {
        let scenario = compared.scenario;
        let columns = scenario.columns();
        let _ = writeln!(text, "{}. {}\n", scenario.name(), scenario.explained());
        text.push_str("| client |");
        for (_, head) in columns {
            let _ = write!(text, " {head} |");
        }
        let _ = writeln!(text, "\n| --- |{}", " --: |".repeat(columns.len()));
        for contender in Contender::ALL {
            let name = contender.name(scenario.in_cluster());
            let _ = write!(text, "| {name} |");
            match compared.samples.get(&contender) {
                Some(samples) => {
                    for (figure, _) in columns {
                        let _ = write!(text, " {} |", Figures::of(samples, figure).text());
                    }
                }
                None => text.push_str(&" failed |".repeat(columns.len())),
            }
            text.push('\n');
        }
        for (contender, samples) in &compared.samples {
            for (why, count) in Sample::reasons(samples) {
                let name = contender.name(scenario.in_cluster());
                let _ = writeln!(text, "\n{name}, {count} calls: {why}");
            }
        }
        for (contender, why) in &compared.failed {
            let name = contender.name(scenario.in_cluster());
            let _ = writeln!(text, "\n{name} failed: {why}");
        }
        text.push('\n');
    }
    text
}

/// # Errors
/// None that is known.
pub(crate) fn json(rounds: usize, all: &[Compared]) -> Result<String> {
    let scenarios: Vec<Value> = all.iter().map(scenario).collect();
    let setting = Setting::here(&program());
    let all = object!({ "setting": setting, "rounds": rounds, "scenarios": scenarios });
    serde_json::to_string_pretty(&all).map_err(failure)
}

fn scenario(compared: &Compared) -> Value {
    let clients: Vec<Value> = Contender::ALL
        .into_iter()
        .map(|contender| {
            let samples = compared.samples.get(&contender);
            let figures: serde_json::Map<_, _> = compared
                .scenario
                .columns()
                .iter()
                .filter_map(|(name, _)| {
                    Some(((*name).to_owned(), Figures::of(samples?, name).json()))
                })
                .collect();
            object!({
                "client": contender.name(compared.scenario.in_cluster()),
                "figures": figures,
                "failures": samples.map(|samples| Sample::reasons(samples)),
                "failed": compared.failed.get(&contender),
            })
        })
        .collect();
    object!({ "scenario": compared.scenario.name(), "clients": clients })
}
