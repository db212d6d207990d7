//! What a feed should be subscribed to, and how far it is with that: [`Subscriptions`].
//!
//! The user says what is wanted, at any time; each connection brings the server there, one topic at
//! a time: at most one request for a topic is under way, and the next one follows from what was
//! wanted when its answer came.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use crate::websocket::topic::{Action, Refusal, Refused, Topic, Which};

/// A request that has to be written now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) id: u64,
    pub(crate) topic: Topic,
    pub(crate) action: Action,
}

/// How one subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscriptionState {
    /// Wanted; the feed is down, or the request is still to be written or answered.
    Wanted,
    /// The server has accepted it, on this connection.
    Subscribed,
    /// The server refused it, or did not answer in time. Asked for again on the next connection,
    /// or when it is subscribed to anew.
    Refused,
    /// Wanted no more; the server is still to be told, or to answer.
    Leaving,
}

/// As far as the server is known to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    Absent,
    Asking(u64),
    Subscribed,
    Leaving(u64),
    /// Refused. After a silence the server may have it all the same, under this request.
    Failed {
        silent: Option<u64>,
    },
}

#[derive(Debug)]
struct Entry {
    wanted: bool,
    wire: Wire,
    /// One of those that this connection has to restore first.
    restoring: bool,
}

/// Pure: it is told what happens and when, and says what to write.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    topics: BTreeMap<Topic, Entry>,
    /// Topics that may need a request.
    due: BTreeSet<Topic>,
    /// Requests that can still be answered.
    asked: HashMap<u64, (Topic, Instant)>,
    deadlines: BTreeMap<(Instant, u64), Topic>,
    connected: bool,
    restoring: usize,
    next_id: u64,
    ack_timeout: Duration,
    acknowledged: bool,
}

impl Subscriptions {
    /// Where nothing is acknowledged, what was written counts as accepted.
    pub(crate) fn new(ack_timeout: Duration, acknowledged: bool) -> Self {
        Self {
            topics: BTreeMap::new(),
            due: BTreeSet::new(),
            asked: HashMap::new(),
            deadlines: BTreeMap::new(),
            connected: false,
            restoring: 0,
            next_id: 1,
            ack_timeout,
            acknowledged,
        }
    }

    pub(crate) fn set_ack_timeout(&mut self, ack_timeout: Duration) {
        self.ack_timeout = ack_timeout;
    }

    /// Wants it from now on; one that was refused is asked for again. Answers whether it was not
    /// wanted before.
    pub(crate) fn want(&mut self, topic: &Topic) -> bool {
        let entry = self.topics.entry(topic.clone()).or_insert(Entry {
            wanted: false,
            wire: Wire::Absent,
            restoring: false,
        });
        let new = !std::mem::replace(&mut entry.wanted, true);
        if let Wire::Failed { silent } = entry.wire {
            entry.wire = Wire::Absent;
            // A late answer would be one to a request of before.
            silent.and_then(|id| self.asked.remove(&id));
        }
        self.due.insert(topic.clone());
        new
    }

    /// Wants it no more. Answers whether it was wanted.
    pub(crate) fn leave(&mut self, topic: &Topic) -> bool {
        let Some(entry) = self.topics.get_mut(topic) else {
            return false;
        };
        let wanted = std::mem::replace(&mut entry.wanted, false);
        if let Wire::Failed { silent } = entry.wire {
            // Whether the server has it nobody knows: it is told.
            entry.wire = match silent {
                Some(_) => Wire::Subscribed,
                None => Wire::Absent,
            };
            silent.and_then(|id| self.asked.remove(&id));
        }
        self.answered_for(topic);
        self.due.insert(topic.clone());
        self.forget_if_gone(topic);
        wanted
    }

    /// There is a new connection: all that is wanted has to be restored.
    pub(crate) fn connected(&mut self) {
        self.lost();
        self.connected = true;
        self.restoring = self.topics.len();
        for (topic, entry) in &mut self.topics {
            entry.restoring = true;
            self.due.insert(topic.clone());
        }
    }

    /// The connection is gone; answers what it was subscribed to.
    pub(crate) fn lost(&mut self) -> Vec<Topic> {
        self.connected = false;
        self.restoring = 0;
        self.due.clear();
        self.asked.clear();
        self.deadlines.clear();
        let mut had = Vec::new();
        self.topics.retain(|topic, entry| {
            if entry.wire == Wire::Subscribed && entry.wanted {
                had.push(topic.clone());
            }
            entry.wire = Wire::Absent;
            entry.restoring = false;
            entry.wanted
        });
        had
    }

    /// All that was wanted when the connection began is accepted, refused, or wanted no more.
    pub(crate) fn is_restored(&self) -> bool {
        self.connected && self.restoring == 0
    }

    /// The next request to write.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Request> {
        if !self.connected {
            return None;
        }
        while let Some(topic) = self.due.pop_first() {
            let Some(entry) = self.topics.get_mut(&topic) else {
                continue;
            };
            let id = self.next_id;
            let action = match (entry.wanted, entry.wire) {
                (true, Wire::Absent) => Action::Subscribe,
                (false, Wire::Subscribed) => Action::Unsubscribe,
                (true, Wire::Subscribed | Wire::Failed { .. })
                | (false, Wire::Absent | Wire::Failed { .. })
                | (_, Wire::Asking(_) | Wire::Leaving(_)) => continue,
            };
            entry.wire = match action {
                Action::Subscribe => Wire::Asking(id),
                Action::Unsubscribe => Wire::Leaving(id),
            };
            self.next_id += 1;
            let deadline = now + self.ack_timeout;
            self.asked.insert(id, (topic.clone(), deadline));
            self.deadlines.insert((deadline, id), topic.clone());
            if !self.acknowledged {
                self.accept(&topic, id, action);
            }
            return Some(Request { id, topic, action });
        }
        None
    }

    /// The server accepted a request. Answers that are of no request under way change nothing.
    pub(crate) fn accepted(&mut self, which: &Which, action: Action) {
        let Some(topic) = self.topic_of(which) else {
            return;
        };
        let Some(entry) = self.topics.get_mut(&topic) else {
            return;
        };
        match (action, entry.wire) {
            (Action::Subscribe, Wire::Asking(id)) | (Action::Unsubscribe, Wire::Leaving(id))
                if which.fits(id) =>
            {
                self.accept(&topic, id, action);
            }
            // Late, but here.
            (Action::Subscribe, Wire::Failed { silent: Some(id) }) if which.fits(id) => {
                self.accept(&topic, id, action);
            }
            _ => {}
        }
    }

    /// The server refused a request, or took back what it had accepted.
    pub(crate) fn refused(&mut self, which: &Which, reason: &str) -> Option<Refused> {
        let topic = self.topic_of(which)?;
        let entry = self.topics.get_mut(&topic)?;
        let refusal = Refusal::new(reason);
        match entry.wire {
            Wire::Asking(id) | Wire::Failed { silent: Some(id) } if which.fits(id) => {
                self.fail(&topic, id, Action::Subscribe, refusal)
            }
            Wire::Leaving(id) if which.fits(id) => {
                self.fail(&topic, id, Action::Unsubscribe, refusal)
            }
            Wire::Subscribed => {
                entry.wire = Wire::Failed { silent: None };
                self.forget_if_gone(&topic);
                Some(Refused::new(topic, Action::Subscribe, refusal))
            }
            Wire::Absent | Wire::Asking(_) | Wire::Leaving(_) | Wire::Failed { .. } => None,
        }
    }

    /// The next request whose time for an answer is over.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<Refused> {
        let (&(deadline, id), _) = self.deadlines.first_key_value()?;
        if deadline > now {
            return None;
        }
        let topic = self.deadlines.remove(&(deadline, id))?;
        let action = match self.topics.get(&topic)?.wire {
            Wire::Leaving(_) => Action::Unsubscribe,
            _ => Action::Subscribe,
        };
        self.fail(&topic, id, action, Refusal::NoAnswer)
    }

    /// When to look for overdue answers.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.keys().next().map(|(deadline, _)| *deadline)
    }

    /// Nothing is wanted, and nothing has to be ended.
    pub(crate) fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    /// How each stands.
    pub(crate) fn states(&self) -> Vec<(Topic, SubscriptionState)> {
        let state = |entry: &Entry| match (entry.wanted, entry.wire) {
            (false, _) => SubscriptionState::Leaving,
            (true, Wire::Subscribed) => SubscriptionState::Subscribed,
            (true, Wire::Failed { .. }) => SubscriptionState::Refused,
            (true, Wire::Absent | Wire::Asking(_) | Wire::Leaving(_)) => SubscriptionState::Wanted,
        };
        let topics = self.topics.iter();
        topics
            .map(|(topic, it)| (topic.clone(), state(it)))
            .collect()
    }

    fn topic_of(&self, which: &Which) -> Option<Topic> {
        match which {
            Which::Id(id) => self.asked.get(id).map(|(topic, _)| topic.clone()),
            Which::Topic(topic) => Some(topic.clone()),
        }
    }

    fn accept(&mut self, topic: &Topic, id: u64, action: Action) {
        self.settle(topic, id);
        if let Some(entry) = self.topics.get_mut(topic) {
            entry.wire = match action {
                Action::Subscribe => Wire::Subscribed,
                Action::Unsubscribe => Wire::Absent,
            };
        }
        self.due.insert(topic.clone());
        self.forget_if_gone(topic);
    }

    fn fail(
        &mut self,
        topic: &Topic,
        id: u64,
        action: Action,
        refusal: Refusal,
    ) -> Option<Refused> {
        let silent = (refusal == Refusal::NoAnswer).then_some(id);
        let asked = self.asked.get(&id).cloned();
        self.settle(topic, id);
        let entry = self.topics.get_mut(topic)?;
        entry.wire = match action {
            Action::Subscribe if entry.wanted => Wire::Failed { silent },
            // Wanted no more: after a silence the server is told so.
            Action::Subscribe if silent.is_some() => Wire::Subscribed,
            Action::Subscribe | Action::Unsubscribe => Wire::Absent,
        };
        // A late answer still counts.
        if let Wire::Failed { silent: Some(_) } = entry.wire
            && let Some(asked) = asked
        {
            self.asked.insert(id, asked);
        }
        self.due.insert(topic.clone());
        self.forget_if_gone(topic);
        Some(Refused::new(topic.clone(), action, refusal))
    }

    /// The request has its answer.
    fn settle(&mut self, topic: &Topic, id: u64) {
        if let Some((_, deadline)) = self.asked.remove(&id) {
            self.deadlines.remove(&(deadline, id));
        }
        self.answered_for(topic);
    }

    fn answered_for(&mut self, topic: &Topic) {
        if let Some(entry) = self.topics.get_mut(topic)
            && std::mem::take(&mut entry.restoring)
        {
            self.restoring -= 1;
        }
    }

    fn forget_if_gone(&mut self, topic: &Topic) {
        let gone = |it: &Entry| !it.wanted && matches!(it.wire, Wire::Absent | Wire::Failed { .. });
        if self.topics.get(topic).is_some_and(gone) {
            self.topics.remove(topic);
        }
    }
}

#[cfg(test)]
mod tests;
