//! Shows: what callers are told stays true under random faults; and that the checker which says so
//! can fail.
//!
//! Run: `make chaos`, or `cargo run --release --example chaos -- --help`. It needs a Redis server
//! (`make setup` installs one) and starts its own cluster of 3 primaries and 3 replicas.
//!
//! Expect: the seed, each fault as it happens, `kept` before each promise, exit status 0.
//!
//! | file | concept |
//! | --- | --- |
//! | `arguments` | the command line |
//! | `traffic` | the load: calls with deadlines, some of which are given up |
//! | `history` | every call and what its caller was told |
//! | `nodes`, `network` | the faults: of nodes, and between client and nodes |
//! | `windows` | when the cluster itself may lose what it acknowledged |
//! | `checker` | what callers were told, compared with what the servers hold |
//! | `round` | load and faults, rest, comparison |
//! | `pulse`, `process` | for how long this process did not run; what it holds |
//! | `report` | the end |
//! | `laboratory` | what it shares with the demo |

mod arguments;
mod checker;
mod history;
#[path = "../laboratory/mod.rs"]
mod laboratory;
mod network;
mod nodes;
mod process;
mod pulse;
mod report;
mod round;
#[path = "../../tests/support/mod.rs"]
mod support;
mod traffic;
mod windows;

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::rc::Rc;
use std::time::Duration;

use everlink::event::LinkState;
use everlink::policy::BreakerSettings;
use everlink::redis::{Client, Config};
use everlink::registry::Registry;
use tokio::time::Instant;

use arguments::{Arguments, Wish};
use checker::Promise;
use laboratory::screen::Screen;
use network::Network;
use process::Holdings;
use report::Report;
use round::Lab;
use support::redis_cluster::{RedisCluster, RedisClusterOptions};
use support::waiting::{Failure, Result, Wait};

/// What the fixtures start, if it is set.
const SERVER: &str = "EVERLINK_REDIS_SERVER";

fn main() -> ExitCode {
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
    if let Some(server) = &arguments.server
        && std::env::var(SERVER).ok().as_ref() != Some(server)
    {
        return again_with(server, arguments.seed);
    }
    actix::System::new().block_on(chaos(arguments))
}

/// Begins anew with another server: the fixtures read the environment, which a program must not
/// change for itself while it runs.
fn again_with(server: &str, seed: u64) -> ExitCode {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => {
            eprintln!("this program cannot find itself: {error}");
            return ExitCode::from(2);
        }
    };
    let error = Command::new(program)
        .args(std::env::args().skip(1))
        .args(["--seed", &seed.to_string()])
        .env(SERVER, server)
        .exec();
    eprintln!("this program cannot start itself: {error}");
    ExitCode::from(2)
}

async fn chaos(arguments: Arguments) -> ExitCode {
    let screen = Rc::new(Screen::new(arguments.json));
    // Dropping the run drops the cluster, and with it its servers.
    let ended = tokio::select! {
        ended = run(&arguments, &screen) => ended,
        _ = tokio::signal::ctrl_c() => {
            eprintln!("\ninterrupted: everything is stopped");
            return ExitCode::from(130);
        }
    };
    match ended {
        Ok(report) => {
            report.show(&screen);
            if arguments.json {
                println!("{}", report.json());
            }
            if report.is_kept() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(failure) => {
            eprintln!("\nseed {}: the run failed: {failure}", arguments.seed);
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: &Arguments, screen: &Rc<Screen>) -> Result<Report> {
    let server = support::redis_configuration::program();
    screen.line(format!("seed {}, {server}", arguments.seed));
    let cluster = RedisCluster::start(RedisClusterOptions {
        require_full_coverage: false,
        ..RedisClusterOptions::default()
    });
    let cluster = Rc::new(cluster.await?);
    let network = Rc::new(Network::start(&cluster)?);
    let sockets = process::sockets()?;
    let config = Config::cluster(network.seeds())
        .name("chaos")
        .breaker(Some(breaker()))
        .endpoint_map(network.map());
    let client = Client::open_with(config, &Registry::start_new()).map_err(failure)?;
    client
        .ready(Duration::from_secs(20))
        .await
        .map_err(failure)?;

    let mut report = Report::new(arguments.seed, server);
    let lab = Lab {
        cluster,
        network,
        client,
        screen: Rc::clone(screen),
        retry_unknown: arguments.retry_unknown,
    };
    let ends = Instant::now() + arguments.run_for;
    let mut baseline = None;
    for number in 0.. {
        lab.round(
            arguments.seed.wrapping_add(number),
            arguments.round,
            &mut report,
        )
        .await?;
        let done = Instant::now() >= ends;
        if arguments.soak {
            settle(&lab).await?;
            let holdings = Holdings::take().await?;
            screen.announce(&format!("after round {}: {holdings:?}", number + 1));
            report.holdings.push(holdings);
            let baseline = baseline.get_or_insert(holdings);
            if done {
                for exceeding in holdings.exceed(baseline) {
                    report.findings.broken(Promise::BackToBaseline, exceeding);
                }
            }
        }
        if done {
            break;
        }
    }
    let summary = lab.client.shutdown(Duration::from_secs(5)).await;
    summary.map_err(failure)?;
    drop(lab.client);
    lab.network.wait_for_connections(0).await?;
    let left = process::sockets()?;
    if left > sockets {
        let what = format!("{left} sockets after the client has ended, {sockets} before it began");
        report.findings.broken(Promise::BackToBaseline, what);
    }
    Ok(report)
}

/// Waits until the client holds what it always holds: one connection to each node. A second one
/// that is never given up ends the run here.
async fn settle(lab: &Lab) -> Result<()> {
    let mut wait = Wait::up_to(Duration::from_secs(40), "all links to be up");
    loop {
        let links = lab.client.status().await.map_err(failure)?;
        let down = links.iter().find(|link| link.state != LinkState::Up);
        let Some(down) = down else {
            break;
        };
        wait.again(format!("{} is {:?}", down.link, down.state))
            .await?;
    }
    lab.network.wait_for_connections(1).await
}

/// Many calls here have 200 ms, less than most stalls of the network last. With the usual 5 s for which
/// a breaker stays open, half of all calls would never be sent, and prove nothing.
fn breaker() -> BreakerSettings {
    let (open, most) = (Duration::from_millis(100), Duration::from_millis(400));
    let settings = BreakerSettings::default().with_open(open, most);
    settings.expect("the first is shorter than the second")
}

fn failure(error: impl std::fmt::Display) -> Failure {
    Failure::new(error.to_string())
}
