//! Shows: how many instructions a GET costs in this process, through each door of everlink, and
//! whether that is more than the figure kept in `instructions.toml`.
//!
//! Run: `make bench-instructions`. It needs valgrind and a Redis server; `make setup` and
//! `scripts/setup --valgrind` see to both.
//!
//! Wall-clock time on a shared machine is noise; instructions are not. Each figure is the
//! difference of two runs under callgrind with different numbers of commands, divided by the
//! difference: starting up, connecting and shutting down drop out. The server runs outside of
//! callgrind. What remains is how many replies a read finds, which is up to the scheduler: so the
//! median of several runs counts, and the spread is shown.
//!
//! Machines differ little: valgrind shows every program the same plain processor, so that libc
//! chooses the same `memcpy` and its like wherever there is AVX2; and with `GLIBC_TUNABLES` that
//! forbid AVX2 and BMI, as on an old processor, figures differed by 1 %. What does count is the
//! compiler's version, and another libc: its allocator has a quarter of all instructions.
//!
//! | file | concept |
//! | --- | --- |
//! | `arguments` | the command line |
//! | `callgrind` | one run of the probe under valgrind |
//! | `probe` | what is counted: many tasks that send GETs |
//! | `kept` | the figures in the repository |

mod arguments;
mod callgrind;
mod kept;
mod probe;
#[path = "../program.rs"]
mod program;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::process::ExitCode;

use arguments::{Arguments, HELP, Wish};
use callgrind::Callgrind;
use kept::Kept;
use probe::{Door, Probe};
use program::failure;
use support::redis_cluster::{RedisCluster, RedisClusterOptions};
use support::redis_server::{RedisServer, RedisServerOptions};
use support::waiting::{Failure, Result};

fn main() -> ExitCode {
    program::run(HELP, arguments::parse, |wish| match wish {
        Wish::Probe(probe) => probe.run(),
        Wish::Count(arguments) => count(&arguments),
    })
}

/// # Errors
/// A figure is worse than the one kept.
fn count(arguments: &Arguments) -> Result<()> {
    let runtime = program::runtime()?;
    let _entered = runtime.enter();
    let options = RedisServerOptions::default().volatile();
    let server = runtime.block_on(RedisServer::start(options.clone()))?;
    let cluster = arguments.cluster.then(|| {
        runtime.block_on(RedisCluster::start(RedisClusterOptions {
            replicas_per_primary: 0,
            server: options,
            ..RedisClusterOptions::default()
        }))
    });
    let cluster = cluster.transpose()?;
    let mut kept = Kept::read()?;
    let mut fine = true;
    let mut medians = BTreeMap::new();
    eprintln!("instructions per GET of 64 bytes, 64 tasks; one server, or a cluster of three:");
    for door in Door::ALL {
        let ports = match (door, &cluster) {
            (Door::Client | Door::Router | Door::Mailbox, _) => server.port().to_string(),
            (Door::Cluster, None) => continue,
            (Door::Cluster, Some(cluster)) => {
                let nodes = cluster.nodes().iter();
                let ports: Vec<_> = nodes.map(|node| node.port().to_string()).collect();
                ports.join(",")
            }
        };
        let callgrind = Callgrind(Probe {
            door,
            ports,
            commands: arguments.commands,
        });
        let mut figures = Vec::new();
        for round in 1..=arguments.rounds {
            let name = door.name();
            eprintln!("  {name}, round {round} of {} ...", arguments.rounds);
            figures.push(callgrind.per_command()?);
        }
        figures.sort_unstable();
        let median = figures[figures.len() / 2];
        let (least, most) = (figures[0], figures[figures.len() - 1]);
        let verdict = kept.judge(door.name(), median);
        let name = door.name();
        if !arguments.json {
            match &verdict {
                Ok(verdict) => println!("  {name:<7} {median:>6}  ({least}–{most})  {verdict}"),
                Err(_) => println!("  {name:<7} {median:>6}  ({least}–{most})"),
            }
        }
        if !arguments.keep && !arguments.json {
            fine &= verdict?.is_fine();
        }
        kept.set(name, median);
        medians.insert(name, median);
    }
    if arguments.json {
        let text = serde_json::to_string(&medians).map_err(failure)?;
        println!("{text}");
    }
    if arguments.keep {
        kept.write()?;
        eprintln!("kept in {}", kept::PATH);
        return Ok(());
    }
    if !fine {
        return Err(Failure::new(format!(
            "a command costs over {} % more than the figure kept in {}: make it cheaper, or keep \
             the new one by `make bench-instructions ARGS=--keep` in a commit that says why",
            kept::TOLERANCE_PERCENT,
            kept::PATH
        )));
    }
    Ok(())
}
