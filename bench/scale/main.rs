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

#[path = "../answer.rs"]
mod answer;
mod arguments;
#[path = "../digits.rs"]
mod digits;
mod fleet;
mod gauge;
#[path = "../median.rs"]
mod median;
mod probes;
#[path = "../program.rs"]
mod program;
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

use std::process::ExitCode;

use arguments::{Arguments, HELP, Wish};
use probes::Probe;
use program::failure;
use screen::Screen;
use setting::Setting;
use support::redis_configuration::program;
use support::redis_server::{RedisServer, RedisServerOptions};
use support::waiting::Result;
use table::Table;

fn main() -> ExitCode {
    program::run(HELP, arguments::parse, |wish| match wish {
        Wish::Fleet(order) => fleet::run(&order),
        Wish::Probe(probe) => answer::give(&probe.run()?),
        Wish::Measure(arguments) => measure(&arguments),
    })
}

fn measure(arguments: &Arguments) -> Result<()> {
    let runtime = program::runtime()?;
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
            let line = answer::ask("probe", probe);
            table.push(line.map_err(|failure| failure.while_doing(title))?);
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
