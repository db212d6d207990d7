//! Figures for people and for programs: [`table`], [`json`].

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::Serialize;
use serde_json::{Value, json as object};

use crate::arguments::Arguments;
use crate::cores::Cores;
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
const PEERS: [(&str, &[Contender]); 7] = [
    ("redis-rs", &[Contender::RedisRs, Contender::RedisRsCluster]),
    ("manager", &[Contender::RedisRsManager]),
    ("fred", &[Contender::Fred]),
    ("rustis", &[Contender::Rustis]),
    ("redis-bm", &[Contender::RedisBenchmark]),
    ("bare loop", &[Contender::BareLoop]),
    ("bare actor", &[Contender::BareActor]),
];

/// In what order JSON names them: figures, and of which doors their ratios to the others are told.
const FIGURES: [(&str, Figure); 6] = [
    ("per_second", per_second),
    ("p50_us", |sample| sample.p50_us),
    ("p99_us", |sample| sample.p99_us),
    ("cpu_us_per_command", |sample| sample.cpu_us),
    ("in_kernel", |sample| sample.in_kernel),
    ("server_busy", |sample| sample.server_busy),
];
const COMPARED: [(&str, Figure); 3] = [
    ("throughput", per_second),
    ("cpu", |sample| sample.cpu_us),
    ("p50", |sample| sample.p50_us),
];
const COMPARED_DOORS: [(&str, Contender); 3] = [
    ("client_door", Contender::EverlinkClient),
    ("router_door", Contender::EverlinkRouter),
    ("here", Contender::EverlinkHere),
];

type Figure = fn(&Sample) -> f64;

fn per_second(sample: &Sample) -> f64 {
    sample.per_second
}

/// How all were compared.
#[derive(Debug, Serialize)]
pub(crate) struct Manner {
    setting: Setting,
    rounds: usize,
    /// Of a run; of the largest replies longer.
    seconds: f64,
    /// A client of one thread and its server each had a core of their own. Whether no core slept.
    cores_awake: bool,
}

impl Manner {
    pub(crate) fn of(arguments: &Arguments, cores: &Cores) -> Self {
        Self {
            setting: Setting::here(&program()),
            rounds: arguments.rounds,
            seconds: arguments.seconds,
            cores_awake: cores.are_awake(),
        }
    }
}

impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rounds, seconds) = (self.rounds, self.seconds);
        let cores = if self.cores_awake {
            "no core slept"
        } else {
            "cores slept"
        };
        write!(
            f,
            "{}; {rounds} rounds of {seconds} s, {cores}",
            self.setting
        )
    }
}

/// As Markdown: for each workload and door one line with its figures and its throughput's ratio to
/// each peer; then everybody's throughput and CPU.
pub(crate) fn table(manner: &Manner, all: &[Compared]) -> String {
    let mut text = format!("{manner}.\n\n");
    text.push_str(
        "| workload | door | ops/s | p50 µs | p99 µs | CPU µs | in the kernel | server busy |",
    );
    for (name, _) in PEERS {
        let _ = write!(text, " × {name} |");
    }
    text.push_str("\n| --- | --- | --: | --: | --: | --: | --: | --: |");
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
    let figure = |of: Figure| compared.median(door, of).unwrap_or_default();
    let name = door.name().trim_start_matches("everlink ");
    let _ = write!(
        text,
        "| {} | {name} | {:.0} | {} | {} | {} | {:.0} % | {:.0} % |",
        compared.workload.name(),
        figure(per_second),
        short(figure(|sample| sample.p50_us)),
        short(figure(|sample| sample.p99_us)),
        short(figure(|sample| sample.cpu_us)),
        figure(|sample| sample.in_kernel) * 100.0,
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

/// Medians of everybody, and the ratios of everlink's doors to them; null where there is none. Who
/// could not do a workload, and why.
///
/// # Errors
/// None that is known.
pub(crate) fn json(manner: &Manner, all: &[Compared]) -> Result<String> {
    let workloads: Vec<Value> = all.iter().map(workload).collect();
    let all = object!({ "manner": manner, "workloads": workloads });
    serde_json::to_string_pretty(&all).map_err(failure)
}

fn workload(compared: &Compared) -> Value {
    let clients = everybody().filter(|contender| compared.samples.contains_key(contender));
    let clients: Vec<Value> = clients
        .map(|contender| client(compared, contender))
        .collect();
    let failed = compared.failed.iter();
    let failed: BTreeMap<&str, &str> = failed
        .map(|(contender, why)| (contender.name(), why.as_str()))
        .collect();
    object!({ "workload": compared.workload.name(), "clients": clients, "failed": failed })
}

fn client(compared: &Compared, contender: Contender) -> Value {
    let mut told = object!({
        "client": contender.name(),
        "rounds": compared.samples.get(&contender),
    });
    for (name, figure) in FIGURES {
        told[name] = object!(compared.median(contender, figure));
    }
    for (door, ours) in COMPARED_DOORS {
        for (name, figure) in COMPARED {
            let ratio = compared.ratio(ours, contender, figure);
            told[format!("{name}_of_{door}_over_it")] = object!(ratio);
        }
    }
    told
}
