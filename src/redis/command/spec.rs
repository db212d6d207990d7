//! What is known about a command before it is sent: [`CommandSpec`].

use crate::redis::command::builder::Command;
use crate::redis::command::keys::KeyRule;
use crate::redis::error::Result;
use crate::redis::slot::Slot;

/// What a command does, and where its keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandSpec {
    flags: Flags,
    keys: KeyRule,
    /// Argument 1 is its only key: true of most commands, and then nothing else is looked at.
    one_key: bool,
    refusal: Option<Refusal>,
}

impl CommandSpec {
    pub(super) fn new(flags: Flags, keys: KeyRule, refusal: Option<Refusal>) -> Self {
        Self {
            flags,
            one_key: keys.is_argument_1(),
            keys,
            refusal,
        }
    }

    /// It changes nothing: it may be sent again, and to a replica.
    pub fn is_readonly(&self) -> bool {
        self.flags.readonly
    }

    /// It may change data. Some commands are neither: `PING`, and `EVAL`, of which nobody knows.
    pub fn is_write(&self) -> bool {
        self.flags.write
    }

    /// It may wait at the server for something to happen.
    pub fn is_blocking(&self) -> bool {
        self.flags.blocking
    }

    /// It belongs to publish and subscribe.
    pub fn is_pubsub(&self) -> bool {
        self.flags.pubsub
    }

    /// It has subcommands, which have specifications of their own.
    pub fn is_container(&self) -> bool {
        self.flags.container
    }

    /// Where its keys are.
    pub fn keys(&self) -> &KeyRule {
        &self.keys
    }

    /// The slot of the keys of `command`; none if it has no key.
    ///
    /// # Errors
    /// [`CrossSlot`](crate::redis::ErrorKind::CrossSlot) if its keys are in different slots: every cluster would refuse it.
    #[inline]
    pub fn slot(&self, command: &Command) -> Result<Option<Slot>> {
        if self.one_key {
            return Ok(command.arg_at(1).map(Slot::of));
        }
        self.keys.slot(command)
    }

    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }
}

/// What a command does, as the server's flags of the same names say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Flags {
    pub(super) readonly: bool,
    pub(super) write: bool,
    pub(super) blocking: bool,
    pub(super) pubsub: bool,
    /// It has subcommands.
    pub(super) container: bool,
}

/// Why a command must not be sent on a shared connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Subscription,
    Monitor,
    Replication,
    Transaction,
    Database,
    Credentials,
    Closing,
    ReplyMode,
    Tracking,
    ClientName,
    ClientMode,
    ReplicaReads,
    Redirects,
    Debugger,
    Blocking,
    /// Blocking only with the option `BLOCK`.
    BlockOption,
}
