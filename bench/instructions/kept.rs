//! The figures kept in the repository: [`Kept`].

use std::collections::BTreeMap;
use std::fmt;
use std::fs;

use serde::{Deserialize, Serialize};

use crate::support::waiting::{Failure, Result};

/// From the folder of the project.
pub(crate) const PATH: &str = "bench/instructions.toml";
/// More than this is a failure.
pub(crate) const TOLERANCE_PERCENT: u64 = 10;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.toml");
const PREFACE: &str = "\
# Instructions per GET, as `make bench-instructions` counted them last. CI fails when a command costs
# over 10 % more; `make bench-instructions ARGS=--keep` writes new figures, in a commit that says why.
";

/// The figure of each door.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Kept(BTreeMap<String, u64>);

/// How a figure compares with the one kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    kept: u64,
    now: u64,
}

impl Kept {
    /// # Errors
    /// The file is there and cannot be read.
    pub(crate) fn read() -> Result<Self> {
        let text = fs::read_to_string(FILE)?;
        toml::from_str(&text).map_err(|error| Failure::new(format!("{PATH}: {error}")))
    }

    pub(crate) fn write(&self) -> Result<()> {
        let text = toml::to_string(self).map_err(|error| Failure::new(error.to_string()))?;
        Ok(fs::write(FILE, format!("{PREFACE}{text}"))?)
    }

    pub(crate) fn set(&mut self, door: &str, figure: u64) {
        self.0.insert(door.to_owned(), figure);
    }

    /// # Errors
    /// None is kept for this door.
    pub(crate) fn judge(&self, door: &str, now: u64) -> Result<Verdict> {
        match self.0.get(door) {
            Some(&kept) if kept > 0 => Ok(Verdict { kept, now }),
            _ => Err(Failure::new(format!("{PATH} has no figure for {door}"))),
        }
    }
}

impl Verdict {
    pub(crate) fn is_fine(self) -> bool {
        self.now * 100 <= self.kept * (100 + TOLERANCE_PERCENT)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (now, kept) = (self.now as f64, self.kept as f64);
        let change = (now / kept - 1.0) * 100.0;
        write!(f, "{change:+.1} % of {}", self.kept)?;
        if self.is_fine() {
            Ok(())
        } else {
            f.write_str("  WORSE")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_more_is_fine_and_beyond_that_is_worse() {
        let kept = Kept([("client".to_owned(), 3_000)].into());
        let is_fine = |now| kept.judge("client", now).expect("kept").is_fine();
        assert!(is_fine(2_000) && is_fine(3_300));
        assert!(!is_fine(3_301));
        assert!(kept.judge("router", 1).is_err());
    }
}
