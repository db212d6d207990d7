//! The command line: [`parse`].

use crate::program::{Given, Halt};
use crate::subject::Order;

pub(crate) const HELP: &str = "\
Compares how Redis clients come through failures of the same servers.

usage: recovery [--quick] [--json] [--only TEXT] [--rounds N]

  --quick      one round, shorter and fewer failures: minutes instead of half an hour
  --only TEXT  failures whose name contains this
  --rounds N   how often each client goes through each failure (3; quick 1)
  --json       figures of everybody as JSON
  --help       this";

/// What to do.
pub(crate) enum Wish {
    Compare(Arguments),
    /// Be the process of one client.
    Subject(Order),
}

/// How to compare.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) quick: bool,
    pub(crate) only: Option<String>,
    pub(crate) rounds: usize,
    pub(crate) json: bool,
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
            "subject" => return given.order().map(Wish::Subject),
            other => return Err(Halt::at(other)),
        }
    }
    if arguments.rounds == 0 {
        arguments.rounds = if arguments.quick { 1 } else { 3 };
    }
    Ok(Wish::Compare(arguments))
}
