//! What callers want written, bounded: [`Outbox`], and what became of it: [`SendError`].

use std::collections::VecDeque;

use tokio::sync::oneshot;

use crate::websocket::message::Payload;

/// A message was not sent, or nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The feed is down, or went down before it was written.
    #[error("not sent: the feed is down")]
    Down,
    /// The circuit of the feed is open.
    #[error("not sent: the circuit is open")]
    CircuitOpen,
    /// Too much waits to be written.
    #[error("not sent: too many bytes wait to be written")]
    Full,
    /// Longer than all that may wait to be written.
    #[error("not sent: longer than the write buffer")]
    TooLong,
    /// It waited for all its time.
    #[error("not sent: not written in time")]
    Late,
    /// It was being written when the connection was lost or the time was over: the server may have
    /// it, or part of it.
    #[error("of unknown outcome: lost while it was being written")]
    Unknown,
}

impl SendError {
    /// Not a byte of it was written.
    pub fn not_sent(&self) -> bool {
        match self {
            Self::Down | Self::CircuitOpen | Self::Full | Self::TooLong | Self::Late => true,
            Self::Unknown => false,
        }
    }
}

/// One message on its way. Dropped without an answer, it is of unknown outcome.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) payload: Payload,
    pub(crate) receipt: oneshot::Sender<Result<(), SendError>>,
    id: u64,
}

impl Parcel {
    /// It was not sent, since the feed is down. This may wake its caller.
    pub(crate) fn fail(self) {
        // Nobody may wait for it any more.
        let _ = self.receipt.send(Err(SendError::Down));
    }
}

/// Takes messages while the feed is up.
#[derive(Debug)]
pub(crate) struct Outbox {
    open: bool,
    parcels: VecDeque<Parcel>,
    bytes: usize,
    most_bytes: usize,
    next_id: u64,
}

impl Outbox {
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self {
            open: false,
            parcels: VecDeque::new(),
            bytes: 0,
            most_bytes,
            next_id: 0,
        }
    }

    pub(crate) fn limit(&mut self, most_bytes: usize) {
        self.most_bytes = most_bytes;
    }

    /// The feed is up.
    pub(crate) fn open(&mut self) {
        self.open = true;
    }

    /// Takes no more; what waits is still written.
    pub(crate) fn shut(&mut self) {
        self.open = false;
    }

    /// The connection is gone: what waits is not sent. Its callers are to be told so
    /// ([`Parcel::fail`]) once no lock is held.
    #[must_use = "they wait for it"]
    pub(crate) fn fail(&mut self) -> VecDeque<Parcel> {
        self.open = false;
        self.bytes = 0;
        std::mem::take(&mut self.parcels)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Takes a message, and says by the receiver what became of it.
    pub(crate) fn push(
        &mut self,
        payload: Payload,
    ) -> Result<(u64, oneshot::Receiver<Result<(), SendError>>), SendError> {
        let size = payload.as_bytes().len();
        if !self.open {
            return Err(SendError::Down);
        }
        if size > self.most_bytes {
            return Err(SendError::TooLong);
        }
        if self.bytes + size > self.most_bytes {
            return Err(SendError::Full);
        }
        let id = self.next_id;
        self.next_id += 1;
        self.bytes += size;
        let (receipt, answer) = oneshot::channel();
        self.parcels.push_back(Parcel {
            payload,
            receipt,
            id,
        });
        Ok((id, answer))
    }

    /// The next one to write.
    pub(crate) fn take(&mut self) -> Option<Parcel> {
        let parcel = self.parcels.pop_front()?;
        self.bytes -= parcel.payload.as_bytes().len();
        Some(parcel)
    }

    /// Takes one back, if it still waits.
    pub(crate) fn withdraw(&mut self, id: u64) -> Option<Parcel> {
        let at = self.parcels.binary_search_by_key(&id, |parcel| parcel.id);
        let parcel = self.parcels.remove(at.ok()?)?;
        self.bytes -= parcel.payload.as_bytes().len();
        Some(parcel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_when_the_feed_goes_down_is_not_sent_and_what_is_being_written_is_unknown() {
        let mut outbox = Outbox::new(10);
        assert_eq!(
            outbox.push(Payload::text("a")).expect_err("down"),
            SendError::Down
        );
        outbox.open();
        let (_, mut first) = outbox.push(Payload::text("a")).expect("room");
        let (_, mut second) = outbox.push(Payload::text("b")).expect("room");
        let writing = outbox.take().expect("the first");
        outbox.fail().into_iter().for_each(Parcel::fail);
        drop(writing);
        assert_eq!(second.try_recv(), Ok(Err(SendError::Down)));
        assert!(first.try_recv().is_err(), "no answer: unknown");
        assert!(SendError::Down.not_sent() && !SendError::Unknown.not_sent());
    }

    #[test]
    fn is_bounded_in_bytes_and_gives_back_what_is_withdrawn() {
        let mut outbox = Outbox::new(10);
        outbox.open();
        let long = Payload::text("a".repeat(11));
        assert_eq!(outbox.push(long).expect_err("long"), SendError::TooLong);
        let (id, _answer) = outbox.push(Payload::text("a".repeat(10))).expect("room");
        assert_eq!(
            outbox.push(Payload::text("a")).expect_err("full"),
            SendError::Full
        );
        assert!(outbox.withdraw(id).is_some());
        assert!(outbox.withdraw(id).is_none(), "gone");
        outbox.push(Payload::text("a")).expect("room again");
    }
}
