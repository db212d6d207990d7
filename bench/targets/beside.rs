//! Every workload, beside the best of the other clients: [`table`].

use std::fmt::Write as _;

use crate::figures::{
    BARE_ACTOR, BARE_LOOP, BY_CLIENT, CLIENT, CPU_BY_CLIENT, Figures, HERE, ROUTER, Worst,
    workload_names,
};

/// As Markdown. Empty if there are no figures.
pub(crate) fn table(figures: &Figures) -> String {
    let mut text = String::new();
    for workload in workload_names(&figures.speed) {
        let of = |client, figure| figures.of_client(workload, client, figure);
        let calls = |client| of(client, "per_second").map_or("–".to_owned(), thousands);
        let best = figures.best_peer(workload, "per_second");
        let best = best.map_or("–".to_owned(), |(name, most)| {
            format!("{} ({name})", thousands(most))
        });
        let over = |ratio, worst| figures.over_best_peer(workload, ratio, worst);
        let share = |figure| of(CLIENT, figure).map(|share| share * 100.0);
        let _ = writeln!(
            text,
            "| {workload} | {} | {} | {} | {} | {} | {best} | {} | {} | {} % | {} % |",
            calls(CLIENT),
            calls(ROUTER),
            calls(HERE),
            calls(BARE_LOOP),
            calls(BARE_ACTOR),
            two_digits(over(BY_CLIENT, Worst::Least)),
            two_digits(over(CPU_BY_CLIENT, Worst::Most)),
            whole(share("in_kernel")),
            whole(share("server_busy")),
        );
    }
    if text.is_empty() {
        return text;
    }
    let head = "| workload | `Client` | `router.send` | `Client::here` | bare loop | bare actor \
                | best peer | ratio | CPU, ratio | in the kernel | server busy |\n\
                | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |\n";
    format!("{head}{text}")
}

fn thousands(calls: f64) -> String {
    match calls {
        100_000.0.. => format!("{:.0} k", calls / 1_000.0),
        1_000.0.. => format!("{:.1} k", calls / 1_000.0),
        10.0.. => format!("{calls:.0}"),
        _ => format!("{calls:.1}"),
    }
}

fn two_digits(figure: Option<f64>) -> String {
    figure.map_or("–".to_owned(), |figure| format!("{figure:.2}"))
}

fn whole(figure: Option<f64>) -> String {
    figure.map_or("–".to_owned(), |figure| format!("{figure:.0}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_workload_has_a_line_with_the_fastest_peer() {
        let clients = json!([
            { "client": CLIENT, "per_second": 1_234_567.0, "in_kernel": 0.5, "server_busy": 0.954 },
            { "client": BARE_LOOP, "per_second": 2_000_000.0 },
            { "client": "fred", "per_second": 999.0, BY_CLIENT: 3.0, CPU_BY_CLIENT: 0.25 },
            { "client": "rustis", "per_second": 61_728.0, BY_CLIENT: 2.0, CPU_BY_CLIENT: 0.5 },
        ]);
        let figures = Figures {
            speed: json!({ "workloads": [{ "workload": "GET", "clients": clients }] }),
            recovery: json!(null),
            scale: json!(null),
            instructions: json!(null),
        };
        let table = table(&figures);
        let line = table.lines().last();
        let expected =
            "| GET | 1235 k | – | – | 2000 k | – | 61.7 k (rustis) | 2.00 | 0.50 | 50 % | 95 % |";
        assert_eq!(line, Some(expected));
    }
}
