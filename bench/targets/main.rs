//! Shows: the table of targets with what was measured beside them.
//!
//! Run: `make bench-targets`. It runs all benchmarks, which takes an hour on a machine that does
//! nothing else, keeps their figures in `bench/target/figures/`, and prints the table.
//! `ARGS=--write` puts it into `docs/performance.md` instead, and all workloads beside the other
//! clients.
//!
//! Expect: a line for each target; "to be measured" where a benchmark was not run, or only in its
//! quick form.
//!
//! | file | concept |
//! | --- | --- |
//! | `figures` | what the benchmarks left |
//! | `rows` | the targets, and the figures that answer them |
//! | `beside` | every workload beside the other clients |
//! | `document` | the table of targets, and where tables stand |

mod beside;
mod document;
mod figures;
mod rows;

use std::process::ExitCode;

use document::Place;
use figures::Figures;

const HELP: &str = "\
Prints the targets and what `make bench-targets` measured.

usage: targets FOLDER [--write]

  FOLDER   where the files are: bench.json, bench-recovery.json and so on
  --write  put the tables into docs/performance.md
  --help   this";

fn main() -> ExitCode {
    let (mut folder, mut write) = (None, false);
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--help" | "-h" => {
                println!("{HELP}");
                return ExitCode::SUCCESS;
            }
            "--write" => write = true,
            _ if folder.is_none() && !argument.starts_with('-') => folder = Some(argument),
            other => {
                eprintln!("{other} is not known\n\n{HELP}");
                return ExitCode::from(2);
            }
        }
    }
    let Some(folder) = folder else {
        eprintln!("{HELP}");
        return ExitCode::from(2);
    };
    let figures = Figures::read(&folder);
    let table = document::table(&rows::all(&figures));
    if !write {
        print!("{table}");
        return ExitCode::SUCCESS;
    }
    let beside = beside::table(&figures);
    match document::write(&[(Place::Targets, &table), (Place::Beside, &beside)]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", document::PATH);
            ExitCode::FAILURE
        }
    }
}
