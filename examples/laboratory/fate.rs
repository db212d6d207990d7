//! What a caller was told of one command: [`Fate`].

use everlink::redis::{Error, Outcome};

/// What a caller was told of one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Acknowledged,
    NotSent,
    Refused,
    Unknown,
}

impl Fate {
    pub(crate) fn of<T>(answer: &Result<T, Error>) -> Self {
        match answer {
            Ok(_) => Self::Acknowledged,
            Err(error) => match error.outcome() {
                Outcome::NotSent => Self::NotSent,
                Outcome::Refused => Self::Refused,
                Outcome::Executed => Self::Acknowledged,
                _ => Self::Unknown,
            },
        }
    }
}
