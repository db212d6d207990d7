//! A ready-made subscriber that logs every event with `tracing`: [`EventLog`].

use actix::{Actor, Addr, Context, Handler};

use crate::event::{Event, EventKind};
use crate::registry::registry::{Registry, Subscribe};

/// Logs events under the target `everlink`: what restores service at `info`, what breaks it at
/// `warn`, what needs an operator at `error`, the rest at `debug`.
#[derive(Debug, Default)]
pub struct EventLog(());

impl EventLog {
    /// Starts logging the events of this registry, as long as the registry lives.
    #[expect(clippy::disallowed_methods, reason = "once")]
    pub fn attach(registry: &Addr<Registry>) {
        let log = Self(()).start();
        registry.do_send(Subscribe::new(log).kept_alive());
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
        match &event.kind {
            EventKind::GaveUp { .. } => {
                tracing::error!(target: "everlink", link, event = name, "{event}");
            }
            EventKind::ConnectFailed { .. }
            | EventKind::Disconnected { .. }
            | EventKind::Missed { .. }
            | EventKind::TopologyFailed { .. } => {
                tracing::warn!(target: "everlink", link, event = name, "{event}");
            }
            EventKind::Connected
            | EventKind::Reconnected { .. }
            | EventKind::Stopped
            | EventKind::TopologyChanged { .. } => {
                tracing::info!(target: "everlink", link, event = name, "{event}");
            }
            EventKind::Connecting | EventKind::Reconnecting { .. } | EventKind::Present { .. } => {
                tracing::debug!(target: "everlink", link, event = name, "{event}");
            }
        }
    }
}
