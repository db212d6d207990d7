//! The handle for callers that are no actors: [`Client`].

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use actix::{Addr, Handler, MailboxError, Message, Recipient};
use tokio::sync::oneshot;

use crate::clock::now;
use crate::endpoint::{Endpoint, LinkName};
use crate::event::Event;
use crate::policy::Force;
use crate::redis::awaited::awaited;
use crate::redis::command::{Command, KeptName, Pipeline};
use crate::redis::config::{Config, Mode};
use crate::redis::connection::Dialer;
use crate::redis::error::{Error, Result};
use crate::redis::from_value::FromValue;
use crate::redis::memory::Memory;
use crate::redis::request::{Replies, Responder};
use crate::redis::router::cluster::ClusterRouter;
use crate::redis::router::home;
use crate::redis::router::ledger::read_memory;
use crate::redis::router::operations::{
    AwaitReady, ForceBreaker, HealthCheck, HealthReport, Reconnect,
};
use crate::redis::router::routes::Shared;
use crate::redis::router::seat_book::Taken;
use crate::redis::router::shutdown::{Shutdown, ShutdownSummary};
use crate::redis::router::since::Since;
use crate::redis::router::standalone::Standalone;
use crate::redis::value::Value;
use crate::registry::{LinkStatus, Registry, Snapshot, Subscribe};

/// A handle to a server or a cluster: cheap to clone, usable from any thread and any runtime.
///
/// It hands commands to the connections directly, without a hop through the router's mailbox.
/// When the last handle and the last address of the router are dropped, the router ends and its
/// connections with it; [`Client::shutdown`] does that gracefully.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
    router: AnyRouter,
    registry: Addr<Registry>,
    taken: Taken,
}

/// The router behind a client.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AnyRouter {
    /// Of a cluster.
    Cluster(Addr<ClusterRouter>),
    /// Of one server.
    Standalone(Addr<Standalone>),
}

impl AnyRouter {
    /// The address for commands, whichever router it is: `send` a [`Command`] to it.
    pub fn commands(&self) -> Recipient<Command> {
        match self {
            Self::Cluster(router) => router.clone().recipient(),
            Self::Standalone(router) => router.clone().recipient(),
        }
    }

    async fn ask<M>(&self, message: M) -> Result<M::Result>
    where
        M: Message<Result: Send> + Send + 'static,
        ClusterRouter: Handler<M>,
        Standalone: Handler<M>,
    {
        match self {
            Self::Cluster(router) => router.send(message).await,
            Self::Standalone(router) => router.send(message).await,
        }
        .map_err(gone)
    }
}

impl Client {
    /// Starts a router for this configuration and gives a handle to it. It does not wait for a
    /// connection: commands wait for the first one, up to their deadline; see [`Client::ready`].
    ///
    /// In an actix application the router runs on the arbiter this is called on. Under a plain
    /// tokio runtime, without an actix `System`, it runs on a thread of its own.
    ///
    /// # Errors
    ///
    /// A configuration that cannot work.
    pub async fn open(config: Config) -> Result<Self> {
        config.validate()?;
        home::run(move || Self::open_with(config, &Registry::start_new())).await
    }

    /// Starts a router on the current arbiter, whose links and events belong to this registry.
    ///
    /// # Errors
    ///
    /// A configuration that cannot work.
    ///
    /// # Panics
    ///
    /// Outside of an actix arbiter or a tokio `LocalSet`.
    pub fn open_with(config: Config, registry: &Addr<Registry>) -> Result<Self> {
        let registry = registry.clone();
        let (router, shared) = match config.mode {
            Mode::Cluster => {
                let (router, shared) = ClusterRouter::launch(config, &registry)?;
                (AnyRouter::Cluster(router), shared)
            }
            Mode::Standalone => {
                let (router, shared) = Standalone::launch(config, &registry)?;
                (AnyRouter::Standalone(router), shared)
            }
        };
        Ok(Self {
            shared,
            router,
            registry,
            taken: Taken::shared(),
        })
    }

    /// The same client, with connections of this arbiter's own: its calls cross no thread. What is
    /// known of the cluster, breakers, retry budgets, events, health and every operation are shared
    /// with all other handles.
    ///
    /// Made for actix-web: call it in the factory of `HttpServer::new`, which runs on each worker.
    /// It waits for nobody: each node gets one more connection, on the current arbiter; until that
    /// is up, and while it cannot be had, commands go over the shared one. All handles that are
    /// made on one arbiter have the same connections; on the router's own thread those are the
    /// shared ones. They end when the last of these handles is dropped, or with the arbiter: then
    /// its handles go on over the shared connections.
    ///
    /// The handle may be used from other threads, and costs a thread's crossing there.
    ///
    /// # Panics
    ///
    /// Outside of an actix arbiter or a tokio `LocalSet`.
    #[must_use]
    pub fn here(&self) -> Self {
        let (seats, thread) = (self.shared.seats(), thread::current().id());
        let dialer = || Dialer::of(&self.shared.config);
        let taken = match &self.router {
            AnyRouter::Cluster(router) => seats.take(thread, router, dialer),
            AnyRouter::Standalone(router) => seats.take(thread, router, dialer),
        };
        Self {
            taken,
            ..self.clone()
        }
    }

    /// Sends one command and gives its reply as it came.
    ///
    /// Dropping the returned future takes the command back while it still waits for a connection;
    /// afterwards it may be executed.
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`](crate::redis::ErrorKind); [`Error::outcome`] tells what became of the
    /// command.
    pub async fn call(&self, command: Command) -> Result<Value> {
        let (answerer, answer) = awaited();
        self.shared.dispatch(
            self.taken.seat,
            command,
            Since::Now,
            Responder::Caller(answerer),
        );
        if answer.is_decided() {
            // Refused. A loop of such calls must not keep its thread to itself.
            tokio::task::consume_budget().await;
        }
        answer.await
    }

    /// Sends one command and converts its reply.
    ///
    /// # Errors
    ///
    /// As [`Client::call`]; and if the reply is of another type than asked for, with
    /// [`Outcome::Executed`](crate::redis::Outcome::Executed).
    pub async fn query<T: FromValue>(&self, command: Command) -> Result<T> {
        let name = KeptName::of(&command);
        let value = self.call(command).await?;
        T::from_value(value).map_err(|error| error.of(&name.to_string()))
    }

    /// Sends all commands of a pipeline, each to the node that serves it. Not a transaction: each
    /// has its own result.
    pub async fn pipeline(&self, pipeline: Pipeline) -> Replies {
        let (sender, replies) = oneshot::channel();
        let shared = &self.shared;
        let since = Since::At(now());
        shared.dispatch_all(self.taken.seat, pipeline, since, Some(sender));
        replies.await.unwrap_or_default()
    }

    /// Waits until every node that owns slots (or the one server) is up.
    ///
    /// # Errors
    ///
    /// The deadline passed, or the router was stopped. A parked link (wrong password, …) does not
    /// come up by itself soon: then it ends at once, with the cause.
    pub async fn ready(&self, timeout: Duration) -> Result<()> {
        self.router.ask(AwaitReady { timeout }).await?
    }

    /// Asks every node for a sign of life.
    ///
    /// # Errors
    ///
    /// The router was stopped.
    pub async fn health_check(&self) -> Result<HealthReport> {
        self.router.ask(HealthCheck).await
    }

    /// Replaces every connection by a new one, one node after the other, gracefully. Gives the
    /// links that did not come up.
    ///
    /// # Errors
    ///
    /// The router was stopped.
    pub async fn reconnect(&self) -> Result<Vec<LinkName>> {
        self.router.ask(Reconnect).await
    }

    /// Forces the circuit breaker of one node, or of all that are known, open or closed, or
    /// releases it. Gives the links it concerned.
    ///
    /// # Errors
    ///
    /// The router was stopped.
    pub async fn force_breaker(
        &self,
        endpoint: Option<&Endpoint>,
        force: Force,
    ) -> Result<Vec<LinkName>> {
        let endpoint = endpoint.cloned();
        self.router.ask(ForceBreaker { endpoint, force }).await
    }

    /// Ends the router gracefully, for all its handles: within `timeout`, in place of
    /// `timeouts.drain`. A second call waits with the first, and their earlier end counts.
    ///
    /// # Errors
    ///
    /// The router was stopped already.
    pub async fn shutdown(&self, timeout: Duration) -> Result<ShutdownSummary> {
        self.router.ask(Shutdown { timeout }).await
    }

    /// What the client holds on behalf of callers and servers, in bytes: one figure, and its
    /// parts. `docs/bounds.md` tells what is counted. With the events that wait in its registry,
    /// nothing if that has ended.
    pub async fn memory(&self) -> Memory {
        read_memory(Arc::clone(&self.shared), self.registry.clone()).await
    }

    /// How every link stands.
    ///
    /// # Errors
    ///
    /// The registry's arbiter has ended.
    pub async fn status(&self) -> Result<Vec<LinkStatus>> {
        self.registry.send(Snapshot).await.map_err(gone)
    }

    /// Subscribes an actor to all events. With a filter or another bound: send a [`Subscribe`] to
    /// [`Client::registry`].
    ///
    /// # Errors
    ///
    /// The registry's arbiter has ended.
    pub async fn subscribe(&self, subscriber: impl Into<Recipient<Event>>) -> Result<()> {
        let subscribe = Subscribe::new(subscriber);
        self.registry.send(subscribe).await.map_err(gone)
    }

    /// Resolves when the router has ended.
    pub(crate) fn ended(&self) -> impl Future<Output = ()> + use<> {
        let mut ended = self.shared.ended();
        async move {
            // An error means that the router and all handles are gone.
            drop(ended.wait_for(|ended| *ended).await);
        }
    }

    /// The registry that holds its links.
    pub fn registry(&self) -> &Addr<Registry> {
        &self.registry
    }

    /// The router actor, for callers that prefer messages.
    pub fn router(&self) -> &AnyRouter {
        &self.router
    }
}

fn gone(_: MailboxError) -> Error {
    Error::stopped()
}
