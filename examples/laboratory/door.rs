//! The two ways to send a call: [`Door`].

use actix::Addr;
use everlink::redis::{AnyRouter, Client, ClusterRouter, Command, Error, Pipeline, Value, pipe};

use crate::support::waiting::{Failure, Result};

/// What a command ended with.
pub(crate) type Answer = std::result::Result<Value, Error>;

/// How a caller reaches Redis.
#[derive(Clone)]
pub(crate) enum Door {
    /// As an actor: messages to the router.
    Router(Addr<ClusterRouter>),
    /// As anybody: the handle, without a hop through the router's mailbox.
    Client(Client),
}

/// What is sent: one command as it is, several as a pipeline.
pub(crate) enum Call {
    One(Command),
    Several(Pipeline),
}

impl Call {
    pub(crate) fn of(commands: impl IntoIterator<Item = Command>) -> Self {
        let mut commands: Vec<Command> = commands.into_iter().collect();
        match commands.len() {
            1 => Self::One(commands.remove(0)),
            _ => Self::Several(commands.into_iter().fold(pipe(), Pipeline::push)),
        }
    }
}

impl Door {
    /// Every other caller uses the router's address, the others the client handle.
    ///
    /// # Errors
    /// It is the client of a single server.
    pub(crate) fn of(client: &Client, number: u64) -> Result<Self> {
        let AnyRouter::Cluster(router) = client.router() else {
            return Err(Failure::new("a cluster's client has a cluster's router"));
        };
        Ok(match number % 2 {
            0 => Self::Router(router.clone()),
            _ => Self::Client(client.clone()),
        })
    }

    /// One answer for each command; none at all if the router's mailbox is closed, which means
    /// that the call was never accepted.
    pub(crate) async fn send(self, call: Call) -> Vec<Answer> {
        match (self, call) {
            (Self::Router(router), Call::One(command)) => {
                router.send(command).await.into_iter().collect()
            }
            (Self::Router(router), Call::Several(pipeline)) => {
                router.send(pipeline).await.into_iter().flatten().collect()
            }
            (Self::Client(client), Call::One(command)) => vec![client.call(command).await],
            (Self::Client(client), Call::Several(pipeline)) => {
                client.pipeline(pipeline).await.into_iter().collect()
            }
        }
    }
}
