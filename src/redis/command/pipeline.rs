//! Several commands sent as one: [`pipe`], [`Pipeline`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::now;
use crate::redis::command::builder::Command;
use crate::redis::retry::{RetryMode, RetryPolicy};

/// An empty pipeline.
pub fn pipe() -> Pipeline {
    Pipeline::from_iter([])
}

/// Commands that are written together and answered one by one, in order.
///
/// Not a transaction: other clients' commands may be executed in between, and one that fails does
/// not stop the ones after it.
///
/// Sent as a message, its deadline counts from when it was made.
#[derive(Debug, Clone)]
#[must_use = "a pipeline does nothing until it is sent"]
pub struct Pipeline {
    commands: Vec<Command>,
    timeout: Option<Duration>,
    retry_mode: Option<RetryMode>,
    retry: Option<Arc<RetryPolicy>>,
    made: Instant,
}

impl Pipeline {
    /// Adds a command at the end.
    pub fn push(mut self, command: Command) -> Self {
        self.add(command);
        self
    }

    /// Adds a command at the end, in place.
    pub fn add(&mut self, command: Command) {
        self.commands.push(command);
    }

    /// How long the whole pipeline may take, from the call to the last reply. Overrides the
    /// client's command deadline, and the timeouts of the commands in it.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// When its commands are sent again, each by itself, in place of what the client's
    /// configuration says. A command that has a policy or a mode of its own keeps it.
    pub fn retry(mut self, policy: impl Into<Arc<RetryPolicy>>) -> Self {
        self.retry = Some(policy.into());
        self
    }

    /// Whether its commands may be sent again, each by itself. A command that has a mode of its
    /// own keeps it.
    pub fn retry_mode(mut self, mode: RetryMode) -> Self {
        self.retry_mode = Some(mode);
        self
    }

    /// How many commands it has.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Whether it has no command.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// What [`Pipeline::timeout`] was given.
    pub fn own_timeout(&self) -> Option<Duration> {
        self.timeout
    }

    pub(crate) fn made(&self) -> Instant {
        self.made
    }

    /// The commands, in order.
    pub fn commands(&self) -> &[Command] {
        &self.commands
    }
}

impl Default for Pipeline {
    fn default() -> Self {
        pipe()
    }
}

impl Extend<Command> for Pipeline {
    fn extend<I: IntoIterator<Item = Command>>(&mut self, commands: I) {
        self.commands.extend(commands);
    }
}

impl FromIterator<Command> for Pipeline {
    fn from_iter<I: IntoIterator<Item = Command>>(commands: I) -> Self {
        Self {
            commands: commands.into_iter().collect(),
            timeout: None,
            retry_mode: None,
            retry: None,
            made: now(),
        }
    }
}

impl IntoIterator for Pipeline {
    type Item = Command;
    type IntoIter = std::vec::IntoIter<Command>;

    fn into_iter(mut self) -> Self::IntoIter {
        let mode = self.retry_mode.or_else(|| Some(self.retry.as_ref()?.mode));
        if mode.is_some() {
            for command in &mut self.commands {
                command.inherit_retry(mode, self.retry.as_ref());
            }
        }
        self.commands.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::command::cmd;

    fn names(pipeline: &Pipeline) -> Vec<&str> {
        pipeline.commands().iter().map(Command::name).collect()
    }

    #[test]
    fn keeps_the_order_of_its_commands() {
        let mut pipeline = pipe()
            .push(cmd("GET").arg("a"))
            .push(cmd("SET").arg(("a", 1)));
        pipeline.add(cmd("DEL").arg("a"));
        pipeline.extend([cmd("PING")]);
        assert_eq!(names(&pipeline), ["GET", "SET", "DEL", "PING"]);
        assert_eq!(pipeline.len(), 4);
        let again: Pipeline = pipeline.into_iter().collect();
        assert_eq!(names(&again), ["GET", "SET", "DEL", "PING"]);
    }

    #[test]
    fn is_empty_and_without_a_timeout_at_first() {
        assert!(pipe().is_empty());
        assert_eq!(pipe().own_timeout(), None);
        let second = Duration::from_secs(1);
        assert_eq!(pipe().timeout(second).own_timeout(), Some(second));
    }
}
