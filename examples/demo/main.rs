//! Shows: a Redis cluster that loses nodes under traffic while an actix application goes on, told
//! by events what happens; and at the end a proof that nobody was lied to.
//!
//! Run: `make demo`, or `cargo run --release --example demo -- --help`. It needs `redis-server`
//! (`make setup` installs it) and nothing else: the cluster of 3 primaries and 3 replicas is its
//! own, on free loopback ports, in a temporary folder, and gone at the end.
//!
//! Expect: about a minute of events; a table of what each fault did to the application; `kept`
//! before each promise; exit status 0.
//!
//! | file | concept |
//! | --- | --- |
//! | `arguments` | the command line |
//! | `application` | the actors that read and write, through both doors |
//! | `phases`, `ledger` | what a fault did to the calls; what every call was told |
//! | `scenario` | the faults |
//! | `events`, `progress` | what is shown meanwhile |
//! | `proof`, `report` | what the servers hold, compared; the table |
//! | `laboratory` | what the demo shares with the chaos run |

mod application;
mod arguments;
mod events;
#[path = "../laboratory/mod.rs"]
mod laboratory;
mod ledger;
mod phases;
mod progress;
mod proof;
mod report;
mod scenario;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use actix::{Actor, Addr};
use everlink::endpoint::Endpoint;
use everlink::redis::config::Mode;
use everlink::redis::{Client, Config, cmd};
use everlink::registry::{Registry, Subscribe};
use tokio::time::{Instant, sleep};

use application::{Rest, WORKERS, Worker};
use arguments::{Arguments, Wish};
use cells::Cell;
use events::EventPrinter;
use laboratory::door::Door;
use laboratory::{cells, observer, screen};
use ledger::Ledger;
use observer::Observer;
use phases::{Fault, Phase};
use proof::Source;
use report::Report;
use scenario::Scenario;
use screen::{Look, Screen};
use support::redis_cluster::{RedisCluster, RedisClusterOptions};
use support::waiting::{Failure, Result};

/// How much later than its deadline an answer may be seen: two cores run everything here.
const TOLERANCE: Duration = Duration::from_millis(250);

#[actix::main]
async fn main() -> ExitCode {
    let arguments = match arguments::parse(std::env::args().skip(1)) {
        Ok(Wish::Run(arguments)) => arguments,
        Ok(Wish::Help) => {
            println!("{}", arguments::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    // Dropping the run drops the cluster, and with it its servers.
    let ended = tokio::select! {
        ended = run(&arguments) => ended,
        _ = tokio::signal::ctrl_c() => {
            eprintln!("\ninterrupted: everything is stopped");
            return ExitCode::from(130);
        }
    };
    match ended {
        Ok(report) => {
            if arguments.json {
                println!("{}", report.json());
            }
            if report.kept {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(failure) => {
            eprintln!("\nthe demo could not run: {failure}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: &Arguments) -> Result<Report> {
    let mut screen = Screen::new(arguments.json);
    let (config, cluster) = match &arguments.url {
        Some(url) => {
            let config = Config::from_url(url).map_err(failure)?;
            if config.mode != Mode::Cluster {
                return Err(Failure::new(
                    "a cluster is needed: redis-cluster://host:port",
                ));
            }
            (config, None)
        }
        None => {
            let cluster = start_cluster(&screen).await?;
            let seeds = cluster.seeds().into_iter();
            let seeds = seeds.map(|(host, port)| Endpoint::tcp(host, port));
            (Config::cluster(seeds), Some(cluster))
        }
    };
    let config = config.name("demo");
    screen.start_clock();
    let screen = Rc::new(screen);
    let cells = Rc::new(cells::cells(&format!(
        "everlink-demo:{:08x}",
        rand::random::<u32>()
    )));
    let ledger = Ledger::new(cells.len(), config.timeouts.command, TOLERANCE);
    let ledger = Rc::new(ledger);
    let client = connect(config.clone(), &screen, &ledger).await?;

    let began = Instant::now();
    let nothing = vec![false; cells.len()];
    ledger.enter(Phase::new(Fault::Nothing, "steady load", nothing));
    let workers = start_workers(&client, &cells, &ledger, arguments.seed)?;
    let progress = progress::show(Rc::clone(&screen), Rc::clone(&ledger), client.clone());
    let progress = actix::spawn(progress);
    match &cluster {
        Some(cluster) => {
            let scenario = Scenario {
                observer: Observer {
                    cluster: Rc::clone(cluster),
                },
                cells: Rc::clone(&cells),
                ledger: Rc::clone(&ledger),
                screen: Rc::clone(&screen),
                seed: arguments.seed,
                run_for: arguments.run_for,
            };
            scenario.run().await?;
        }
        None => sleep(arguments.run_for).await,
    }
    let ran = began.elapsed();
    screen.announce("the application rests; what was promised is compared with what is there");
    rest(&workers, &ledger).await;
    progress.abort();
    screen.end_progress();

    let source = match &cluster {
        Some(cluster) => Source::Plain(Rc::clone(cluster)),
        None => Source::Fresh(Client::open(config).await.map_err(failure)?),
    };
    let findings = proof::prove(&source, &cells, &ledger).await?;
    if let Source::Fresh(client) = &source {
        clean_up(client, &cells).await;
    }
    let summary = client.shutdown(Duration::from_secs(5)).await;
    summary.map_err(failure)?;
    let report = Report::new(arguments.seed, ran, &ledger, findings);
    report.show(&screen);
    Ok(report)
}

/// A client whose events are printed, once it is ready.
async fn connect(config: Config, screen: &Rc<Screen>, ledger: &Rc<Ledger>) -> Result<Client> {
    let registry = Registry::start_new();
    let printer = EventPrinter::new(Rc::clone(screen), Rc::clone(ledger)).start();
    // The registry holds its subscribers weakly; this one nobody else holds.
    let subscribe = Subscribe::new(printer).capacity(10_000).kept_alive();
    registry.send(subscribe).await.map_err(failure)?;
    let client = Client::open_with(config, &registry).map_err(failure)?;
    let ready = client.ready(Duration::from_secs(10)).await;
    ready.map_err(failure)?;
    Ok(client)
}

/// Three primaries, a replica each.
///
/// A node is suspected after 1 s. `cluster-require-full-coverage no`: while one shard has no
/// primary the others go on, so that the demo shows that the client does not slow them either.
async fn start_cluster(screen: &Screen) -> Result<Rc<RedisCluster>> {
    screen.line("starting a Redis cluster: 3 primaries, 3 replicas, every write on disk");
    let cluster = RedisCluster::start(RedisClusterOptions {
        node_timeout_ms: 1_000,
        require_full_coverage: false,
        ..RedisClusterOptions::default()
    })
    .await?;
    for (index, node) in cluster.nodes().iter().enumerate() {
        let role = if index < 3 { "primary" } else { "replica" };
        let port = node.port();
        screen.line(screen.paint(Look::Quiet, format!("  127.0.0.1:{port} {role}")));
    }
    Ok(Rc::new(cluster))
}

/// Half of them use the router's address, half the client handle.
fn start_workers(
    client: &Client,
    cells: &Rc<Vec<Cell>>,
    ledger: &Rc<Ledger>,
    seed: u64,
) -> Result<Vec<Addr<Worker>>> {
    (0..WORKERS)
        .map(|number| {
            let door = Door::of(client, number)?;
            let worker = Worker::new(door, Rc::clone(cells), Rc::clone(ledger), seed, number);
            Ok(worker.start())
        })
        .collect()
}

/// No more calls; those under way are waited for as long as they may take.
async fn rest(workers: &[Addr<Worker>], ledger: &Ledger) {
    for worker in workers {
        // A worker that is gone makes no calls.
        let _ = worker.send(Rest).await;
    }
    let limit = Instant::now() + ledger.deadline() + ledger.tolerance();
    while ledger.totals().open > 0 && Instant::now() < limit {
        sleep(Duration::from_millis(10)).await;
    }
}

/// Leaves nothing behind in a cluster that is not ours.
async fn clean_up(client: &Client, cells: &[Cell]) {
    for key in cells.iter().flat_map(Cell::keys) {
        if let Err(error) = client.call(cmd("DEL").arg(key)).await {
            eprintln!("{key} was left behind: {error}");
        }
    }
}

fn failure(error: impl std::fmt::Display) -> Failure {
    Failure::new(error.to_string())
}
