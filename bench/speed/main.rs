//! Shows: how fast everlink is, through both of its doors, beside the other Rust clients and the
//! server's own benchmark tool, on the same real servers, in alternating rounds.
//!
//! Run: `make bench`, with `ARGS=--quick` for a short one. It starts its own servers on free
//! loopback ports and ends them.
//!
//! Expect: one line for each workload and door, with the ratio to each peer. Rounds alternate
//! between clients, so that a slow minute of the machine hits all of them; a ratio is the median of
//! the rounds' ratios. Figures of one round mean little on a machine that does other work.
//!
//! | file | concept |
//! | --- | --- |
//! | `arguments` | the command line |
//! | `cores` | which core runs what |
//! | `servers` | what is measured against: one server, a cluster, and the data they hold |
//! | `workload` | what is asked of a client |
//! | `peers` | every client, behind one trait |
//! | `stage` | threads: one, a pool, or several with a client each |
//! | `load`, `histogram`, `usage` | one run of one client, in a process of its own |
//! | `rounds` | who runs when; medians and ratios |
//! | `report`, `plot` | table, JSON, SVG |

#[path = "../answer.rs"]
mod answer;
mod arguments;
#[path = "../clients/mod.rs"]
mod clients;
mod cores;
mod histogram;
mod load;
#[path = "../median.rs"]
mod median;
mod peers;
mod plot;
#[path = "../program.rs"]
mod program;
mod report;
mod rounds;
#[path = "../../examples/laboratory/screen.rs"]
#[allow(
    dead_code,
    reason = "written for the demo, of which only a part is used here"
)]
mod screen;
mod servers;
#[path = "../setting.rs"]
mod setting;
mod stage;
#[path = "../../tests/support/mod.rs"]
mod support;
#[path = "../turns.rs"]
mod turns;
mod usage;
mod workload;

use std::process::ExitCode;

use arguments::{Arguments, HELP, Wish};
use cores::Cores;
use program::failure;
use report::Manner;
use screen::Screen;
use servers::Servers;
use support::waiting::Result;

fn main() -> ExitCode {
    program::run(HELP, arguments::parse, |wish| match wish {
        Wish::Sample(order) => answer::give(&load::sample(&order)?),
        Wish::Awake(core) => cores::keep_awake(core),
        Wish::Compare(arguments) => compare(&arguments),
    })
}

fn compare(arguments: &Arguments) -> Result<()> {
    let runtime = program::runtime()?;
    let screen = Screen::new(true);
    let workloads = workload::all(arguments);
    if workloads.is_empty() {
        return Err(failure("no workload has such a name"));
    }
    let _entered = runtime.enter();
    let clustered = workloads.iter().any(|workload| workload.cluster);
    screen.line("starting servers ...");
    let servers = runtime.block_on(Servers::start(clustered))?;
    let cores = Cores::awake(&screen)?;
    let compared = rounds::run(&servers, &cores, &workloads, arguments, &screen)?;
    let manner = Manner::of(arguments, &cores);
    drop(cores);
    screen.end_progress();
    if arguments.json {
        println!("{}", report::json(&manner, &compared)?);
    } else {
        print!("{}", report::table(&manner, &compared));
    }
    if let Some(path) = &arguments.plot {
        std::fs::write(path, plot::svg(&compared))?;
        screen.line(format!("plotted to {path}"));
    }
    Ok(())
}
