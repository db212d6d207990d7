//! The command line: [`parse`].

use crate::fleet::Order;
use crate::probes::Probe;
use crate::program::{Given, Halt};

pub(crate) const HELP: &str = "\
Measures what large numbers of nodes, links, requests and elements cost.

usage: scale [--quick] [--json] [--only TEXT]

  --quick      a tenth of the sizes: a minute instead of ten
  --only TEXT  tables whose title contains this
  --json       figures as JSON
  --help       this";

/// What to do.
pub(crate) enum Wish {
    Measure(Arguments),
    /// Be the nodes.
    Fleet(Order),
    /// Be the process that is measured.
    Probe(Probe),
}

#[derive(Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) quick: bool,
    pub(crate) only: Option<String>,
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
            "fleet" => return given.order().map(Wish::Fleet),
            "probe" => return given.order().map(Wish::Probe),
            other => return Err(Halt::at(other)),
        }
    }
    Ok(Wish::Measure(arguments))
}
