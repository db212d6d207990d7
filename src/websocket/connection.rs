//! A feed as a kind of connection: [`FeedBackend`].

use std::rc::Rc;
use std::sync::Arc;

use crate::endpoint::Endpoint;
use crate::event::{Event, EventKind};
use crate::exit::Cause;
use crate::link::{Backend, Circuit, Close, Lifeline, Task};
use crate::websocket::delivery::Delivery;
use crate::websocket::dial::dial;
use crate::websocket::hub::Hub;
use crate::websocket::session::{Signals, work};
use crate::websocket::settings::FeedSettings;

/// A WebSocket feed as a kind of connection. Made by [`Feed`](crate::websocket::Feed).
#[derive(Debug, Clone)]
pub struct FeedBackend {
    pub(crate) settings: Arc<FeedSettings>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) circuit: Option<Circuit>,
    /// Ends with the last of those who hold it.
    pub(crate) _delivery: Arc<Delivery>,
}

impl Backend for FeedBackend {
    type Connection = Task;

    fn endpoint(&self) -> Endpoint {
        self.settings.url.endpoint()
    }

    fn connection(&mut self, lifeline: Lifeline) -> Task {
        let (signals, hub) = (Rc::<Signals>::default(), Arc::clone(&self.hub));
        let life = live(self.clone(), Rc::clone(&signals), lifeline.clone());
        Task::new(lifeline, life).on_close(move |close| match close {
            Close::Drain => signals.drain(&hub),
            Close::Now => false,
        })
    }

    fn circuit(&self) -> Option<Circuit> {
        self.circuit.clone()
    }

    fn observe(&mut self, event: &Event) {
        if let EventKind::Disconnected { cause } = &event.kind {
            self.hub.lost_because(cause.clone());
        }
    }
}

/// One socket's life.
async fn live(backend: FeedBackend, signals: Rc<Signals>, lifeline: Lifeline) -> Result<(), Cause> {
    let FeedBackend { settings, hub, .. } = backend;
    let socket = dial(&settings).await?;
    Err(work(socket, hub, settings.health, signals, lifeline).await)
}
