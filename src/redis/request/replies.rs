//! What a caller gets for a pipeline: [`Replies`].

use crate::redis::error::Result;
use crate::redis::request::Answer;
use crate::redis::value::Value;

/// The answers of a pipeline: one for each command, in the order they were added, each with its
/// own result.
#[derive(Debug, Default)]
pub struct Replies(pub(super) Vec<Answer>);

impl Replies {
    /// How many there are: as many as commands.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The pipeline was empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The answer of one command, not converted.
    pub fn get(&self, index: usize) -> Option<&Result<Value>> {
        self.0.get(index)
    }

    /// All answers, each converted into the same type; the first error ends it.
    ///
    /// # Errors
    ///
    /// The first command that failed, or whose reply does not convert.
    pub fn all<T: crate::redis::FromValue>(self) -> Result<Vec<T>> {
        self.0
            .into_iter()
            .map(|answer| T::from_value(answer?))
            .collect()
    }

    /// The answers together as one value, such as a tuple of a type for each command.
    ///
    /// # Errors
    ///
    /// The first command that failed, or a conversion error.
    pub fn query<T: crate::redis::FromValue>(self) -> Result<T> {
        let values: Result<Vec<Value>> = self.0.into_iter().collect();
        T::from_value(Value::Array(values?))
    }
}

impl IntoIterator for Replies {
    type Item = Result<Value>;
    type IntoIter = std::vec::IntoIter<Result<Value>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
