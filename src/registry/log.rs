//! A ready-made subscriber that logs every event with `tracing`: [`EventLog`].

use std::collections::{BTreeSet, HashMap};

use actix::{Actor, Addr, Context, Handler};
use tracing::Level;

use crate::endpoint::LinkName;
use crate::event::{Event, EventKind};
use crate::exit::CauseKind;
use crate::registry::registry::{Employ, Registry};

/// Logs events under the target `everlink`: what restores service at `info`, what breaks it at
/// `warn`, what needs an operator at `error`, the rest at `debug`.
///
/// A refused dial is repeated about twenty times a second at first, so of the failed attempts of
/// one link only the first of each kind of cause is logged at `warn`, and those that repeat it at
/// `debug`, until the link is up again, gives up, or is stopped.
#[derive(Debug, Default)]
pub struct EventLog {
    /// Kinds of failed attempts that were told, of links that are down.
    told: HashMap<LinkName, BTreeSet<CauseKind>>,
}

impl EventLog {
    /// Starts logging the events of this registry, as long as the registry lives. Works from any
    /// thread.
    #[expect(clippy::disallowed_methods, reason = "once")]
    pub fn attach(registry: &Addr<Registry>) {
        registry.do_send(Employ::new(|| Self::default().start()));
    }

    fn level(&mut self, event: &Event) -> Level {
        match &event.kind {
            EventKind::ConnectFailed { cause, .. } => {
                let told = self.told.entry(event.link.clone()).or_default();
                if told.insert(cause.kind()) {
                    Level::WARN
                } else {
                    Level::DEBUG
                }
            }
            EventKind::GaveUp { .. } => {
                self.told.remove(&event.link);
                Level::ERROR
            }
            EventKind::CircuitClosed { .. } => Level::INFO,
            EventKind::Connected | EventKind::Reconnected { .. } | EventKind::Stopped => {
                self.told.remove(&event.link);
                Level::INFO
            }
            EventKind::Disconnected { .. }
            | EventKind::CircuitOpened { .. }
            | EventKind::Missed { .. }
            | EventKind::Notice(_)
            | EventKind::TopologyFailed { .. } => Level::WARN,
            EventKind::TopologyChanged { .. } => Level::INFO,
            EventKind::Connecting
            | EventKind::Reconnecting { .. }
            | EventKind::CircuitHalfOpen
            | EventKind::Present { .. } => Level::DEBUG,
        }
    }
}

impl Actor for EventLog {
    type Context = Context<Self>;
}

impl Handler<Event> for EventLog {
    type Result = ();

    fn handle(&mut self, event: Event, _: &mut Context<Self>) {
        let name = event.kind.name();
        let link = event.link.as_str();
        // The level of a log line is fixed where it stands.
        match self.level(&event) {
            Level::ERROR => tracing::error!(target: "everlink", link, event = name, "{event}"),
            Level::WARN => tracing::warn!(target: "everlink", link, event = name, "{event}"),
            Level::INFO => tracing::info!(target: "everlink", link, event = name, "{event}"),
            _ => tracing::debug!(target: "everlink", link, event = name, "{event}"),
        }
    }
}
