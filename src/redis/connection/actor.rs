//! The [`Connection`] actor: born to hold one socket, gone with it. Its mailbox takes only what
//! its supervisor says; requests come by the lane.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};

use crate::endpoint::Endpoint;
use crate::event::{Event, EventKind};
use crate::exit::{Cause, CauseKind};
use crate::link::{Backend, Circuit, Close, Lifeline};
use crate::redis::config::Config;
use crate::redis::connection::ending::Ending;
use crate::redis::connection::exchange::Exchange;
use crate::redis::connection::handshake::shake_hands;
use crate::redis::connection::pump::Pump;
use crate::redis::connection::transport::Dialer;
use crate::redis::handoff::{Handoff, News};
use crate::redis::lane::Lane;

/// An attempt to connect that waits no longer than this is as good as under way.
const SOON: Duration = Duration::from_millis(100);

/// A Redis node as a kind of connection.
#[derive(Debug)]
pub(crate) struct RedisBackend {
    pub(crate) endpoint: Endpoint,
    pub(crate) config: Arc<Config>,
    pub(crate) dialer: Dialer,
    pub(crate) lane: Arc<Lane>,
    pub(crate) handoff: Handoff,
}

impl Backend for RedisBackend {
    type Connection = Connection;

    fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    fn connection(&mut self, lifeline: Lifeline) -> Connection {
        Connection {
            endpoint: self.endpoint.clone(),
            config: Arc::clone(&self.config),
            dialer: self.dialer.clone(),
            lane: Arc::clone(&self.lane),
            handoff: self.handoff.clone(),
            ending: Rc::default(),
            running: false,
            lifeline,
        }
    }

    /// The circuit is the node's. Its shared link tells it that the node was lost, once however many
    /// seats lost it, and tells of it.
    fn circuit(&self) -> Option<Circuit> {
        let circuit = self.lane.circuit().cloned();
        circuit.filter(|_| self.handoff.seat().is_shared())
    }

    fn wanted(&self) -> bool {
        self.lane.has_waiting()
    }

    fn observe(&mut self, event: &Event) {
        let news = match &event.kind {
            EventKind::Connected | EventKind::Reconnected { .. } => {
                if !self.handoff.seat().is_shared()
                    && let Some(circuit) = self.lane.circuit()
                {
                    // Half-open at once: the shared link may be in a long backoff.
                    circuit.connected();
                }
                self.lane.up();
                News::Up
            }
            EventKind::Disconnected { cause } => {
                self.lane.down(Some(cause.clone()));
                News::Lost
            }
            EventKind::ConnectFailed { cause, .. } => {
                self.lane.down(Some(cause.clone()));
                News::Down
            }
            EventKind::Reconnecting { delay, .. }
                if *delay > SOON && !self.handoff.seat().is_shared() =>
            {
                News::Down
            }
            EventKind::GaveUp { cause, .. } => {
                if self.handoff.seat().is_shared() {
                    self.lane.park(cause.clone());
                } else {
                    // What waits goes over the shared link.
                    self.lane.down(Some(cause.clone()));
                }
                News::Down
            }
            // What waits is the router's to place elsewhere.
            EventKind::Stopped => {
                self.lane.down(Some(CauseKind::Requested.into()));
                News::Down
            }
            // A parked link that is tried again: requests may wait for the attempt.
            EventKind::Connecting => {
                self.lane.down(None);
                return;
            }
            EventKind::Reconnecting { .. }
            | EventKind::Present { .. }
            | EventKind::CircuitOpened { .. }
            | EventKind::CircuitHalfOpen
            | EventKind::CircuitClosed { .. }
            | EventKind::Missed { .. }
            | EventKind::Notice(_)
            | EventKind::TopologyChanged { .. }
            | EventKind::TopologyFailed { .. } => return,
        };
        self.handoff.tell(&self.endpoint, news);
    }
}

/// One socket's life.
#[derive(Debug)]
pub(crate) struct Connection {
    endpoint: Endpoint,
    config: Arc<Config>,
    dialer: Dialer,
    lane: Arc<Lane>,
    handoff: Handoff,
    ending: Rc<Ending>,
    /// The handshake is done and the pump runs.
    running: bool,
    lifeline: Lifeline,
}

impl Connection {
    fn run(&mut self, exchange: Exchange, ctx: &mut Context<Self>) {
        let pump = Pump::new(
            exchange,
            Arc::clone(&self.lane),
            self.handoff.clone(),
            Arc::clone(&self.config),
            Rc::clone(&self.ending),
            self.lifeline.last_used(),
        );
        self.running = true;
        self.lifeline.ready();
        // The actor's mailbox carries only its supervisor's few words, so nothing can flood it and
        // starve this future; and as part of the actor's own task the socket is dropped with it.
        ctx.spawn(pump.into_actor(self).map(|cause, connection, ctx| {
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
        let dialer = self.dialer.clone();
        let endpoint = self.endpoint.clone();
        let config = Arc::clone(&self.config);
        // The supervisor's connect deadline bounds all of it.
        let connecting = async move { connect(&dialer, &endpoint, &config).await };
        ctx.spawn(
            connecting
                .into_actor(self)
                .map(|connected, connection, ctx| match connected {
                    Ok(exchange) => connection.run(exchange, ctx),
                    Err(cause) => connection.end(cause, ctx),
                }),
        );
    }
}

/// Dials and shakes hands.
pub(crate) async fn connect(
    dialer: &Dialer,
    endpoint: &Endpoint,
    config: &Config,
) -> Result<Exchange, Cause> {
    let stream = dialer.dial(endpoint).await?;
    let mut exchange = Exchange::new(stream, config.limits);
    match shake_hands(&mut exchange, config).await {
        Ok(()) => Ok(exchange),
        Err(cause) if config.tls.is_none() && !exchange.heard => Err(perhaps_for_tls(cause)),
        Err(cause) => Err(cause),
    }
}

/// A server with TLS ends a connection that begins in plain text without a word.
fn perhaps_for_tls(cause: Cause) -> Cause {
    match cause.kind() {
        CauseKind::Closed | CauseKind::Reset => {
            let detail = format!("{}; is this a port for TLS?", cause.detail());
            Cause::new(cause.kind(), detail)
        }
        _ => cause,
    }
}

impl Handler<Close> for Connection {
    type Result = ();

    fn handle(&mut self, close: Close, ctx: &mut Context<Self>) {
        if !self.running {
            // Nothing is in flight before the handshake is done.
            self.end(CauseKind::Requested.into(), ctx);
            return;
        }
        match close {
            Close::Drain => self.ending.drain(),
            Close::Now => self.ending.now(),
        }
    }
}
