//! What came back: [`Answer`].

use mysql_async::prelude::FromRow;
use mysql_async::{Params, Row, Value};

use crate::mysql::error::{Error, ErrorKind, Outcome, Result, SessionId};

/// The answer to a statement: its rows, and what it changed. Of several result sets, the first.
#[derive(Clone, Default)]
pub struct Answer {
    pub(super) rows: Vec<Row>,
    pub(super) affected_rows: u64,
    pub(super) last_insert_id: Option<u64>,
    /// Whose it is.
    pub(super) session: Option<SessionId>,
}

impl Answer {
    /// All rows, each as a tuple, a single value or another type that has [`FromRow`].
    ///
    /// # Errors
    /// A row does not convert: *executed*.
    pub fn rows<T: FromRow>(self) -> Result<Vec<T>> {
        let Self { rows, session, .. } = self;
        let rows = rows.into_iter();
        rows.map(|row| T::from_row_opt(row).map_err(|_| unconverted(session)))
            .collect()
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// It does not convert: *executed*.
    pub fn first<T: FromRow>(self) -> Result<Option<T>> {
        let Self { rows, session, .. } = self;
        let first = rows.into_iter().next();
        first
            .map(|row| T::from_row_opt(row).map_err(|_| unconverted(session)))
            .transpose()
    }

    /// The rows as they came.
    pub fn raw(&self) -> &[Row] {
        &self.rows
    }

    /// How many rows were changed, inserted or deleted.
    pub fn affected_rows(&self) -> u64 {
        self.affected_rows
    }

    /// The first value that an `AUTO_INCREMENT` column got by this statement.
    pub fn last_insert_id(&self) -> Option<u64> {
        self.last_insert_id
    }
}

/// It tells neither columns nor values.
fn unconverted(session: Option<SessionId>) -> Error {
    let error = Error::new(ErrorKind::Conversion, Outcome::Executed);
    match session {
        Some(session) => error.of_session(session),
        None => error,
    }
}

/// About what a row takes, in bytes.
pub(super) fn weight(row: &Row) -> usize {
    let values = (0..row.len()).filter_map(|column| row.as_ref(column));
    values.map(value_weight).sum::<usize>() + size_of::<Row>()
}

/// The same of a value.
pub(super) fn value_weight(value: &Value) -> usize {
    match value {
        Value::Bytes(bytes) => size_of::<Value>() + bytes.len(),
        _ => size_of::<Value>(),
    }
}

/// The same of parameters.
pub(super) fn params_weight(params: &Params) -> usize {
    match params {
        Params::Empty => 0,
        Params::Positional(values) => values.iter().map(value_weight).sum(),
        Params::Named(values) => {
            let values = values.iter();
            values.map(|(name, it)| name.len() + value_weight(it)).sum()
        }
    }
}

/// Its size alone: the rows are the application's.
impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("rows", &self.rows.len())
            .field("affected_rows", &self.affected_rows)
            .field("last_insert_id", &self.last_insert_id)
            .finish()
    }
}
