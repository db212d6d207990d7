//! A feed as a kind of connection: [`FeedBackend`], and the actor that lives as long as its socket.

use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};

use crate::endpoint::Endpoint;
use crate::event::{Event, EventKind};
use crate::exit::{Cause, CauseKind};
use crate::link::{Backend, Circuit, Close, Lifeline};
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
    type Connection = FeedConnection;

    fn endpoint(&self) -> Endpoint {
        self.settings.url.endpoint()
    }

    fn connection(&mut self, lifeline: Lifeline) -> FeedConnection {
        FeedConnection {
            settings: Arc::clone(&self.settings),
            hub: Arc::clone(&self.hub),
            signals: Rc::default(),
            working: false,
            lifeline,
        }
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
#[derive(Debug)]
pub struct FeedConnection {
    settings: Arc<FeedSettings>,
    hub: Arc<Hub>,
    signals: Rc<Signals>,
    /// There is a socket.
    working: bool,
    lifeline: Lifeline,
}

impl FeedConnection {
    fn end(&mut self, cause: Cause, ctx: &mut Context<Self>) {
        self.lifeline.exit(cause);
        ctx.stop();
    }
}

impl Actor for FeedConnection {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let settings = Arc::clone(&self.settings);
        let dialling = async move { dial(&settings).await };
        let dialled = dialling.into_actor(self).map(|socket, connection, ctx| {
            let socket = match socket {
                Ok(socket) => socket,
                Err(cause) => return connection.end(cause, ctx),
            };
            connection.working = true;
            let working = work(
                socket,
                Arc::clone(&connection.hub),
                connection.settings.health,
                Rc::clone(&connection.signals),
                connection.lifeline.clone(),
            );
            // The mailbox carries only the supervisor's few words, so nothing starves this future.
            let working = working.into_actor(connection);
            ctx.spawn(working.map(|cause, connection, ctx| connection.end(cause, ctx)));
        });
        ctx.spawn(dialled);
    }
}

impl Handler<Close> for FeedConnection {
    type Result = ();

    fn handle(&mut self, close: Close, ctx: &mut Context<Self>) {
        match close {
            Close::Drain if self.working => self.signals.drain(&self.hub),
            Close::Drain | Close::Now => self.end(CauseKind::Requested.into(), ctx),
        }
    }
}
