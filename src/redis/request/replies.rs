//! What a caller gets for a pipeline: [`Replies`], and how they come together: [`Gather`].

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

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

/// Collects the answers of a pipeline, in the caller's order.
#[derive(Debug)]
pub(crate) struct Gather(Mutex<Gathering>);

#[derive(Debug)]
struct Gathering {
    answers: Vec<Option<Answer>>,
    missing: usize,
    caller: Option<oneshot::Sender<Replies>>,
}

impl Gather {
    pub(crate) fn new(parts: usize, caller: Option<oneshot::Sender<Replies>>) -> Arc<Self> {
        let mut gathering = Gathering {
            answers: (0..parts).map(|_| None).collect(),
            missing: parts,
            caller,
        };
        if let Some((caller, replies)) = gathering.finished() {
            drop(caller.send(replies));
        }
        Arc::new(Self(Mutex::new(gathering)))
    }

    pub(super) fn put(&self, index: usize, answer: Answer) {
        let mut gathering = self.lock();
        if let Some(place @ None) = gathering.answers.get_mut(index) {
            *place = Some(answer);
            gathering.missing -= 1;
        }
        let finished = gathering.finished();
        // Telling the caller wakes it, which must not happen under the lock.
        drop(gathering);
        if let Some((caller, replies)) = finished {
            // An error means that the caller has gone.
            drop(caller.send(replies));
        }
    }

    pub(super) fn is_abandoned(&self) -> bool {
        match &self.lock().caller {
            Some(caller) => caller.is_closed(),
            None => false,
        }
    }

    /// Nobody holds its lock.
    #[cfg(test)]
    pub(super) fn is_free(&self) -> bool {
        self.0.try_lock().is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, Gathering> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gathering {
    /// Once, when nothing is missing: whom to tell, and what.
    fn finished(&mut self) -> Option<(oneshot::Sender<Replies>, Replies)> {
        if self.missing > 0 {
            return None;
        }
        let caller = self.caller.take()?;
        let answers = mem::take(&mut self.answers);
        Some((caller, Replies(answers.into_iter().flatten().collect())))
    }
}
