//! What a fresh connection says first, and what the answers mean.
//!
//! One round trip where the server knows `HELLO`: protocol, user, password and name in one
//! command, with `SELECT` and `CLIENT SETINFO` behind it. A server that lacks it (before Redis 6)
//! or may not run it costs a second one, in RESP2.

use crate::exit::{Cause, CauseKind};
use crate::redis::command::{Command, cmd};
use crate::redis::config::{Config, Protocol};
use crate::redis::connection::exchange::Exchange;
use crate::redis::resp::Reply;
use crate::redis::value::ServerError;

const LIBRARY: &str = "everlink";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a reply of the handshake is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Hello,
    Auth,
    Select,
    /// Nice to have: a server that refuses it is as good.
    Optional,
}

/// Speaks the handshake. At the end the connection is authenticated and in its database.
///
/// # Errors
///
/// `Denied` for wrong credentials, `Misconfigured` for a database that does not exist,
/// `Unavailable` for a server that is full, and what the stream itself reports.
pub(crate) async fn shake_hands(exchange: &mut Exchange, config: &Config) -> Result<(), Cause> {
    if config.protocol != Protocol::Resp2 {
        match run(exchange, hello(config)).await? {
            None => return Ok(()),
            Some((Step::Hello, error)) if falls_back(&error, config) => {}
            Some((step, error)) => return Err(cause_of(step, &error)),
        }
    }
    match run(exchange, resp2(config)).await? {
        None => Ok(()),
        Some((step, error)) => Err(cause_of(step, &error)),
    }
}

/// Runs the steps in one round trip, and gives the first refusal that matters.
async fn run(
    exchange: &mut Exchange,
    steps: Vec<(Step, Command)>,
) -> Result<Option<(Step, ServerError)>, Cause> {
    let (meanings, commands): (Vec<Step>, Vec<Command>) = steps.into_iter().unzip();
    let replies = exchange.ask(commands).await?;
    let refusal = meanings
        .into_iter()
        .zip(replies)
        .find_map(|(step, reply)| match (step, reply) {
            (Step::Hello | Step::Auth | Step::Select, Reply::Error(error)) => Some((step, error)),
            // Without a password there is no other step that a server could refuse.
            (Step::Optional, Reply::Error(error))
                if is_full(&error) || error.code() == "NOAUTH" =>
            {
                Some((step, error))
            }
            (_, Reply::Error(_) | Reply::Value(_) | Reply::Push(_)) => None,
        });
    Ok(refusal)
}

fn hello(config: &Config) -> Vec<(Step, Command)> {
    let mut hello = cmd("HELLO").arg(3);
    if let Some(password) = &config.password {
        let user = config.username.as_deref().unwrap_or("default");
        hello = hello.arg("AUTH").arg(user).arg(password.expose());
    }
    if let Some(name) = &config.client_name {
        hello = hello.arg("SETNAME").arg(name);
    }
    let mut steps = vec![(Step::Hello, hello)];
    steps.extend(select(config));
    steps.extend(set_info());
    steps
}

fn resp2(config: &Config) -> Vec<(Step, Command)> {
    let mut steps = Vec::new();
    if let Some(password) = &config.password {
        let auth = cmd("AUTH")
            .arg(config.username.as_deref())
            .arg(password.expose());
        steps.push((Step::Auth, auth));
    }
    steps.extend(select(config));
    if let Some(name) = &config.client_name {
        steps.push((Step::Optional, cmd("CLIENT").arg("SETNAME").arg(name)));
    }
    steps.extend(set_info());
    steps
}

fn select(config: &Config) -> Option<(Step, Command)> {
    (config.database != 0).then(|| (Step::Select, cmd("SELECT").arg(config.database)))
}

fn set_info() -> [(Step, Command); 2] {
    let info = |what: &str, value: &str| cmd("CLIENT").arg("SETINFO").arg(what).arg(value);
    [
        (Step::Optional, info("LIB-NAME", LIBRARY)),
        (Step::Optional, info("LIB-VER", VERSION)),
    ]
}

/// Whether RESP2 may work where `HELLO` did not.
fn falls_back(error: &ServerError, config: &Config) -> bool {
    if config.protocol == Protocol::Resp3 || is_full(error) {
        return false;
    }
    match error.code() {
        // Unknown command, or not this protocol version.
        "ERR" | "NOPROTO" => true,
        // Old servers and some proxies want AUTH before anything else.
        "NOAUTH" => config.password.is_some(),
        // HELLO itself may be forbidden; AUTH then tells whether the user is.
        "NOPERM" => true,
        _ => false,
    }
}

fn is_full(error: &ServerError) -> bool {
    error.line().starts_with("ERR max number of clients")
}

/// Only the code and fixed words: the text of an error reply may repeat the arguments, and with
/// them the password.
fn cause_of(step: Step, error: &ServerError) -> Cause {
    if is_full(error) {
        return Cause::new(CauseKind::Unavailable, "max number of clients reached");
    }
    match (error.code(), step) {
        ("WRONGPASS", _) => Cause::new(CauseKind::Denied, "wrong user name or password"),
        ("NOAUTH", _) => Cause::new(CauseKind::Denied, "the server requires a password"),
        ("NOPERM", _) => Cause::new(CauseKind::Denied, "the user may not do this"),
        ("LOADING" | "BUSY" | "MASTERDOWN", _) => Cause::new(CauseKind::Unavailable, error.code()),
        (_, Step::Auth) => Cause::new(CauseKind::Denied, "AUTH was refused"),
        (_, Step::Select) => Cause::new(
            CauseKind::Misconfigured,
            "SELECT was refused: the server has no such database",
        ),
        (_, Step::Hello) => Cause::new(CauseKind::Misconfigured, "HELLO 3 was refused"),
        (_, Step::Optional) => Cause::new(CauseKind::Unavailable, error.code()),
    }
}

#[cfg(test)]
mod tests;
