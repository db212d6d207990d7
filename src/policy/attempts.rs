//! [`Attempts`]: how many may fail in a row.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// How many attempts in a row may fail before the link parks. Default: unlimited.
///
/// In a configuration: `attempts = "unlimited"` or `attempts = 10`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "RawAttempts", into = "RawAttempts")]
#[non_exhaustive]
pub enum Attempts {
    /// Any number.
    #[default]
    Unlimited,
    /// This many.
    Limited(NonZeroU32),
}

#[derive(Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "attempts must be \"unlimited\" or a number from 1 to 4294967295"
)]
enum RawAttempts {
    Word(Word),
    Number(NonZeroU32),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Unlimited,
}

impl From<RawAttempts> for Attempts {
    fn from(raw: RawAttempts) -> Self {
        match raw {
            RawAttempts::Word(Word::Unlimited) => Self::Unlimited,
            RawAttempts::Number(limit) => Self::Limited(limit),
        }
    }
}

impl From<Attempts> for RawAttempts {
    fn from(attempts: Attempts) -> Self {
        match attempts {
            Attempts::Unlimited => Self::Word(Word::Unlimited),
            Attempts::Limited(limit) => Self::Number(limit),
        }
    }
}
