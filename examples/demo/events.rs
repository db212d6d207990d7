//! An actor of the application that hears every lifecycle event: [`EventPrinter`].
//!
//! A link whose node is dead makes three events for each attempt to connect, about sixty in a
//! second at first. The first failure is printed, then the like are counted until something else
//! happens.

use std::collections::BTreeMap;
use std::rc::Rc;

use actix::{Actor, Context, Handler};
use everlink::endpoint::LinkName;
use everlink::event::{Event, EventKind};
use everlink::exit::{Cause, CauseKind};

use crate::ledger::Ledger;
use crate::screen::{Look, Screen};

/// Prints events, and tells the ledger's present phase of each.
pub(crate) struct EventPrinter {
    screen: Rc<Screen>,
    ledger: Rc<Ledger>,
    repeats: BTreeMap<LinkName, Repeats>,
}

/// Failures of one kind in a row: the first was printed, the rest is counted.
struct Repeats {
    kind: CauseKind,
    from: u32,
    to: u32,
}

impl EventPrinter {
    pub(crate) fn new(screen: Rc<Screen>, ledger: Rc<Ledger>) -> Self {
        Self {
            screen,
            ledger,
            repeats: BTreeMap::new(),
        }
    }

    fn print(&self, link: &LinkName, look: Look, text: &str) {
        let name = link.as_str();
        let node = name.rsplit('/').next().unwrap_or(name);
        let node = if name.contains('/') { node } else { "cluster" };
        self.screen.line(format!(
            "{}  {node:<16} {}",
            self.screen.paint(Look::Quiet, self.screen.clock()),
            self.screen.paint(look, text),
        ));
    }

    /// A failure: printed if it is not like the one before.
    fn failed(&mut self, event: &Event, what: &str, cause: &Cause, attempt: u32) {
        if let Some(repeats) = self.repeats.get_mut(&event.link)
            && repeats.kind == cause.kind()
        {
            repeats.to = attempt.max(repeats.to + 1);
            return;
        }
        self.settle(&event.link, what);
        self.print(&event.link, Look::Doubtful, &event.kind.to_string());
        let repeats = Repeats {
            kind: cause.kind(),
            from: attempt,
            to: attempt,
        };
        self.repeats.insert(event.link.clone(), repeats);
    }

    /// Something else happened: the failures that were only counted are told first.
    fn settle(&mut self, link: &LinkName, what: &str) {
        let Some(repeats) = self.repeats.remove(link) else {
            return;
        };
        let Repeats { kind, from, to } = repeats;
        let text = match to - from {
            0 => return,
            1 => format!("{what} {to} failed: {}", kind.as_str()),
            _ => format!("{what}s {} to {to} failed: {}", from + 1, kind.as_str()),
        };
        self.print(link, Look::Quiet, &text);
    }
}

impl Actor for EventPrinter {
    type Context = Context<Self>;
}

impl Handler<Event> for EventPrinter {
    type Result = ();

    fn handle(&mut self, event: Event, _: &mut Context<Self>) {
        self.ledger.phase(|phase| phase.hear(&event));
        let look = match &event.kind {
            EventKind::ConnectFailed { cause, attempt } => {
                self.failed(&event, "attempt", cause, *attempt);
                return;
            }
            EventKind::TopologyFailed { cause, .. } => {
                let tries = self
                    .repeats
                    .get(&event.link)
                    .map_or(1, |known| known.to + 1);
                self.failed(&event, "refresh", cause, tries);
                return;
            }
            // Part of each attempt: its outcome is told.
            EventKind::Connecting | EventKind::Reconnecting { .. } | EventKind::Present { .. } => {
                return;
            }
            EventKind::Connected
            | EventKind::Reconnected { .. }
            | EventKind::CircuitClosed { .. } => Look::Good,
            EventKind::Disconnected { cause } if cause.kind() == CauseKind::Requested => {
                Look::Quiet
            }
            EventKind::Stopped => Look::Quiet,
            EventKind::Disconnected { .. }
            | EventKind::GaveUp { .. }
            | EventKind::CircuitOpened { .. } => Look::Bad,
            EventKind::TopologyChanged { .. } => Look::Strong,
            _ => Look::Doubtful,
        };
        let what = match &event.kind {
            EventKind::TopologyChanged { .. } => "refresh",
            _ => "attempt",
        };
        self.settle(&event.link, what);
        self.print(&event.link, look, &event.kind.to_string());
    }
}
