//! Figures for people and for programs: [`table`], [`json`].

use std::fmt::Write as _;

use serde_json::{Value, json as object};

use crate::failure;
use crate::load::Sample;
use crate::peers::Contender;
use crate::rounds::Compared;
use crate::setting::Setting;
use crate::support::redis_configuration::program;
use crate::support::waiting::Result;

const DOORS: [Contender; 3] = [
    Contender::EverlinkClient,
    Contender::EverlinkRouter,
    Contender::EverlinkHere,
];
const PEERS: [(&str, &[Contender]); 5] = [
    ("redis-rs", &[Contender::RedisRs, Contender::RedisRsCluster]),
    ("manager", &[Contender::RedisRsManager]),
    ("fred", &[Contender::Fred]),
    ("rustis", &[Contender::Rustis]),
    ("redis-bm", &[Contender::RedisBenchmark]),
];

fn per_second(sample: &Sample) -> f64 {
    sample.per_second
}

/// As Markdown: for each workload and door one line with its figures and its throughput's ratio to
/// each peer; then everybody's throughput and CPU.
pub(crate) fn table(all: &[Compared]) -> String {
    let mut text = format!("{}.\n\n", Setting::here(&program()));
    text.push_str("| workload | door | ops/s | p50 µs | p99 µs | CPU µs | server busy |");
    for (name, _) in PEERS {
        let _ = write!(text, " × {name} |");
    }
    text.push_str("\n| --- | --- | --: | --: | --: | --: | --: |");
    text.push_str(&" --: |".repeat(PEERS.len()));
    text.push('\n');
    for compared in all {
        for door in DOORS {
            if !compared.samples.contains_key(&door) {
                continue;
            }
            line(&mut text, compared, door);
        }
    }
    text.push_str("\nThousand calls per second (client CPU µs per command):\n\n| workload |");
    for contender in everybody() {
        let _ = write!(text, " {} |", contender.name());
    }
    text.push_str("\n| --- |");
    text.push_str(&" --: |".repeat(everybody().count()));
    text.push('\n');
    for compared in all {
        let _ = write!(text, "| {} |", compared.workload.name());
        for contender in everybody() {
            let calls = compared.median(contender, per_second);
            let cpu = compared.median(contender, |sample| sample.cpu_us);
            match (calls, cpu, compared.failed.get(&contender)) {
                (Some(calls), Some(cpu), _) => {
                    let _ = write!(text, " {} ({}) |", short(calls / 1_000.0), short(cpu));
                }
                (_, _, Some(_)) => text.push_str(" failed |"),
                _ => text.push_str(" – |"),
            }
        }
        text.push('\n');
    }
    for compared in all {
        for (contender, why) in &compared.failed {
            let name = compared.workload.name();
            let _ = writeln!(text, "\n{}: {name}: {why}", contender.name());
        }
    }
    text
}

fn line(text: &mut String, compared: &Compared, door: Contender) {
    let figure = |of: fn(&Sample) -> f64| compared.median(door, of).unwrap_or_default();
    let name = door.name().trim_start_matches("everlink ");
    let _ = write!(
        text,
        "| {} | {name} | {:.0} | {} | {} | {} | {:.0} % |",
        compared.workload.name(),
        figure(per_second),
        short(figure(|sample| sample.p50_us)),
        short(figure(|sample| sample.p99_us)),
        short(figure(|sample| sample.cpu_us)),
        figure(|sample| sample.server_busy) * 100.0,
    );
    for (_, forms) in PEERS {
        let ratio = forms
            .iter()
            .find_map(|peer| compared.ratio(door, *peer, per_second));
        match ratio {
            Some(ratio) => {
                let _ = write!(text, " {ratio:.2} |");
            }
            None => text.push_str(" – |"),
        }
    }
    text.push('\n');
}

fn everybody() -> impl Iterator<Item = Contender> {
    DOORS.into_iter().chain(
        PEERS
            .into_iter()
            .flat_map(|(_, forms)| forms.iter().copied()),
    )
}

/// Three digits that matter.
fn short(figure: f64) -> String {
    match figure {
        100.0.. => format!("{figure:.0}"),
        10.0.. => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

/// Medians of everybody, and the ratios of everlink to every peer; null where it did not run in
/// that manner.
///
/// # Errors
/// None that is known.
pub(crate) fn json(all: &[Compared]) -> Result<String> {
    let workloads: Vec<Value> = all.iter().map(workload).collect();
    let setting = Setting::here(&program());
    let all = object!({ "setting": setting, "workloads": workloads });
    serde_json::to_string_pretty(&all).map_err(failure)
}

fn workload(compared: &Compared) -> Value {
    let median = |contender, of: fn(&Sample) -> f64| compared.median(contender, of);
    let clients: Vec<Value> = everybody()
        .filter(|contender| compared.samples.contains_key(contender))
        .map(|contender| {
            object!({
                "client": contender.name(),
                "per_second": median(contender, per_second),
                "p50_us": median(contender, |sample| sample.p50_us),
                "p99_us": median(contender, |sample| sample.p99_us),
                "cpu_us_per_command": median(contender, |sample| sample.cpu_us),
                "server_busy": median(contender, |sample| sample.server_busy),
                "throughput_of_client_door_over_it":
                    compared.ratio(Contender::EverlinkClient, contender, per_second),
                "throughput_of_router_door_over_it":
                    compared.ratio(Contender::EverlinkRouter, contender, per_second),
                "cpu_of_client_door_over_it":
                    compared.ratio(Contender::EverlinkClient, contender, |sample| sample.cpu_us),
                "cpu_of_router_door_over_it":
                    compared.ratio(Contender::EverlinkRouter, contender, |sample| sample.cpu_us),
                "p50_of_client_door_over_it":
                    compared.ratio(Contender::EverlinkClient, contender, |sample| sample.p50_us),
                "throughput_of_here_over_it":
                    compared.ratio(Contender::EverlinkHere, contender, per_second),
                "cpu_of_here_over_it":
                    compared.ratio(Contender::EverlinkHere, contender, |sample| sample.cpu_us),
                "p50_of_here_over_it":
                    compared.ratio(Contender::EverlinkHere, contender, |sample| sample.p50_us),
                "rounds": compared.samples.get(&contender),
            })
        })
        .collect();
    object!({ "workload": compared.workload.name(), "clients": clients })
}
