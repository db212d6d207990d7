//! The targets, and the figures that answer them: [`all`].

use crate::figures::{BY_CLIENT, CLIENT, CPU_BY_CLIENT, Figures, HERE, Worst};

/// A target.
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) target: String,
    /// None: not measured.
    pub(crate) measured: Option<f64>,
    pub(crate) met: Option<bool>,
    /// What follows the figure.
    pub(crate) unit: &'static str,
    pub(crate) command: &'static str,
}

/// What a figure must be.
#[derive(Clone, Copy)]
enum Target {
    AtLeast(f64),
    AtMost(f64),
}

use Target::{AtLeast, AtMost};

const BENCHMARK: &str = "redis-benchmark";
const BY_ROUTER: &str = "throughput_of_router_door_over_it";
const BY_HERE: &str = "throughput_of_here_over_it";
const CPU_BY_ROUTER: &str = "cpu_of_router_door_over_it";
const P50_BY_CLIENT: &str = "p50_of_client_door_over_it";

fn row(
    what: &'static str,
    measured: Option<f64>,
    target: Target,
    unit: &'static str,
    command: &'static str,
) -> Row {
    let (sign, bound) = match target {
        AtLeast(bound) => ('≥', bound),
        AtMost(bound) => ('≤', bound),
    };
    let met = measured.map(|measured| match target {
        AtLeast(bound) => measured >= bound,
        AtMost(bound) => measured <= bound,
    });
    Row {
        what,
        target: format!("{sign} {bound}{unit}"),
        measured,
        met,
        unit,
        command,
    }
}

/// All of them. Of several workloads the worst counts.
pub(crate) fn all(figures: &Figures) -> Vec<Row> {
    let mut rows = of_instructions(figures);
    rows.extend(of_speed(figures));
    rows.extend(of_scale(figures));
    rows.extend(of_recovery(figures));
    rows
}

fn of_instructions(figures: &Figures) -> Vec<Row> {
    const COMMAND: &str = "make bench-instructions";
    let door = |name: &str| figures.instructions[name].as_f64();
    let cluster = door("cluster").zip(door("client"));
    let cluster = cluster.map(|(cluster, one)| cluster / one);
    vec![
        row(
            "instructions per GET, 64 tasks, `Client`",
            door("client"),
            AtMost(3_000.0),
            "",
            COMMAND,
        ),
        row(
            "the same through `router.send`",
            door("router"),
            AtMost(3_800.0),
            "",
            COMMAND,
        ),
        row(
            "cluster against standalone, instructions",
            cluster,
            AtMost(1.1),
            " ×",
            COMMAND,
        ),
    ]
}

fn of_speed(figures: &Figures) -> Vec<Row> {
    const COMMAND: &str = "make bench";
    let peer = |calls: &[&str], counts: &[usize], ratio: &str, worst: Worst| {
        over(calls, counts, worst, |name| {
            figures.over_best_peer(name, ratio, worst)
        })
    };
    let client = |calls: &[&str], counts: &[usize], client: &str, figure: &str| {
        over(calls, counts, Worst::Least, |name| {
            figures.of_client(name, client, figure)
        })
    };
    let (least, most) = (Worst::Least, Worst::Most);
    let fast: &[&str] = &["GET", "INCR"];
    let small: &[&str] = &["GET", "SET", "INCR"];
    let many: &[usize] = &[64, 256, 1_024];
    let one = figures.over_best_peer("GET, 1 task", P50_BY_CLIENT, most);
    let large = [
        "100 GETs per pipeline, 1 task",
        "100 GETs per pipeline, 8 tasks",
        "GET of 16 KiB, 64 tasks",
        "SET of 16 KiB, 64 tasks",
        "LRANGE of 10000, 1 task",
    ];
    let large: Option<Vec<f64>> = (large.iter())
        .map(|name| figures.over_best_peer(name, BY_CLIENT, least))
        .collect();
    let arbiters = |tasks| format!("GET, {tasks} tasks, arbiters");
    let worst_of_both = |ratio: &dyn Fn(usize) -> Option<f64>| {
        let ratios = [64, 1_024].into_iter().map(ratio);
        least.of(ratios.collect::<Option<Vec<_>>>()?)
    };
    // Two workloads: there are no pairs of rounds, so these are medians.
    let over_pools = worst_of_both(&|tasks| {
        let here = figures.of_client(&arbiters(tasks), HERE, "per_second")?;
        let pool = format!("GET, {tasks} tasks, thread pool");
        let (_, most) = figures.best_peer(&pool, "per_second")?;
        Some(here / most)
    });
    let over_arbiters =
        worst_of_both(&|tasks| figures.over_best_peer(&arbiters(tasks), BY_HERE, least));
    let busy = client(small, &[1_024], CLIENT, "server_busy");
    vec![
        row(
            "throughput, 64 and 256 tasks, `Client`: GET, INCR, to the best peer",
            peer(fast, &[64, 256], BY_CLIENT, least),
            AtLeast(1.5),
            " ×",
            COMMAND,
        ),
        row(
            "the same: SET",
            peer(&["SET"], &[64, 256], BY_CLIENT, least),
            AtLeast(1.35),
            " ×",
            COMMAND,
        ),
        row(
            "the same: all, to `redis-benchmark -c 1 -P` of the same depth",
            client(small, &[64, 256], BENCHMARK, BY_CLIENT),
            AtLeast(1.0),
            " ×",
            COMMAND,
        ),
        row(
            "the same through `router.send`, to `Client`",
            client(small, &[64, 256], CLIENT, BY_ROUTER),
            AtLeast(0.9),
            " ×",
            COMMAND,
        ),
        row(
            "throughput, 1,024 tasks: GET, INCR, to the best peer",
            peer(fast, &[1_024], BY_CLIENT, least),
            AtLeast(1.1),
            " ×",
            COMMAND,
        ),
        row(
            "the same: SET",
            peer(&["SET"], &[1_024], BY_CLIENT, least),
            AtLeast(1.0),
            " ×",
            COMMAND,
        ),
        row(
            "the same: the server's core busy",
            busy.map(|share| share * 100.0),
            AtLeast(95.0),
            " %",
            COMMAND,
        ),
        row(
            "client CPU per command, 64–1,024 tasks, `Client`, to the best peer",
            peer(small, many, CPU_BY_CLIENT, most),
            AtMost(0.65),
            " ×",
            COMMAND,
        ),
        row(
            "the same through `router.send`",
            peer(small, many, CPU_BY_ROUTER, most),
            AtMost(0.8),
            " ×",
            COMMAND,
        ),
        row(
            "one task: median latency, to the best peer",
            one,
            AtMost(0.97),
            " ×",
            COMMAND,
        ),
        row(
            "callers on two threads, 64 and 1,024 tasks: `Client::here`, to the best peer with one client on a thread pool",
            over_pools,
            AtLeast(1.5),
            " ×",
            COMMAND,
        ),
        row(
            "the same: to the best peer with a client on each thread",
            over_arbiters,
            AtLeast(1.0),
            " ×",
            COMMAND,
        ),
        row(
            "pipelines of 100, 16 KiB values, replies of 10,000 elements, to the best peer",
            large.and_then(|ratios| least.of(ratios)),
            AtLeast(1.1),
            " ×",
            COMMAND,
        ),
    ]
}

/// The worst over workloads; None if one of them is missing.
fn over(
    calls: &[&str],
    counts: &[usize],
    worst: Worst,
    figure: impl Fn(&str) -> Option<f64>,
) -> Option<f64> {
    let names = calls.iter().flat_map(|call| {
        counts
            .iter()
            .map(move |count| format!("{call}, {count} tasks"))
    });
    let all: Option<Vec<f64>> = names.map(|name| figure(&name)).collect();
    worst.of(all?)
}

fn of_scale(figures: &Figures) -> Vec<Row> {
    const COMMAND: &str = "make bench-scale";
    /// A quick run has others, and answers nothing.
    fn in_full(figures: &Figures, title: &str, sizes: &str, full: f64, column: &str) -> Vec<f64> {
        match figures.of_scale(title, sizes).last() {
            Some(largest) if *largest == full => figures.of_scale(title, column),
            _ => Vec::new(),
        }
    }
    let replies = |column| in_full(figures, "replies", "elements", 1e6, column);
    let links = |column| in_full(figures, "links", "links", 1e4, column);
    let unchecked = "links without health checks";
    let unchecked = in_full(figures, unchecked, "links", 1e4, "idle CPU, ms/s");
    let growth = |figures: &[f64]| match figures {
        [.., before, last] => Some(last / before),
        _ => None,
    };
    let heap = links("heap per link, bytes");
    vec![
        row(
            "a million elements: client CPU, to the plain decoder's",
            replies("CPU over plain decoder").last().copied(),
            AtMost(1.5),
            " ×",
            COMMAND,
        ),
        row(
            "the same: per element, to 100,000 elements",
            growth(&replies("CPU per element, ns")),
            AtMost(1.2),
            " ×",
            COMMAND,
        ),
        row(
            "10,000 idle links: heap each",
            heap.last().map(|bytes| bytes / 1_024.0),
            AtMost(16.0),
            " KiB",
            COMMAND,
        ),
        row(
            "the same: each, to 3,000 links",
            growth(&heap),
            AtMost(1.1),
            " ×",
            COMMAND,
        ),
        row(
            "the same: CPU of all without health checks",
            unchecked.last().map(|ms| ms / 10.0),
            AtMost(1.0),
            " %",
            COMMAND,
        ),
    ]
}

fn of_recovery(figures: &Figures) -> Vec<Row> {
    const COMMAND: &str = "make bench-recovery";
    let restarts = |figure: &str| {
        let outages = ["0.5", "2", "5"].map(|outage| format!("restart after {outage} s"));
        let all = outages.iter().map(|name| figures.of_recovery(name, figure));
        Worst::Most.of(all.collect::<Option<Vec<_>>>()?)
    };
    let stalls = [
        "stall beside a killed primary",
        "stall beside a paused primary",
    ]
    .map(|name| figures.of_recovery(name, "gap_ms"));
    let stalls: Option<Vec<f64>> = stalls.into_iter().collect();
    vec![
        row(
            "restart: first success after the server listens",
            restarts("first_success_ms"),
            AtMost(120.0),
            " ms",
            COMMAND,
        ),
        row(
            "the same: repeatable calls that failed",
            restarts("failed"),
            AtMost(0.0),
            "",
            COMMAND,
        ),
        row(
            "failover: first success after the replica is promoted",
            figures.of_recovery("failover", "first_success_ms"),
            AtMost(100.0),
            " ms",
            COMMAND,
        ),
        row(
            "stall on healthy nodes while another dies",
            stalls.and_then(|gaps| Worst::Most.of(gaps)),
            AtMost(20.0),
            " ms",
            COMMAND,
        ),
        row(
            "commands executed twice under `CLIENT KILL`",
            figures.of_recovery("double execution", "twice"),
            AtMost(0.0),
            "",
            COMMAND,
        ),
    ]
}
