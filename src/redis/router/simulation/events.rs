//! The events of a simulation: each link's follow the table, without holes.

use std::collections::BTreeMap;
use std::time::Duration;

use actix::{Actor, Context, Handler};

use super::world::World;
use crate::endpoint::LinkName;
use crate::event::{Event, EventKind};

/// Checks the events of all links as they come.
pub(super) struct Witness {
    world: World,
    links: BTreeMap<LinkName, Link>,
}

#[derive(Default)]
struct Link {
    state: State,
    sequence: u64,
    generation: u64,
    was_up: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum State {
    #[default]
    Stopped,
    Connecting,
    Up,
    /// Disconnected, or an attempt failed: what comes of it is told next.
    Ending,
    Backoff,
    Parked,
}

impl Witness {
    pub(super) fn new(world: World) -> Self {
        let links = BTreeMap::new();
        Self { world, links }
    }
}

impl Actor for Witness {
    type Context = Context<Self>;
}

impl Handler<Event> for Witness {
    type Result = ();

    fn handle(&mut self, event: Event, _: &mut Context<Self>) {
        if matches!(event.kind, EventKind::Present { .. }) {
            return;
        }
        let link = self.links.entry(event.link.clone()).or_default();
        if event.sequence == 1 && link.state == State::Stopped {
            // A node that was forgotten came back: another link of the same name.
            *link = Link::default();
        }
        let (state, sequence) = (link.state, link.sequence);
        if !link.follow(&event) {
            let what = format!("after {state:?} #{sequence} came {event}");
            self.world.violated(what);
        }
    }
}

impl Link {
    /// Whether the table allows this event now.
    fn follow(&mut self, event: &Event) -> bool {
        let in_order = event.sequence == self.sequence + 1;
        self.sequence = event.sequence;
        let before = self.state;
        let next = match (&event.kind, before) {
            (
                EventKind::Connecting,
                State::Stopped | State::Ending | State::Backoff | State::Parked,
            ) => {
                let is_next = event.generation == self.generation + 1;
                self.generation = event.generation;
                is_next.then_some(State::Connecting)
            }
            (EventKind::Connected, State::Connecting) => (!self.was_up).then_some(State::Up),
            (EventKind::Reconnected { .. }, State::Connecting) => self.was_up.then_some(State::Up),
            (EventKind::ConnectFailed { .. }, State::Connecting)
            | (EventKind::Disconnected { .. }, State::Up) => Some(State::Ending),
            (EventKind::Reconnecting { delay, .. }, State::Ending) => {
                (*delay <= Duration::from_secs(30)).then_some(State::Backoff)
            }
            (EventKind::GaveUp { .. }, State::Ending) => Some(State::Parked),
            (
                EventKind::Stopped,
                State::Connecting | State::Ending | State::Backoff | State::Parked,
            ) => Some(State::Stopped),
            (
                EventKind::Connecting
                | EventKind::Connected
                | EventKind::Reconnected { .. }
                | EventKind::ConnectFailed { .. }
                | EventKind::Disconnected { .. }
                | EventKind::Reconnecting { .. }
                | EventKind::GaveUp { .. }
                | EventKind::Stopped
                | EventKind::Missed { .. },
                _,
            ) => None,
            // Not of the table.
            _ => Some(before),
        };
        match next {
            Some(State::Up) => self.was_up = true,
            Some(State::Stopped) => self.was_up = false,
            _ => {}
        }
        self.state = next.unwrap_or(before);
        in_order && next.is_some()
    }
}
