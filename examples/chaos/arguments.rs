//! What the run is told on the command line: [`Arguments`].

use std::time::Duration;

/// The text of `--help`.
pub(crate) const HELP: &str = "\
Random faults on a real Redis Cluster under load, and a checker of everything that callers were told.

  make chaos                                   a minute, with a seed of its own choice
  make chaos SECONDS=10 SEED=7                 shorter, and the same faults again
  make chaos ARGS=\"--server target/servers/valkey-9.1/valkey-server\"
  make soak                                    30 minutes, and a look at memory and sockets

  --seconds N      how long (default 60; 1800 with --soak)
  --seed N         chooses faults and traffic (default: a random one, which is printed). The order
                   of faults is the same for the same seed; their exact moment is not
  --server PATH    the server to start (default: EVERLINK_REDIS_SERVER, or redis-server);
                   scripts/servers fetches other kinds and versions, and prints their paths
  --retry-unknown  the caller sends commands of unknown outcome again: wrong on purpose, the checker
                   must find commands that were executed twice
  --soak           rounds on one client; memory, threads, sockets and idle wake-ups are compared
                   with those after the first
  --json           the report on standard output as JSON, all else on standard error
  --help           this text

Faults: kill -9, SIGSTOP, CLUSTER FAILOVER (plain, FORCE, TAKEOVER), slots that move key by key and, on
Valkey 9, at once; CLIENT KILL; and between client and nodes split, delay, stall, cut, reset, refused.

The exit status is 0 without a violation, 1 with one, 2 if the run itself failed, 130 after Ctrl-C.";

/// How long one round of a soak lasts at most.
const SOAK_ROUND: u64 = 30;

/// What was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Arguments {
    pub(crate) run_for: Duration,
    pub(crate) round: Duration,
    pub(crate) seed: u64,
    pub(crate) server: Option<String>,
    pub(crate) retry_unknown: bool,
    pub(crate) soak: bool,
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
    let mut seconds = None;
    let mut seed = None;
    let mut server = None;
    let (mut retry_unknown, mut soak, mut json) = (false, false, false);
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
            "--seconds" => seconds = Some(number(&name, &value()?)?),
            "--seed" => seed = Some(number(&name, &value()?)?),
            "--server" => server = Some(value()?),
            "--retry-unknown" => retry_unknown = true,
            "--soak" => soak = true,
            "--json" => json = true,
            "--help" | "-h" => return Ok(Wish::Help),
            _ => return Err(format!("unknown argument {name}; --help lists them")),
        }
    }
    let seconds = seconds.unwrap_or(if soak { 1800 } else { 60 });
    if seconds == 0 {
        return Err("--seconds must be at least 1".to_owned());
    }
    // At least three rounds: one to warm up, and something to compare.
    let round = if soak {
        (seconds / 3).clamp(1, SOAK_ROUND)
    } else {
        seconds
    };
    Ok(Wish::Run(Arguments {
        run_for: Duration::from_secs(seconds),
        round: Duration::from_secs(round),
        seed: seed.unwrap_or_else(|| rand::random_range(1..1_000_000)),
        server,
        retry_unknown,
        soak,
        json,
    }))
}

fn number(name: &str, text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("{name} needs a whole number, not {text:?}"))
}
