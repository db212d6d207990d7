//! What all programs of the benchmarks have in common: [`run`], how they read their arguments
//! ([`Given`]), and how one is told to be the process for one part of its work ([`ordered`]).

use std::fmt;
use std::process::ExitCode;
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::{Builder, Runtime};

use crate::support::waiting::{Failure, Result};

/// The arguments that are not read yet.
pub(crate) struct Given(std::vec::IntoIter<String>);

/// Why nothing is done.
pub(crate) enum Halt {
    /// It was asked how it is used.
    Asked,
    /// It is not used so.
    Misused(String),
}

impl Given {
    /// The value of an option.
    ///
    /// # Errors
    /// It is missing, or no value of this type.
    pub(crate) fn value<T: FromStr>(&mut self) -> std::result::Result<T, Halt> {
        let value = self.0.next().and_then(|text| text.parse().ok());
        value.ok_or_else(|| Halt::misused("a value is missing"))
    }

    /// What another process of this program says by [`ordered`].
    ///
    /// # Errors
    /// It is missing, or no order of this type.
    pub(crate) fn order<T: DeserializeOwned>(&mut self) -> std::result::Result<T, Halt> {
        let order: String = self.value()?;
        serde_json::from_str(&order).map_err(Halt::misused)
    }
}

impl Iterator for Given {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        self.0.next()
    }
}

impl Halt {
    /// None of the program's own arguments.
    pub(crate) fn at(argument: &str) -> Self {
        match argument {
            "--help" | "-h" => Self::Asked,
            other => Self::misused(format!("{other} is not known")),
        }
    }

    pub(crate) fn misused(why: impl fmt::Display) -> Self {
        Self::Misused(why.to_string())
    }
}

/// Reads the command line and does what it says.
pub(crate) fn run<Wish>(
    help: &str,
    parse: impl FnOnce(&mut Given) -> std::result::Result<Wish, Halt>,
    fulfil: impl FnOnce(Wish) -> Result<()>,
) -> ExitCode {
    let given: Vec<_> = std::env::args().skip(1).collect();
    let wish = match parse(&mut Given(given.into_iter())) {
        Ok(wish) => wish,
        Err(Halt::Asked) => {
            println!("{help}");
            return ExitCode::SUCCESS;
        }
        Err(Halt::Misused(why)) => {
            eprintln!("{why}\n\n{help}");
            return ExitCode::from(2);
        }
    };
    match fulfil(wish) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// The arguments by which a process of this program does one part of its work: see
/// [`Given::order`].
///
/// # Errors
/// None that is known.
pub(crate) fn ordered(word: &str, order: &impl Serialize) -> Result<[String; 2]> {
    let order = serde_json::to_string(order).map_err(failure)?;
    Ok([word.to_owned(), order])
}

/// A runtime of this thread alone, for what a program itself does.
///
/// # Errors
/// The system refuses.
pub(crate) fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

pub(crate) fn failure(error: impl fmt::Display) -> Failure {
    Failure::new(error.to_string())
}
