//! The command line: [`parse`].

use crate::fleet::Order;
use crate::probes::Probe;

pub(crate) const HELP: &str = "\
Measures what large numbers of nodes, links, requests and elements cost.

usage: scale [--quick] [--json] [--only TEXT]

  --quick      a tenth of the sizes: a minute instead of ten
  --only TEXT  tables whose title contains this
  --json       figures as JSON
  --help       this";

/// What to do.
pub(crate) enum Wish {
    Help,
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
pub(crate) fn parse(mut given: impl Iterator<Item = String>) -> Result<Wish, String> {
    let mut arguments = Arguments::default();
    while let Some(argument) = given.next() {
        let mut value = || {
            given
                .next()
                .ok_or_else(|| format!("a value is missing\n\n{HELP}"))
        };
        match argument.as_str() {
            "--help" | "-h" => return Ok(Wish::Help),
            "--quick" => arguments.quick = true,
            "--json" => arguments.json = true,
            "--only" => arguments.only = Some(value()?),
            "fleet" => return decoded(&value()?).map(Wish::Fleet),
            "probe" => return decoded(&value()?).map(Wish::Probe),
            other => return Err(format!("{other} is not known\n\n{HELP}")),
        }
    }
    Ok(Wish::Measure(arguments))
}

fn decoded<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}
