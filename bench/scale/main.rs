//! Shows: what a very large deployment costs: 1,000 nodes, 10,000 links, 100,000 waiting requests,
//! replies of a million elements; and that it grows in proportion.
//!
//! Run: `make bench-scale`, with `ARGS=--quick` for a tenth of it. It starts its own servers on
//! loopback addresses and ends them.
//!
//! Expect: a table for each kind of size, with a line for each size. Each line is measured in a
//! process of its own, whose allocator counts: heap figures are exact, and the same on every
//! machine. Those by the clock are not, on a machine that does other work.
//!
//! | file | concept |
//! | --- | --- |
//! | `arguments` | the command line |
//! | `fleet` | a process that plays up to a thousand nodes |
//! | `probes` | what is measured, each in a process of its own |
//! | `gauge` | heap, resident memory and CPU of such a process |
//! | `table` | what they print |

mod arguments;
mod fleet;
mod gauge;
mod probes;
#[path = "../../examples/laboratory/screen.rs"]
#[allow(
    dead_code,
    reason = "written for the demo, of which only a part is used here"
)]
mod screen;
#[path = "../setting.rs"]
mod setting;
#[path = "../../tests/support/mod.rs"]
mod support;
mod table;

use std::process::{Command, ExitCode, Stdio};

use arguments::{Arguments, HELP, Wish};
use probes::Probe;
use screen::Screen;
use setting::Setting;
use support::redis_configuration::program;
use support::redis_server::{RedisServer, RedisServerOptions};
use support::waiting::{Failure, Result};
use table::{Line, Table};

fn main() -> ExitCode {
    let done = match arguments::parse(std::env::args().skip(1)) {
        Ok(Wish::Help) => {
            println!("{HELP}");
            Ok(())
        }
        Ok(Wish::Fleet(order)) => fleet::run(&order),
        Ok(Wish::Probe(probe)) => probe.run().and_then(|line| {
            println!("{}", serde_json::to_string(&line).map_err(failure)?);
            Ok(())
        }),
        Ok(Wish::Measure(arguments)) => measure(&arguments),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let _entered = runtime.enter();
    let screen = Screen::new(true);
    let server = runtime.block_on(RedisServer::start(RedisServerOptions::default().volatile()))?;
    let mut tables = Vec::new();
    for (title, probes) in Probe::all(arguments.quick, server.port()) {
        if (arguments.only.as_ref()).is_some_and(|only| !title.contains(only.as_str())) {
            continue;
        }
        let mut table = Table::new(title);
        for (number, probe) in probes.iter().enumerate() {
            screen.progress(format!("{title}: {} of {}", number + 1, probes.len()));
            table.push(in_a_process(probe).map_err(|failure| failure.while_doing(title))?);
        }
        screen.line(format!("{title}: done"));
        tables.push(table);
    }
    screen.end_progress();
    let setting = Setting::here(&program());
    if arguments.json {
        let all = serde_json::json!({ "setting": setting, "tables": tables });
        let text = serde_json::to_string_pretty(&all).map_err(failure)?;
        println!("{text}");
    } else {
        println!("{setting}.\n");
        tables.iter().for_each(|table| println!("{table}"));
    }
    Ok(())
}

fn in_a_process(probe: &Probe) -> Result<Line> {
    let output = Command::new(std::env::current_exe()?)
        .arg("probe")
        .arg(serde_json::to_string(probe).map_err(failure)?)
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format!("{}: {}", output.status, said.trim())));
    }
    serde_json::from_slice(&output.stdout).map_err(failure)
}

pub(crate) fn failure(error: impl std::fmt::Display) -> Failure {
    Failure::new(error.to_string())
}
