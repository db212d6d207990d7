//! What a process was told to find out: [`ask`] waits for it, [`give`] says it.

use std::process::{Command, Stdio};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::program::{failure, ordered};
use crate::support::waiting::{Failure, Result};

/// Lets another process of this program do this.
///
/// # Errors
/// It failed: with what it said.
pub(crate) fn ask<T: DeserializeOwned>(word: &str, order: &impl Serialize) -> Result<T> {
    let output = Command::new(std::env::current_exe()?)
        .args(ordered(word, order)?)
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(match said.trim() {
            "" => Failure::new(output.status.to_string()),
            said => Failure::new(said),
        });
    }
    serde_json::from_slice(&output.stdout).map_err(failure)
}

/// Says it to who asked.
///
/// # Errors
/// None that is known.
pub(crate) fn give(answer: &impl Serialize) -> Result<()> {
    println!("{}", serde_json::to_string(answer).map_err(failure)?);
    Ok(())
}
