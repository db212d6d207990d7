//! A node as a kind of connection: [`NodeBackend`]. Each life of it holds all connections to it.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use crate::elasticsearch::check::ask;
use crate::elasticsearch::cluster::Shared;
use crate::elasticsearch::node::Node;
use crate::elasticsearch::pump::Pump;
use crate::elasticsearch::settings::ElasticSettings;
use crate::elasticsearch::wire::Wire;
use crate::endpoint::Endpoint;
use crate::event::Event;
use crate::exit::Cause;
use crate::link::{Backend, Circuit, Lifeline, Task, Wishes};

/// A node as a kind of connection. Made by opening an
/// [`ElasticClient`](crate::elasticsearch::ElasticClient).
pub struct NodeBackend {
    node: Arc<Node>,
    shared: Arc<Shared>,
    _closing: Arc<Closing>,
}

/// Its drop tells callers that the link is gone.
pub(super) struct Closing(pub(super) Arc<Node>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl NodeBackend {
    pub(super) fn new(shared: &Arc<Shared>, closing: &Arc<Closing>) -> Self {
        Self {
            node: Arc::clone(&closing.0),
            shared: Arc::clone(shared),
            _closing: Arc::clone(closing),
        }
    }
}

impl Backend for NodeBackend {
    type Connection = Task;

    fn endpoint(&self) -> Endpoint {
        self.node.url.endpoint().clone()
    }

    fn connection(&mut self, lifeline: Lifeline) -> Task {
        let wishes = Rc::<Wishes>::default();
        let work = work(
            Arc::clone(&self.node),
            self.shared.settings(),
            Rc::clone(&wishes),
            lifeline.clone(),
        );
        Task::new(lifeline, work).on_close(move |close| wishes.hear(close))
    }

    fn circuit(&self) -> Option<Circuit> {
        self.node.circuit.clone()
    }

    fn wanted(&self) -> bool {
        self.shared.is_wanted()
    }

    fn observe(&mut self, event: &Event) {
        self.node.observe(event);
    }
}

impl fmt::Debug for NodeBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeBackend")
            .field("node", &self.node.url)
            .finish_non_exhaustive()
    }
}

/// All connections to a node, until it is out.
async fn work(
    node: Arc<Node>,
    settings: Arc<ElasticSettings>,
    wishes: Rc<Wishes>,
    lifeline: Lifeline,
) -> Result<(), Cause> {
    // The deadline is the supervisor's.
    let wire = Wire::open(&settings, &node.url).await?;
    ask(&wire, settings.health).await?;
    let pump = Pump::new(node, settings, wire, lifeline.clone(), Rc::clone(&wishes));
    wishes.run();
    lifeline.ready();
    Err(pump.run().await)
}
