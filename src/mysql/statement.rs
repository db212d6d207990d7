//! What is asked: [`Statement`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::mysql::effect::{Effect, after_comments};

/// The text of a statement, and how it is to be treated. A text alone is one, with the defaults.
///
/// ```
/// use everlink::mysql::Statement;
/// use std::time::Duration;
///
/// let statement = Statement::new("UPDATE flags SET seen = 1 WHERE id = ?")
///     .idempotent()
///     .timeout(Duration::from_secs(2));
/// ```
#[derive(Clone)]
pub struct Statement {
    sql: Arc<str>,
    idempotent: bool,
    timeout: Option<Duration>,
}

impl Statement {
    /// A statement that is never repeated once it was written, with the deadline of the settings.
    pub fn new(sql: impl AsRef<str>) -> Self {
        Self {
            sql: sql.as_ref().into(),
            idempotent: false,
            timeout: None,
        }
    }

    /// Executing it twice does no harm: it is repeated when its connection was lost before it was
    /// answered. Not within a transaction or a session, whose state is lost with the connection.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// A deadline of its own, from the moment it has a connection. Default `timeouts.query`.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    pub(super) fn sql(&self) -> &str {
        &self.sql
    }

    /// What it keeps, in bytes.
    pub(super) fn weight(&self) -> usize {
        size_of::<Self>() + self.sql.len()
    }

    pub(super) fn is_idempotent(&self) -> bool {
        self.idempotent
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.timeout
    }

    /// How much of it may have been done when it failed.
    pub(super) fn effect(&self) -> Effect {
        Effect::of(&self.sql)
    }

    /// Surely no more than one: a second would follow a semicolon.
    pub(super) fn is_single(&self) -> bool {
        let end: &[char] = &[';', ' ', '\n'];
        !self.sql.trim_end_matches(end).contains(';')
    }

    /// Its first word, for people: that shows no value of it.
    pub(super) fn verb(&self) -> String {
        let text = after_comments(&self.sql);
        let letters = text.chars().take_while(char::is_ascii_alphabetic);
        let verb: String = letters.take(16).collect();
        if verb.is_empty() {
            return "statement".to_owned();
        }
        verb.to_ascii_uppercase()
    }
}

impl<T: AsRef<str>> From<T> for Statement {
    fn from(sql: T) -> Self {
        Self::new(sql)
    }
}

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statement")
            .field("verb", &self.verb())
            .field("idempotent", &self.idempotent)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_its_first_word_and_nothing_else() {
        let shown = |sql: &str| Statement::new(sql).verb();
        assert_eq!(shown("  insert into t values ('hunter2')"), "INSERT");
        assert_eq!(shown("/* hunter2 */ SELECT 1"), "SELECT");
        assert_eq!(shown("(SELECT 1)"), "statement");
        let debug = format!("{:?}", Statement::new("SET PASSWORD = 'hunter2'"));
        assert!(!debug.contains("hunter2"), "{debug}");
    }

    #[test]
    fn is_single_if_no_second_can_follow() {
        let single = |sql: &str| Statement::new(sql).is_single();
        assert!(single("SELECT 1") && single("SELECT 1 ;\n"));
        assert!(!single("SELECT 1; SELECT 2"));
    }
}
