//! A node as a kind of connection: [`NodeBackend`], and the [`Connection`] actor, which holds all
//! connections to it of one life.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};

use crate::elasticsearch::check::ask;
use crate::elasticsearch::cluster::Shared;
use crate::elasticsearch::node::Node;
use crate::elasticsearch::pump::{Pump, Wish, Wishes};
use crate::elasticsearch::settings::ElasticSettings;
use crate::elasticsearch::wire::Wire;
use crate::endpoint::Endpoint;
use crate::event::Event;
use crate::exit::{Cause, CauseKind};
use crate::link::{Backend, Circuit, Close, Lifeline};

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
    type Connection = Connection;

    fn endpoint(&self) -> Endpoint {
        self.node.url.endpoint().clone()
    }

    fn connection(&mut self, lifeline: Lifeline) -> Connection {
        Connection {
            node: Arc::clone(&self.node),
            settings: self.shared.settings(),
            lifeline,
            wishes: Rc::default(),
            running: false,
        }
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

/// The connection actor of a node: all connections to it, until it is out.
pub struct Connection {
    node: Arc<Node>,
    settings: Arc<ElasticSettings>,
    lifeline: Lifeline,
    wishes: Rc<Wishes>,
    running: bool,
}

impl Connection {
    fn run(&mut self, wire: Wire, ctx: &mut Context<Self>) {
        let pump = Pump::new(
            Arc::clone(&self.node),
            Arc::clone(&self.settings),
            wire,
            self.lifeline.clone(),
            Rc::clone(&self.wishes),
        );
        self.running = true;
        self.lifeline.ready();
        ctx.spawn(pump.run().into_actor(self).map(|cause, connection, ctx| {
            connection.end(cause, ctx);
        }));
    }

    fn end(&mut self, cause: Cause, ctx: &mut Context<Self>) {
        self.lifeline.exit(cause);
        ctx.stop();
    }
}

impl Actor for Connection {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let (node, settings) = (Arc::clone(&self.node), Arc::clone(&self.settings));
        // The deadline is the supervisor's.
        let dialling = async move {
            let wire = Wire::open(&settings, &node.url).await?;
            ask(&wire, settings.health).await?;
            Ok(wire)
        };
        ctx.spawn(
            dialling
                .into_actor(self)
                .map(|dialled, connection, ctx| match dialled {
                    Ok(wire) => connection.run(wire, ctx),
                    Err(cause) => connection.end(cause, ctx),
                }),
        );
    }
}

impl Handler<Close> for Connection {
    type Result = ();

    fn handle(&mut self, close: Close, ctx: &mut Context<Self>) {
        if !self.running {
            self.end(CauseKind::Requested.into(), ctx);
            return;
        }
        let wish = &self.wishes.wish;
        wish.set(match close {
            Close::Drain if wish.get() != Wish::Now => Wish::Drain,
            Close::Drain | Close::Now => Wish::Now,
        });
        self.wishes.news.notify_one();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("lifeline", &self.lifeline)
            .finish_non_exhaustive()
    }
}
