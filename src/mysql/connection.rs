//! A pool as a kind of connection: [`MysqlBackend`]. Each life of it holds all its connections.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use crate::endpoint::Endpoint;
use crate::event::Event;
use crate::exit::Cause;
use crate::link::{Backend, Circuit, Lifeline, Task, Wishes};
use crate::mysql::pump::Pump;
use crate::mysql::queue::Shared;
use crate::mysql::wire::{self, Place, Wire};

/// A pool as a kind of connection. Made by opening a [`Pool`](crate::mysql::Pool).
pub struct MysqlBackend {
    endpoint: Endpoint,
    shared: Arc<Shared>,
    _closing: Arc<Closing>,
}

/// Its drop answers what waits: the link is gone.
pub(super) struct Closing(pub(super) Arc<Shared>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl MysqlBackend {
    /// As the settings say that `shared` has now.
    pub(super) fn new(shared: &Arc<Shared>, closing: Arc<Closing>) -> Self {
        let settings = shared.settings();
        Self {
            endpoint: settings.endpoint.clone(),
            shared: Arc::clone(shared),
            _closing: closing,
        }
    }
}

impl Backend for MysqlBackend {
    type Connection = Task;

    fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    fn connection(&mut self, lifeline: Lifeline) -> Task {
        let wishes = Rc::<Wishes>::default();
        let shared = Arc::clone(&self.shared);
        let work = work(shared, Rc::clone(&wishes), lifeline.clone());
        Task::new(lifeline, work).on_close(move |close| wishes.hear(close))
    }

    fn circuit(&self) -> Option<Circuit> {
        self.shared.circuit.clone()
    }

    fn wanted(&self) -> bool {
        self.shared.waiting() > 0
    }

    fn observe(&mut self, event: &Event) {
        self.shared.observe(event);
    }
}

impl fmt::Debug for MysqlBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MysqlBackend")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// Dials the first connection, then lets the pool work until its end.
async fn work(shared: Arc<Shared>, wishes: Rc<Wishes>, lifeline: Lifeline) -> Result<(), Cause> {
    let settings = shared.settings();
    let open = Rc::new(Cell::new(0));
    let place = Place::taken(&open);
    // The supervisor's connect deadline comes first, and says so.
    let limit = settings.link.connect_timeout.saturating_mul(2);
    // They hold the password: they are shown nowhere.
    let options = wire::options(Arc::clone(&settings)).await?;
    let lifetime = settings.pool.lifetime;
    let first = Wire::dial(options.clone(), place, lifetime, limit).await?;
    let told = Rc::clone(&wishes);
    let pump = Pump::new(first, open, shared, options, lifeline.clone(), told);
    wishes.run();
    lifeline.ready();
    Err(pump.run().await)
}
