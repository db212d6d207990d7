//! The command line: [`parse`].

use crate::probe::{Door, Probe};

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
    Help,
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
pub(crate) fn parse(given: impl Iterator<Item = String>) -> Result<Wish, String> {
    let mut given = given;
    let mut arguments = Arguments {
        rounds: 3,
        commands: 40_000,
        keep: false,
        json: false,
        cluster: true,
    };
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--help" | "-h" => return Ok(Wish::Help),
            "--quick" => {
                arguments.rounds = 1;
                arguments.commands = 20_000;
                arguments.cluster = false;
            }
            "--keep" => arguments.keep = true,
            "--json" => arguments.json = true,
            "--rounds" => arguments.rounds = number(given.next())?,
            "probe" => return probe(given).map(Wish::Probe),
            other => return Err(format!("{other} is not known\n\n{HELP}")),
        }
    }
    if arguments.rounds == 0 {
        return Err("--rounds needs at least 1".to_owned());
    }
    Ok(Wish::Count(arguments))
}

/// `probe DOOR PORTS COMMANDS`, which only this program itself says.
fn probe(mut given: impl Iterator<Item = String>) -> Result<Probe, String> {
    let door = given.next().unwrap_or_default();
    let door = Door::ALL.into_iter().find(|known| known.name() == door);
    Ok(Probe {
        door: door.ok_or("which door?")?,
        ports: given.next().ok_or("which ports?")?,
        commands: number(given.next())?,
    })
}

fn number<T: std::str::FromStr>(given: Option<String>) -> Result<T, String> {
    let number = given.and_then(|text| text.parse().ok());
    number.ok_or_else(|| format!("a number is missing\n\n{HELP}"))
}
