//! The command line: [`parse`].

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
    Help,
    Compare(Arguments),
    /// Be the process of one client.
    Subject(Order),
}

/// How to compare.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) quick: bool,
    pub(crate) only: Option<String>,
    pub(crate) rounds: usize,
    pub(crate) json: bool,
}

/// # Errors
/// An argument that is not known, or misses its value.
pub(crate) fn parse(mut given: impl Iterator<Item = String>) -> Result<Wish, String> {
    let mut arguments = Arguments {
        quick: false,
        only: None,
        rounds: 0,
        json: false,
    };
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--help" | "-h" => return Ok(Wish::Help),
            "--quick" => arguments.quick = true,
            "--json" => arguments.json = true,
            "--only" => arguments.only = Some(value(given.next())?),
            "--rounds" => arguments.rounds = value(given.next())?,
            "subject" => {
                let order: String = value(given.next())?;
                let order = serde_json::from_str(&order);
                return order.map(Wish::Subject).map_err(|error| error.to_string());
            }
            other => return Err(format!("{other} is not known\n\n{HELP}")),
        }
    }
    if arguments.rounds == 0 {
        arguments.rounds = if arguments.quick { 1 } else { 3 };
    }
    Ok(Wish::Compare(arguments))
}

fn value<T: std::str::FromStr>(given: Option<String>) -> Result<T, String> {
    let value = given.and_then(|text| text.parse().ok());
    value.ok_or_else(|| format!("a value is missing\n\n{HELP}"))
}
