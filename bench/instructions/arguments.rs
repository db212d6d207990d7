//! The command line: [`parse`].

use crate::probe::Probe;
use crate::program::{Given, Halt};

pub(crate) const HELP: &str = "\
Counts the instructions that a GET costs, by callgrind.

usage: instructions [--quick] [--keep] [--json] [--rounds N]

  --quick      fewer commands, one round, no cluster: for CI
  --rounds N   measure N times, the median counts (3)
  --keep       write the figures to bench/instructions.toml instead of comparing with them
  --json       the figures as JSON
  --help       this";

/// What to do.
pub(crate) enum Wish {
    Count(Arguments),
    /// Be the program that is counted.
    Probe(Probe),
}

/// How to count.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) rounds: usize,
    /// Of the longer of two runs; the shorter one has half as many.
    pub(crate) commands: u64,
    pub(crate) keep: bool,
    pub(crate) json: bool,
    /// The door to a cluster, too.
    pub(crate) cluster: bool,
}

/// # Errors
/// An argument that is not known, or misses its value.
pub(crate) fn parse(given: &mut Given) -> Result<Wish, Halt> {
    let mut arguments = Arguments {
        rounds: 3,
        commands: 40_000,
        keep: false,
        json: false,
        cluster: true,
    };
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--quick" => {
                arguments.rounds = 1;
                arguments.commands = 20_000;
                arguments.cluster = false;
            }
            "--keep" => arguments.keep = true,
            "--json" => arguments.json = true,
            "--rounds" => arguments.rounds = given.value()?,
            "probe" => return given.order().map(Wish::Probe),
            other => return Err(Halt::at(other)),
        }
    }
    if arguments.rounds == 0 {
        return Err(Halt::misused("--rounds needs at least 1"));
    }
    Ok(Wish::Count(arguments))
}
