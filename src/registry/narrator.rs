//! Numbers the events of one link (or router) and tells them to the registry: [`Narrator`].

use std::time::SystemTime;

use actix::Addr;
use tokio::time::Instant;

use crate::endpoint::{Endpoint, LinkName};
use crate::event::{Event, EventKind};
use crate::policy::BreakerState;
use crate::registry::registry::{Register, Registry, Tell, Unregister};
use crate::registry::status::LastUsed;

/// Makes the events of one link: one counter, so that sequence numbers have no holes.
#[derive(Debug)]
pub struct Narrator {
    link: LinkName,
    endpoint: Option<Endpoint>,
    registry: Addr<Registry>,
    sequence: u64,
    born: Instant,
    last_used: LastUsed,
}

impl Narrator {
    /// A narrator that has told nothing yet.
    pub(crate) fn new(
        link: LinkName,
        endpoint: Option<Endpoint>,
        registry: Addr<Registry>,
    ) -> Self {
        Self {
            link,
            endpoint,
            registry,
            sequence: 0,
            born: Instant::now(),
            last_used: LastUsed::never(),
        }
    }

    pub(crate) fn link(&self) -> &LinkName {
        &self.link
    }

    pub(crate) fn last_used(&self) -> LastUsed {
        self.last_used.clone()
    }

    pub(crate) fn moved(&mut self, endpoint: Endpoint) {
        self.endpoint = Some(endpoint);
    }

    /// The next event.
    pub(crate) fn event(&mut self, generation: u64, kind: EventKind) -> Event {
        self.sequence += 1;
        Event {
            link: self.link.clone(),
            endpoint: self.endpoint.clone(),
            sequence: self.sequence,
            generation,
            time: SystemTime::now(),
            uptime: self.born.elapsed(),
            kind,
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "lifecycle events are bounded by backoff and governor, and must not be lost"
    )]
    pub(crate) fn tell(&self, event: Event) {
        self.registry.do_send(Tell {
            event,
            teller: self.last_used.clone(),
        });
    }

    #[expect(clippy::disallowed_methods, reason = "once in a link's life")]
    pub(crate) fn register(&self, breaker: Option<BreakerState>) {
        self.registry.do_send(Register {
            link: self.link.clone(),
            endpoint: self.endpoint.clone(),
            breaker,
            last_used: self.last_used.clone(),
        });
    }

    #[expect(clippy::disallowed_methods, reason = "once in a link's life")]
    pub(crate) fn unregister(&self) {
        self.registry.do_send(Unregister {
            link: self.link.clone(),
            last_used: self.last_used.clone(),
        });
    }
}
