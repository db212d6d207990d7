//! What the benchmarks left in a folder: [`Figures`].

use std::fs;
use std::path::Path;

use serde_json::Value;

/// everlink's doors, as `make bench` names them.
pub(crate) const CLIENT: &str = "everlink Client";
pub(crate) const ROUTER: &str = "everlink router.send";
pub(crate) const HERE: &str = "everlink Client::here";
/// What is no client, but costs what each does.
pub(crate) const BARE_LOOP: &str = "bare loop";
pub(crate) const BARE_ACTOR: &str = "bare actor";
/// The median of the rounds' ratios: `Client` to another.
pub(crate) const BY_CLIENT: &str = "throughput_of_client_door_over_it";
pub(crate) const CPU_BY_CLIENT: &str = "cpu_of_client_door_over_it";

/// The other Rust clients, as `make bench` names them.
const PEERS: [&str; 5] = [
    "redis-rs",
    "redis-rs manager",
    "redis-rs cluster",
    "fred",
    "rustis",
];

/// What a run in full has at least, as `make bench` and `make bench-recovery` have by default: where
/// it stands in their JSON, and how much. Less is no answer.
type AtLeast = [(&'static str, f64)];
const SPEED: &AtLeast = &[("/manner/rounds", 5.0), ("/manner/seconds", 0.5)];
const RECOVERY: &AtLeast = &[("/rounds", 3.0)];

/// What is null was not measured.
pub(crate) struct Figures {
    pub(crate) speed: Value,
    pub(crate) recovery: Value,
    pub(crate) scale: Value,
    pub(crate) instructions: Value,
}

/// Which of several figures counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Worst {
    Least,
    Most,
}

impl Worst {
    pub(crate) fn of(self, figures: impl IntoIterator<Item = f64>) -> Option<f64> {
        let figures = figures.into_iter();
        match self {
            Self::Least => figures.min_by(f64::total_cmp),
            Self::Most => figures.max_by(f64::total_cmp),
        }
    }
}

impl Figures {
    pub(crate) fn read(folder: &str) -> Self {
        let file = |name: &str| -> Value {
            let text = fs::read_to_string(Path::new(folder).join(name)).unwrap_or_default();
            serde_json::from_str(&text).unwrap_or_default()
        };
        Self {
            speed: in_full(file("bench.json"), SPEED),
            recovery: in_full(file("bench-recovery.json"), RECOVERY),
            scale: file("bench-scale.json"),
            instructions: file("bench-instructions.json"),
        }
    }

    /// A figure of one client in one workload.
    pub(crate) fn of_client(&self, workload: &str, client: &str, figure: &str) -> Option<f64> {
        let workload = found(&self.speed["workloads"], "workload", workload)?;
        found(&workload["clients"], "client", client)?[figure].as_f64()
    }

    /// A ratio to that one of the other Rust clients to which it is worst: the best of them.
    pub(crate) fn over_best_peer(&self, workload: &str, ratio: &str, worst: Worst) -> Option<f64> {
        let ratios = (PEERS.iter()).filter_map(|peer| self.of_client(workload, peer, ratio));
        worst.of(ratios)
    }

    /// The other Rust client that has the most of a figure, and how much.
    pub(crate) fn best_peer(&self, workload: &str, figure: &str) -> Option<(&'static str, f64)> {
        let of = |peer| Some((peer, self.of_client(workload, peer, figure)?));
        let figures = PEERS.into_iter().filter_map(of);
        figures.max_by(|(_, one), (_, other)| one.total_cmp(other))
    }

    /// everlink's median of a figure in a scenario. None also if it was never reached.
    pub(crate) fn of_recovery(&self, scenario: &str, figure: &str) -> Option<f64> {
        let scenario = found(&self.recovery["scenarios"], "scenario", scenario)?;
        let everlink = found(&scenario["clients"], "client", "everlink")?;
        everlink["figures"][figure]["median"].as_f64()
    }

    /// A column of a table, a figure for each of its lines.
    pub(crate) fn of_scale(&self, title: &str, column: &str) -> Vec<f64> {
        let Some(table) = found(&self.scale["tables"], "title", title) else {
            return Vec::new();
        };
        let lines = table["lines"].as_array().into_iter().flatten();
        lines
            .filter_map(|line| {
                let pairs = line.as_array()?.iter();
                let mut named = pairs.filter(|pair| pair[0] == column);
                named.next()?[1].as_f64()
            })
            .collect()
    }
}

/// Null instead of a shorter run.
fn in_full(figures: Value, least: &AtLeast) -> Value {
    let reaches = |(place, least): &(&str, f64)| {
        let figure = figures.pointer(place).and_then(Value::as_f64);
        figure.is_some_and(|figure| figure >= *least)
    };
    if least.iter().all(reaches) {
        figures
    } else {
        Value::Null
    }
}

/// In the order in which they were measured.
pub(crate) fn workload_names(speed: &Value) -> impl Iterator<Item = &str> {
    let workloads = speed["workloads"].as_array().into_iter().flatten();
    workloads.filter_map(|workload| workload["workload"].as_str())
}

fn found<'a>(list: &'a Value, key: &str, name: &str) -> Option<&'a Value> {
    list.as_array()?.iter().find(|item| item[key] == name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_run_that_was_cut_short_answers_nothing() {
        let run = |rounds, seconds| {
            let figures = json!({ "manner": { "rounds": rounds, "seconds": seconds } });
            in_full(figures, SPEED) != Value::Null
        };
        assert!(run(5, 0.5) && run(7, 1.0));
        assert!(!run(2, 0.5) && !run(5, 0.3));
        assert_eq!(in_full(json!({}), RECOVERY), Value::Null);
    }

    #[test]
    fn the_best_peer_is_the_one_with_the_worst_ratio() {
        let client = |name, ratio| json!({ "client": name, "ratio": ratio });
        let clients = [
            client("fred", 3.0),
            client("rustis", 1.5),
            client("redis-benchmark", 0.9),
        ];
        let figures = Figures {
            speed: json!({ "workloads": [{ "workload": "GET", "clients": clients }] }),
            recovery: Value::Null,
            scale: Value::Null,
            instructions: Value::Null,
        };
        let over = |worst| figures.over_best_peer("GET", "ratio", worst);
        assert_eq!(over(Worst::Least), Some(1.5));
        assert_eq!(over(Worst::Most), Some(3.0));
        assert_eq!(figures.best_peer("GET", "ratio"), Some(("fred", 3.0)));
        assert_eq!(figures.best_peer("GET", "other"), None);
        assert_eq!(figures.over_best_peer("SET", "ratio", Worst::Least), None);
        assert_eq!(figures.of_recovery("failover", "gap"), None);
    }
}
