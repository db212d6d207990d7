//! The command line: [`parse`].

use crate::load::Order;

pub(crate) const HELP: &str = "\
Compares everlink with other Redis clients on the same servers.

usage: speed [--quick] [--json] [--only TEXT] [--rounds N] [--seconds S] [--plot FILE]

  --quick      fewer workloads, shorter and fewer rounds: minutes instead of an hour
  --only TEXT  workloads whose name contains this
  --rounds N   how often each client runs each workload (5; quick 2)
  --seconds S  how long each run is measured (1.0; quick 0.3)
  --json       figures of everybody as JSON
  --plot FILE  a picture (SVG) of the workloads with 64 tasks
  --help       this";

/// What to do.
pub(crate) enum Wish {
    Help,
    Compare(Arguments),
    /// Be the process of one client for one run.
    Sample(Order),
}

/// How to compare.
#[derive(Debug)]
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
pub(crate) fn parse(mut given: impl Iterator<Item = String>) -> Result<Wish, String> {
    let mut arguments = Arguments {
        quick: false,
        only: None,
        rounds: 0,
        seconds: 0.0,
        json: false,
        plot: None,
    };
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--help" | "-h" => return Ok(Wish::Help),
            "--quick" => arguments.quick = true,
            "--json" => arguments.json = true,
            "--only" => arguments.only = Some(value(given.next())?),
            "--rounds" => arguments.rounds = value(given.next())?,
            "--seconds" => arguments.seconds = value(given.next())?,
            "--plot" => arguments.plot = Some(value(given.next())?),
            "sample" => {
                let order: String = value(given.next())?;
                let order = serde_json::from_str(&order);
                return order.map(Wish::Sample).map_err(|error| error.to_string());
            }
            other => return Err(format!("{other} is not known\n\n{HELP}")),
        }
    }
    if arguments.rounds == 0 {
        arguments.rounds = if arguments.quick { 2 } else { 5 };
    }
    if arguments.seconds <= 0.0 {
        arguments.seconds = if arguments.quick { 0.3 } else { 1.0 };
    }
    Ok(Wish::Compare(arguments))
}

fn value<T: std::str::FromStr>(given: Option<String>) -> Result<T, String> {
    let value = given.and_then(|text| text.parse().ok());
    value.ok_or_else(|| format!("a value is missing\n\n{HELP}"))
}
