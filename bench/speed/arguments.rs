//! The command line: [`parse`].

use crate::load::Order;
use crate::program::{Given, Halt};

pub(crate) const HELP: &str = "\
Compares everlink with other Redis clients on the same servers.

usage: speed [--quick] [--json] [--only TEXT] [--rounds N] [--seconds S] [--plot FILE]

  --quick      fewer workloads, shorter and fewer rounds: minutes instead of half an hour
  --only TEXT  workloads whose name contains this
  --rounds N   how often each client runs each workload (5; quick 2)
  --seconds S  how long each run is measured (0.5; quick 0.3); the largest replies
               have three at least
  --json       figures of everybody as JSON
  --plot FILE  a picture (SVG) of the workloads with 64 tasks
  --help       this";

/// What to do.
pub(crate) enum Wish {
    Compare(Arguments),
    /// Be the process of one client for one run.
    Sample(Order),
    /// Be the process that keeps this core awake.
    Awake(usize),
}

/// How to compare.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) quick: bool,
    pub(crate) only: Option<String>,
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    pub(crate) json: bool,
    pub(crate) plot: Option<String>,
}

/// # Errors
/// An argument that is not known, or misses its value.
pub(crate) fn parse(given: &mut Given) -> Result<Wish, Halt> {
    let mut arguments = Arguments::default();
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--quick" => arguments.quick = true,
            "--json" => arguments.json = true,
            "--only" => arguments.only = Some(given.value()?),
            "--rounds" => arguments.rounds = given.value()?,
            "--seconds" => arguments.seconds = given.value()?,
            "--plot" => arguments.plot = Some(given.value()?),
            "awake" => return given.value().map(Wish::Awake),
            "sample" => return given.order().map(Wish::Sample),
            other => return Err(Halt::at(other)),
        }
    }
    if arguments.rounds == 0 {
        arguments.rounds = if arguments.quick { 2 } else { 5 };
    }
    if arguments.seconds <= 0.0 {
        arguments.seconds = if arguments.quick { 0.3 } else { 0.5 };
    }
    Ok(Wish::Compare(arguments))
}
