//! One subscribed actor: [`Subscriber`], with its filter and its bounded queue.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use actix::{Recipient, WeakRecipient};

use crate::endpoint::LinkName;
use crate::event::{Event, EventKind};

/// Which events a subscriber wants. The default is all of them.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    links: Option<Vec<LinkName>>,
    kinds: Option<Vec<String>>,
}

impl Filter {
    /// All events.
    pub fn all() -> Self {
        Self::default()
    }

    /// Only those of these links.
    #[must_use]
    pub fn links<L: Into<LinkName>>(mut self, links: impl IntoIterator<Item = L>) -> Self {
        self.links = Some(links.into_iter().map(Into::into).collect());
        self
    }

    /// Only those of these kinds, by [`EventKind::name`]; what a subscriber missed is always told.
    #[must_use]
    pub fn kinds<K: Into<String>>(mut self, kinds: impl IntoIterator<Item = K>) -> Self {
        self.kinds = Some(kinds.into_iter().map(Into::into).collect());
        self
    }

    pub(crate) fn takes(&self, event: &Event) -> bool {
        let link = self
            .links
            .as_ref()
            .is_none_or(|links| links.contains(&event.link));
        let kind = self
            .kinds
            .as_ref()
            .is_none_or(|kinds| kinds.iter().any(|kind| kind == event.kind.name()));
        link && kind
    }
}

/// A subscribed actor. At most one event is on its way to it; the rest stands here, bounded.
///
/// An upgraded weak recipient brings a mailbox slot of its own, so `try_send` alone would never
/// find the mailbox full: waiting for each answer is what makes the bound real.
#[derive(Debug)]
pub(crate) struct Subscriber {
    recipient: WeakRecipient<Event>,
    filter: Filter,
    queue: VecDeque<Event>,
    capacity: usize,
    bytes: usize,
    weight: usize,
    missed: u64,
    busy: bool,
    owner: Option<Recipient<Event>>,
}

/// What to do for a subscriber next.
#[derive(Debug)]
pub(crate) enum Delivery {
    Send(Recipient<Event>, Event),
    Nothing,
    Gone,
}

impl Subscriber {
    /// At most `capacity` events and `bytes` of them wait.
    pub(crate) fn new(
        recipient: &Recipient<Event>,
        filter: Filter,
        capacity: usize,
        bytes: usize,
    ) -> Self {
        Self {
            recipient: recipient.downgrade(),
            filter,
            queue: VecDeque::new(),
            capacity: capacity.max(1),
            bytes,
            weight: 0,
            missed: 0,
            busy: false,
            owner: None,
        }
    }

    /// Keeps the actor alive as long as it is subscribed.
    pub(crate) fn keep_alive(&mut self, recipient: Recipient<Event>) {
        self.owner = Some(recipient);
    }

    /// Whether it can still hear anything.
    pub(crate) fn is_there(&self) -> bool {
        self.recipient
            .upgrade()
            .is_some_and(|recipient| recipient.connected())
    }

    pub(crate) fn offer(&mut self, event: &Event) {
        if !self.filter.takes(event) {
            return;
        }
        let weight = event.weight();
        while !self.queue.is_empty()
            && (self.queue.len() >= self.capacity || self.weight + weight > self.bytes)
        {
            self.pop();
            self.missed += 1;
        }
        self.weight += weight;
        self.queue.push_back(event.clone());
    }

    fn pop(&mut self) -> Option<Event> {
        let event = self.queue.pop_front()?;
        self.weight -= event.weight();
        Some(event)
    }

    /// Bytes of the events that wait.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    /// The answer to the event under way came.
    pub(crate) fn answered(&mut self) {
        self.busy = false;
    }

    pub(crate) fn next(&mut self) -> Delivery {
        if self.busy {
            return Delivery::Nothing;
        }
        let Some(event) = self.next_event() else {
            return Delivery::Nothing;
        };
        match self.recipient.upgrade() {
            Some(recipient) => {
                self.busy = true;
                Delivery::Send(recipient, event)
            }
            None => Delivery::Gone,
        }
    }

    fn next_event(&mut self) -> Option<Event> {
        // What was dropped is older than what is left, so it is told first.
        match std::mem::take(&mut self.missed) {
            0 => self.pop(),
            count => self.queue.front().map(|next| Event {
                link: next.link.clone(),
                endpoint: None,
                sequence: next.sequence,
                generation: next.generation,
                time: SystemTime::now(),
                uptime: Duration::ZERO,
                kind: EventKind::Missed { count },
            }),
        }
    }
}
