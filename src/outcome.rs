//! What became of something that did not succeed, in the same words for every backend: [`Outcome`].

use std::fmt;

/// What became of a command, a statement or a request that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It was never written (of a Redis command: not its last byte): no server can have executed
    /// it.
    NotSent,
    /// The server's answer proves that it was not executed.
    Refused,
    /// Only of SQL: a transaction whose `COMMIT` was never written. Whatever the server did for it,
    /// it takes back. Statements that commit by themselves (such as `CREATE TABLE`) and tables
    /// without transactions are the server's own exceptions.
    RolledBack,
    /// It was written and not answered, or answered by an error that leaves it open: executed, or
    /// not. Nobody can tell from here.
    Unknown,
    /// It was executed; only its answer could not be used, or not be converted into the type asked
    /// for.
    Executed,
    /// Only of HTTP: it was answered, and the answer could not be used. That may have been the
    /// answer that it was refused.
    Answered,
}

impl Outcome {
    /// Whether a repetition cannot execute it twice.
    pub fn is_safe_to_repeat(self) -> bool {
        match self {
            Self::NotSent | Self::Refused | Self::RolledBack => true,
            Self::Unknown | Self::Executed | Self::Answered => false,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSent => "not sent",
            Self::Refused => "refused",
            Self::RolledBack => "rolled back",
            Self::Unknown => "unknown outcome",
            Self::Executed => "executed",
            Self::Answered => "answered",
        })
    }
}
