//! What waits for the subscriber of a feed, bounded, and what is dropped when it lags: [`Queue`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

/// What happens when more waits for the subscriber than may. What was dropped is told, at the
/// place in the stream where it is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Lag {
    /// The oldest messages are dropped: what is delivered is the most recent.
    #[default]
    DropOldest,
    /// New messages are dropped: what is delivered first is complete.
    DropNewest,
    /// Messages of which a newer one with the same key waits are dropped first, oldest first, then
    /// the oldest: for prices, of which only the last counts. The key is the
    /// [protocol's](crate::websocket::Protocol::key).
    KeepLatest,
    /// The connection is closed, and made anew after a backoff; that is a gap. What waits already
    /// is still delivered, but for the last of it where the gap needs its place.
    Disconnect,
}

/// The queue is full, and its policy is to disconnect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overflow;

/// The next thing for the subscriber.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Popped<T> {
    Item(T),
    /// So many messages are missing here.
    Dropped(u64),
}

/// Messages, which may be dropped, and notices, which are dropped last.
///
/// All that comes after [`hold`](Self::hold) waits for [`release`](Self::release), which may put a
/// notice before it: so the end of an outage is told before the first message after it.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    lag: Lag,
    most: usize,
    most_bytes: usize,
    entries: BTreeMap<u64, Entry<T>>,
    next: u64,
    bytes: usize,
    /// Of the entries, those that are messages.
    messages: BTreeSet<u64>,
    /// The last message of each key.
    latest: HashMap<Box<str>, u64>,
    /// Messages of which a newer one of the same key waits.
    superseded: BTreeSet<u64>,
    /// Dropped after the last entry.
    dropped_last: u64,
    /// From here on nothing is handed out; the place itself is kept free for a notice.
    held: Option<u64>,
}

#[derive(Debug)]
struct Entry<T> {
    item: T,
    bytes: usize,
    key: Option<Box<str>>,
    dropped_before: u64,
}

impl<T> Queue<T> {
    /// For at most `most` entries, at least one, and `most_bytes`; a single one always fits.
    pub(crate) fn new(lag: Lag, most: usize, most_bytes: usize) -> Self {
        Self {
            lag,
            most: most.max(1),
            most_bytes,
            entries: BTreeMap::new(),
            next: 0,
            bytes: 0,
            messages: BTreeSet::new(),
            latest: HashMap::new(),
            superseded: BTreeSet::new(),
            dropped_last: 0,
            held: None,
        }
    }

    /// Other limits, from the next entry on.
    pub(crate) fn limit(&mut self, lag: Lag, most: usize, most_bytes: usize) {
        (self.lag, self.most, self.most_bytes) = (lag, most.max(1), most_bytes);
    }

    /// Keys count.
    pub(crate) fn keeps_latest(&self) -> bool {
        self.lag == Lag::KeepLatest
    }

    /// A message came.
    ///
    /// # Errors
    /// It was dropped, and the connection has to end.
    pub(crate) fn push(
        &mut self,
        item: T,
        bytes: usize,
        key: Option<&str>,
    ) -> Result<(), Overflow> {
        let fits = self.entries.is_empty()
            || (self.entries.len() < self.most
                && self.bytes.saturating_add(bytes) <= self.most_bytes);
        match self.lag {
            Lag::DropNewest if !fits => {
                self.dropped_last += 1;
                return Ok(());
            }
            Lag::Disconnect if !fits => {
                self.dropped_last += 1;
                return Err(Overflow);
            }
            Lag::DropOldest | Lag::DropNewest | Lag::KeepLatest | Lag::Disconnect => {}
        }
        let seq = self.append(item, bytes, key);
        self.messages.insert(seq);
        if let Some(key) = key
            && self.lag == Lag::KeepLatest
            && let Some(older) = self.latest.insert(key.into(), seq)
        {
            self.superseded.insert(older);
        }
        while self.is_over() {
            let victim = match self.lag {
                Lag::KeepLatest => self.superseded.first().or(self.messages.first()),
                Lag::DropOldest | Lag::DropNewest | Lag::Disconnect => self.messages.first(),
            };
            // Never the one that has just come, unless all else are notices.
            let victim = victim.copied().unwrap_or(seq);
            if victim == seq && self.entries.len() > self.messages.len() {
                let oldest = self.entries.keys().next().copied();
                self.discard(oldest.unwrap_or(seq));
            } else {
                self.discard(victim);
            }
        }
        Ok(())
    }

    /// Something has to be told at this place of the stream. Messages make room for it.
    pub(crate) fn notice(&mut self, item: T, bytes: usize) {
        self.append(item, bytes, None);
        self.make_room();
    }

    /// Hands out nothing of what comes from here on. Does nothing when it holds already.
    pub(crate) fn hold(&mut self) {
        if self.held.is_none() {
            self.held = Some(self.next);
            self.next += 1;
        }
    }

    /// Hands out what was held, after this notice.
    pub(crate) fn release(&mut self, notice: Option<(T, usize)>) {
        let Some(place) = self.held.take() else {
            return;
        };
        if let Some((item, bytes)) = notice {
            self.insert(place, item, bytes, None);
            self.make_room();
        }
    }

    /// The next thing for the subscriber.
    pub(crate) fn pop(&mut self) -> Option<Popped<T>> {
        let first = self.entries.keys().next().copied();
        let Some(seq) = first.filter(|seq| self.held.is_none_or(|held| *seq < held)) else {
            // What is missing at the end comes before what is held.
            if first.is_none() && self.dropped_last > 0 {
                return Some(Popped::Dropped(std::mem::take(&mut self.dropped_last)));
            }
            return None;
        };
        if let Some(entry) = self.entries.get_mut(&seq)
            && entry.dropped_before > 0
        {
            return Some(Popped::Dropped(std::mem::take(&mut entry.dropped_before)));
        }
        self.remove(seq).map(|entry| Popped::Item(entry.item))
    }

    /// Nothing can be handed out now.
    pub(crate) fn is_drained(&self) -> bool {
        match self.entries.keys().next() {
            Some(seq) => self.held.is_some_and(|held| *seq >= held),
            None => self.dropped_last == 0,
        }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many bytes wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn is_over(&self) -> bool {
        self.entries.len() > 1 && (self.entries.len() > self.most || self.bytes > self.most_bytes)
    }

    fn make_room(&mut self) {
        while self.is_over() {
            let victim = match self.lag {
                Lag::KeepLatest => self.superseded.first().or(self.messages.first()),
                Lag::DropNewest | Lag::Disconnect => self.messages.last(),
                Lag::DropOldest => self.messages.first(),
            };
            let Some(victim) = victim.or(self.entries.keys().next()).copied() else {
                return;
            };
            self.discard(victim);
        }
    }

    fn append(&mut self, item: T, bytes: usize, key: Option<&str>) -> u64 {
        let seq = self.next;
        self.next += 1;
        self.insert(seq, item, bytes, key);
        seq
    }

    fn insert(&mut self, seq: u64, item: T, bytes: usize, key: Option<&str>) {
        let is_last = self
            .entries
            .keys()
            .next_back()
            .is_none_or(|last| *last < seq);
        let dropped_before = match is_last {
            true => std::mem::take(&mut self.dropped_last),
            false => 0,
        };
        self.bytes += bytes;
        let key = key.map(Into::into);
        let entry = Entry {
            item,
            bytes,
            key,
            dropped_before,
        };
        self.entries.insert(seq, entry);
    }

    /// Drops it, and counts it for what comes after it.
    fn discard(&mut self, seq: u64) {
        let Some(entry) = self.remove(seq) else {
            return;
        };
        let missing = entry.dropped_before + 1;
        match self.entries.range_mut(seq..).next() {
            Some((_, next)) => next.dropped_before += missing,
            None => self.dropped_last += missing,
        }
    }

    fn remove(&mut self, seq: u64) -> Option<Entry<T>> {
        let entry = self.entries.remove(&seq)?;
        self.bytes -= entry.bytes;
        self.messages.remove(&seq);
        self.superseded.remove(&seq);
        if let Some(key) = &entry.key
            && self.latest.get(key) == Some(&seq)
        {
            self.latest.remove(key);
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests;
