//! A picture for the README: [`svg`].

use std::fmt::Write as _;

use crate::peers::Contender;
use crate::rounds::Compared;
use crate::workload::{Call, Workload};

const BAR: f64 = 16.0;
const GAP: f64 = 22.0;
const LEFT: f64 = 170.0;
const WIDTH: f64 = 720.0;

const SHOWN: [(Contender, &str); 7] = [
    (Contender::EverlinkClient, "#0b6e4f"),
    (Contender::EverlinkRouter, "#4fa784"),
    (Contender::RedisRs, "#8a8f98"),
    (Contender::RedisRsManager, "#a5a9b0"),
    (Contender::Fred, "#bcc0c6"),
    (Contender::Rustis, "#73777f"),
    (Contender::RedisBenchmark, "#d9a441"),
];

/// Throughput of small commands from 64 tasks on one thread, as bars.
pub(crate) fn svg(all: &[Compared]) -> String {
    let shown: Vec<&Compared> = all.iter().filter(|it| is_shown(&it.workload)).collect();
    let figure = |it: &Compared, who| it.median(who, |sample| sample.per_second);
    let most = shown
        .iter()
        .flat_map(|it| SHOWN.iter().filter_map(|(who, _)| figure(it, *who)))
        .fold(1.0, f64::max);
    let mut body = String::new();
    let mut y = 30.0;
    for compared in &shown {
        let name = compared.workload.name();
        let _ = writeln!(
            body,
            r#"<text x="8" y="{:.0}" font-weight="bold">{name}</text>"#,
            y + 2.0
        );
        y += 10.0;
        for (who, colour) in SHOWN {
            let Some(calls) = figure(compared, who) else {
                continue;
            };
            let long = calls / most * (WIDTH - LEFT - 90.0);
            let text = y + BAR - 4.0;
            let _ = writeln!(
                body,
                r#"<text x="{:.0}" y="{text:.0}" text-anchor="end">{}</text><rect x="{LEFT}" y="{y:.0}" width="{long:.0}" height="{:.0}" fill="{colour}"/><text x="{:.0}" y="{text:.0}">{:.0} k/s</text>"#,
                LEFT - 6.0,
                who.name(),
                BAR - 2.0,
                LEFT + long + 6.0,
                calls / 1_000.0,
            );
            y += BAR;
        }
        y += GAP;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y:.0}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

fn is_shown(workload: &Workload) -> bool {
    let base = Workload {
        call: workload.call,
        tasks: 64,
        threads: crate::stage::Threads::One,
        cluster: false,
    };
    *workload == base && matches!(workload.call, Call::Get(64) | Call::Set(64) | Call::Incr)
}
