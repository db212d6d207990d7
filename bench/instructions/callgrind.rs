//! One run of the probe under valgrind: [`Callgrind`].

use std::process::Command;

use crate::probe::Probe;
use crate::program::ordered;
use crate::support::waiting::{Failure, Result};

/// Runs the probe.
pub(crate) struct Callgrind(pub(crate) Probe);

impl Callgrind {
    /// What one command costs.
    ///
    /// # Errors
    /// There is no valgrind, or the probe failed: with what it said.
    pub(crate) fn per_command(&self) -> Result<u64> {
        let few = self.0.commands / 2;
        let less = self.collected(few)?;
        let more = self.collected(self.0.commands)?;
        Ok(more.saturating_sub(less) / (self.0.commands - few))
    }

    fn collected(&self, commands: u64) -> Result<u64> {
        let probe = Probe {
            commands,
            ..self.0.clone()
        };
        let folder = tempfile::tempdir()?;
        let out = folder.path().join("callgrind.out");
        let run = Command::new("valgrind")
            .arg("--tool=callgrind")
            .arg(format!("--callgrind-out-file={}", out.display()))
            .arg(std::env::current_exe()?)
            .args(ordered("probe", &probe)?)
            .output()
            .map_err(|error| {
                Failure::new(format!(
                    "valgrind: {error}; `scripts/setup --valgrind` installs it"
                ))
            })?;
        let said = String::from_utf8_lossy(&run.stderr);
        let line = said
            .lines()
            .find_map(|line| line.split_once("Collected : "));
        let figure = line.and_then(|(_, figure)| figure.trim().parse().ok());
        figure
            .filter(|_| run.status.success())
            .ok_or_else(|| Failure::new(format!("the probe failed ({}):\n{said}", run.status)))
    }
}
