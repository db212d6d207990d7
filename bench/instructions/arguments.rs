//! The command line: [`parse`].

use crate::DOORS;
use crate::probe::Probe;

pub(crate) const HELP: &str = "\
Counts the instructions that a GET costs, by callgrind.

usage: instructions [--quick] [--keep] [--rounds N]

  --quick      fewer commands, one round: for CI
  --rounds N   measure N times, the median counts (3)
  --keep       write the figures to bench/instructions.toml instead of comparing with them
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
}

/// # Errors
/// An argument that is not known, or misses its value.
pub(crate) fn parse(given: impl Iterator<Item = String>) -> Result<Wish, String> {
    let mut given = given;
    let mut arguments = Arguments {
        rounds: 3,
        commands: 40_000,
        keep: false,
    };
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--help" | "-h" => return Ok(Wish::Help),
            "--quick" => {
                arguments.rounds = 1;
                arguments.commands = 20_000;
            }
            "--keep" => arguments.keep = true,
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

/// `probe DOOR PORT COMMANDS`, which only this program itself says.
fn probe(mut given: impl Iterator<Item = String>) -> Result<Probe, String> {
    let door = given.next().unwrap_or_default();
    let door = DOORS.iter().position(|known| *known == door);
    Ok(Probe {
        through_router: door.ok_or("which door?")? == 1,
        port: number(given.next())?,
        commands: number(given.next())?,
    })
}

fn number<T: std::str::FromStr>(given: Option<String>) -> Result<T, String> {
    let number = given.and_then(|text| text.parse().ok());
    number.ok_or_else(|| format!("a number is missing\n\n{HELP}"))
}
