//! A pool as a kind of connection: [`MysqlBackend`], and the [`Connection`] actor, which holds all
//! connections of one life of it.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};
use mysql_async::Opts;

use crate::endpoint::Endpoint;
use crate::event::Event;
use crate::exit::{Cause, CauseKind};
use crate::link::{Backend, Circuit, Close, Lifeline};
use crate::mysql::pump::{Pump, Wish};
use crate::mysql::queue::Shared;
use crate::mysql::settings::MysqlSettings;
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
    type Connection = Connection;

    fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    fn connection(&mut self, lifeline: Lifeline) -> Connection {
        Connection {
            shared: Arc::clone(&self.shared),
            lifeline,
            wish: Rc::default(),
            running: false,
        }
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

/// The connection actor of a pool: all its connections, until the server is lost.
pub struct Connection {
    shared: Arc<Shared>,
    lifeline: Lifeline,
    wish: Rc<Cell<Wish>>,
    running: bool,
}

impl Connection {
    fn run(&mut self, first: First, ctx: &mut Context<Self>) {
        let First {
            wire,
            options,
            open,
        } = first;
        let pump = Pump::new(
            wire,
            open,
            Arc::clone(&self.shared),
            options,
            self.lifeline.clone(),
            Rc::clone(&self.wish),
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
        let dialling = First::dial(self.shared.settings());
        ctx.spawn(
            dialling
                .into_actor(self)
                .map(|dialled, connection, ctx| match dialled {
                    Ok(first) => connection.run(first, ctx),
                    Err(cause) => connection.end(cause, ctx),
                }),
        );
    }
}

/// The first connection of a life, and what the others are made by. The driver's options hold the
/// password: they are shown nowhere.
struct First {
    wire: Wire,
    options: Opts,
    open: Rc<Cell<usize>>,
}

impl First {
    async fn dial(settings: Arc<MysqlSettings>) -> Result<Self, Cause> {
        let open = Rc::new(Cell::new(0));
        let place = Place::taken(&open);
        // The supervisor's connect deadline comes first, and says so.
        let limit = settings.link.connect_timeout.saturating_mul(2);
        let options = wire::options(Arc::clone(&settings)).await?;
        let lifetime = settings.pool.lifetime;
        let wire = Wire::dial(options.clone(), place, lifetime, limit).await?;
        Ok(Self {
            wire,
            options,
            open,
        })
    }
}

impl Handler<Close> for Connection {
    type Result = ();

    fn handle(&mut self, close: Close, ctx: &mut Context<Self>) {
        if !self.running {
            self.end(CauseKind::Requested.into(), ctx);
            return;
        }
        self.wish.set(match close {
            Close::Drain if self.wish.get() != Wish::Now => Wish::Drain,
            Close::Drain | Close::Now => Wish::Now,
        });
        self.shared.arrived.notify_one();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("lifeline", &self.lifeline)
            .finish_non_exhaustive()
    }
}
