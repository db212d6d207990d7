//! How far a lent connection was used, and what is left of it.

use crate::exit::Cause;
use crate::mysql::wire::Wire;

/// What it is lent for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// One statement: it is reset only if that left something.
    Statement,
    /// Any work: it is reset afterwards.
    Session,
    /// The same, and a statement leaves nothing open before the `COMMIT`.
    Transaction,
    /// That `COMMIT`.
    Commit,
}

/// How far it is with its statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// None was begun: the connection is as good as it came.
    Untouched,
    /// One was begun and has not ended. If that is not waited for, the connection is of no more use.
    UnderWay,
    /// All that were begun have ended.
    Between,
}

/// What is known of the server's transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transaction {
    /// None was open after the last statement that succeeded.
    None,
    /// One was.
    Open,
    /// One was, and an error since may have ended it: the server is asked before anything follows.
    InDoubt,
    /// The server has rolled it back: nothing follows, since it would be executed outside of it.
    Over,
}

/// A deadlock, of which this was the victim: the server has rolled the transaction back.
const DEADLOCK: u16 = 1213;

impl Transaction {
    pub(super) fn after_success(open: bool) -> Self {
        match open {
            true => Self::Open,
            false => Self::None,
        }
    }

    /// The server has answered with this error.
    pub(super) fn after_error(self, code: u16) -> Self {
        match self {
            _ if code == DEADLOCK => Self::Over,
            Self::Open => Self::InDoubt,
            Self::None | Self::InDoubt | Self::Over => self,
        }
    }
}

/// Why it was of no more use, where others must hear of it.
#[derive(Debug)]
pub(super) enum Mishap {
    Lost(Cause),
    /// A statement passed its deadline.
    Overdue,
}

/// What is left of a session.
pub(super) struct Remains {
    /// Its connection, if that can be used again.
    pub(super) wire: Option<Wire>,
    pub(super) mishap: Option<Mishap>,
    /// The server's number of a connection on which it may still work for nobody.
    pub(super) orphan: Option<u32>,
}
