//! Shows: how everlink and the other Rust clients come through failures of real servers.
//!
//! Run: `make bench-recovery`, with `ARGS=--quick` for a short one. It starts its own servers on
//! free loopback ports and ends them.
//!
//! Expect: for each kind of failure a table with a line for each client, medians of all rounds and
//! their ranges. The servers are real; each client has a process of its own for each run, and the
//! rounds alternate between them.
//!
//! | file | concept |
//! | --- | --- |
//! | `arguments` | the command line |
//! | `clients`, `peers` | every client: how it is set up; all behind one trait |
//! | `subject` | the process of one client, seen from inside |
//! | `child`, `clock` | the same, seen from outside |
//! | `record` | its calls, and what is read off them |
//! | `stage` | the servers |
//! | `scenarios` | what the clients go through |
//! | `rounds`, `figures` | who runs when; medians and ranges |
//! | `report` | table, JSON |

mod arguments;
mod child;
#[path = "../clients/mod.rs"]
#[allow(dead_code, reason = "`speed` measures more clients than fail here")]
mod clients;
mod clock;
#[path = "../digits.rs"]
mod digits;
mod figures;
#[path = "../median.rs"]
mod median;
mod peers;
#[path = "../program.rs"]
mod program;
mod record;
mod report;
mod rounds;
mod scenarios;
#[path = "../../examples/laboratory/screen.rs"]
#[allow(
    dead_code,
    reason = "written for the demo, of which only a part is used here"
)]
mod screen;
#[path = "../setting.rs"]
mod setting;
mod stage;
mod subject;
#[path = "../../tests/support/mod.rs"]
mod support;
#[path = "../turns.rs"]
mod turns;

use std::process::ExitCode;

use arguments::{Arguments, HELP, Wish};
use program::failure;
use screen::Screen;
use support::waiting::Result;

fn main() -> ExitCode {
    program::run(HELP, arguments::parse, |wish| match wish {
        Wish::Subject(order) => subject::run(order).inspect_err(|failure| {
            // Where who started this process reads it.
            println!("failed {failure}");
        }),
        Wish::Compare(arguments) => compare(&arguments),
    })
}

fn compare(arguments: &Arguments) -> Result<()> {
    let runtime = program::runtime()?;
    let screen = Screen::new(true);
    let compared = runtime.block_on(rounds::run(arguments, &screen))?;
    screen.end_progress();
    if arguments.json {
        println!("{}", report::json(arguments.rounds, &compared)?);
    } else {
        print!("{}", report::table(&compared));
    }
    Ok(())
}
