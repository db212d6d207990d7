//! What the demo is told on the command line: [`Arguments`].

use std::time::Duration;

/// The text of `--help`.
pub(crate) const HELP: &str = "\
A Redis cluster loses nodes under traffic while an actix application goes on.

  make demo                                    its own cluster on this machine, about a minute
  make demo ARGS=\"--seconds 30 --seed 7\"       shorter, with other victims
  make demo ARGS=\"--url redis-cluster://host:7000\"

  --seconds N   how long the application runs (default 60; with faults at least 30)
  --seed N      chooses the victims and the traffic (default: a random one, which is shown)
  --url URL     your own cluster: traffic and proof only, nothing is killed; the keys that the
                demo wrote (everlink-demo:…) are deleted at the end
  --json        the final report on standard output as JSON, all else on standard error
  --help        this text

The exit status is 0 if every promise was kept, 1 if not, 2 if the demo could not run, and 130
after Ctrl-C, which stops everything that the demo started.";

/// The shortest run with faults.
const SHORTEST_WITH_FAULTS: u64 = 30;

/// What was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Arguments {
    pub(crate) run_for: Duration,
    pub(crate) seed: u64,
    pub(crate) url: Option<String>,
    pub(crate) json: bool,
}

/// What to do.
pub(crate) enum Wish {
    Run(Arguments),
    Help,
}

/// Reads the command line.
///
/// # Errors
/// An argument that is not known, or whose value is not valid.
pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Wish, String> {
    let mut seconds = 60;
    let mut seed = None;
    let mut url = None;
    let mut json = false;
    while let Some(word) = words.next() {
        let (name, attached) = match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (word, None),
        };
        let mut value = || {
            let value = attached.clone().or_else(|| words.next());
            value.ok_or_else(|| format!("{name} needs a value"))
        };
        match name.as_str() {
            "--seconds" => seconds = number(&name, &value()?)?,
            "--seed" => seed = Some(number(&name, &value()?)?),
            "--url" => url = Some(value()?),
            "--json" => json = true,
            "--help" | "-h" => return Ok(Wish::Help),
            _ => return Err(format!("unknown argument {name}; --help lists them")),
        }
    }
    if seconds == 0 {
        return Err("--seconds must be at least 1".to_owned());
    }
    if url.is_none() {
        seconds = seconds.max(SHORTEST_WITH_FAULTS);
    }
    Ok(Wish::Run(Arguments {
        run_for: Duration::from_secs(seconds),
        seed: seed.unwrap_or_else(|| rand::random_range(1..10_000)),
        url,
        json,
    }))
}

fn number(name: &str, text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("{name} needs a whole number, not {text:?}"))
}
