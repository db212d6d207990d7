//! everlink, through both doors.

use bytes::Bytes;
use everlink::redis::{AnyRouter, Client, Command, FromValue, Pipeline, Replies, Value, cmd, pipe};

use super::{Peer, Target};
use crate::clients::everlink::{open, ready};
use crate::failure;
use crate::support::waiting::Result;
use crate::workload::{Call, Payload};

/// `Client::call`.
#[derive(Clone)]
pub(crate) struct ThroughClient(Client);

/// Messages to the router.
#[derive(Clone)]
pub(crate) struct ThroughRouter(AnyRouter);

impl ThroughClient {
    /// The same client with connections of this thread's own.
    ///
    /// # Errors
    /// They do not come up.
    pub(crate) async fn here(self) -> Result<Self> {
        ready(self.0.here()).await.map(Self)
    }
}

fn command(call: Call, key: &str, payload: &Payload) -> Command {
    match call {
        Call::Set(_) => cmd("SET").arg(key).arg(&payload.bytes),
        Call::Incr => cmd("INCR").arg(key),
        Call::Range(_) => cmd("LRANGE").arg(key).arg(0).arg(-1),
        Call::Get(_) | Call::Pipeline(_) => cmd("GET").arg(key),
    }
}

fn pipeline(call: Call, key: &str) -> Option<Pipeline> {
    let Call::Pipeline(count) = call else {
        return None;
    };
    Some((0..count).fold(pipe(), |pipe, _| pipe.push(cmd("GET").arg(key))))
}

/// As a value of a type, which is what others are asked for.
fn typed<T: FromValue>(value: Value) -> Result<T> {
    T::from_value(value).map_err(failure)
}

fn values(replies: Replies) -> Result<usize> {
    let values = replies
        .into_iter()
        .map(|reply| typed(reply.map_err(failure)?));
    let values: Vec<Bytes> = values.collect::<Result<_>>()?;
    Ok(values.len())
}

impl Peer for ThroughClient {
    async fn connect(target: &Target) -> Result<Self> {
        open(target).await.map(Self)
    }

    async fn call(&mut self, call: Call, key: &str, payload: &Payload) -> Result<usize> {
        if let Some(pipeline) = pipeline(call, key) {
            let replies = self.0.pipeline(pipeline).await;
            return values(replies);
        }
        let command = command(call, key, payload);
        match call {
            Call::Get(_) | Call::Pipeline(_) => {
                let value: Bytes = self.0.query(command).await.map_err(failure)?;
                Ok(value.len())
            }
            Call::Set(_) => {
                self.0.query::<()>(command).await.map_err(failure)?;
                Ok(0)
            }
            Call::Incr => {
                self.0.query::<i64>(command).await.map_err(failure)?;
                Ok(0)
            }
            Call::Range(_) => {
                let values: Vec<Bytes> = self.0.query(command).await.map_err(failure)?;
                Ok(values.len())
            }
        }
    }
}

impl Peer for ThroughRouter {
    async fn connect(target: &Target) -> Result<Self> {
        Ok(Self(open(target).await?.router().clone()))
    }

    async fn call(&mut self, call: Call, key: &str, payload: &Payload) -> Result<usize> {
        if let Some(pipeline) = pipeline(call, key) {
            let replies = match &self.0 {
                AnyRouter::Standalone(router) => router.send(pipeline).await,
                AnyRouter::Cluster(router) => router.send(pipeline).await,
                _ => return Err(failure("a router of another kind")),
            };
            let replies = replies.map_err(failure)?;
            return values(replies);
        }
        let command = command(call, key, payload);
        let answer = match &self.0 {
            AnyRouter::Standalone(router) => router.send(command).await,
            AnyRouter::Cluster(router) => router.send(command).await,
            _ => return Err(failure("a router of another kind")),
        };
        let value = answer.map_err(failure)?.map_err(failure)?;
        match call {
            Call::Get(_) | Call::Pipeline(_) => Ok(typed::<Bytes>(value)?.len()),
            Call::Set(_) => typed::<()>(value).map(|()| 0),
            Call::Incr => typed::<i64>(value).map(|_| 0),
            Call::Range(_) => Ok(typed::<Vec<Bytes>>(value)?.len()),
        }
    }
}
