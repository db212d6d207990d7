//! everlink, through both doors.

use std::time::Duration;

use everlink::redis::{AnyRouter, Client, Command, Config, Pipeline, Replies, Value, cmd, pipe};

use super::{Peer, Target};
use crate::failure;
use crate::support::waiting::Result;
use crate::workload::Call;

/// `Client::call`.
#[derive(Clone)]
pub(crate) struct ThroughClient(Client);

/// Messages to the router.
#[derive(Clone)]
pub(crate) struct ThroughRouter(AnyRouter);

async fn open(target: &Target) -> Result<Client> {
    let hosts: Vec<_> = (target.ports.iter())
        .map(|port| format!("127.0.0.1:{port}"))
        .collect();
    let scheme = if target.cluster {
        "redis-cluster"
    } else {
        "redis"
    };
    let config = Config::from_url(&format!("{scheme}://{}", hosts.join(",")));
    let config = config
        .map_err(failure)?
        .command_timeout(Duration::from_secs(30));
    ready(Client::open(config).await.map_err(failure)?).await
}

async fn ready(client: Client) -> Result<Client> {
    let ready = client.ready(Duration::from_secs(10)).await;
    ready.map_err(failure)?;
    Ok(client)
}

impl ThroughClient {
    /// The same client with connections of this thread's own.
    ///
    /// # Errors
    /// They do not come up.
    pub(crate) async fn here(self) -> Result<Self> {
        ready(self.0.here()).await.map(Self)
    }
}

fn command(call: Call, key: &str, value: &str) -> Command {
    match call {
        Call::Set(_) => cmd("SET").arg(key).arg(value),
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

/// Others are asked for values of a type; here it is looked at.
fn size(call: Call, value: &Value) -> Result<usize> {
    match (call, value) {
        (Call::Get(_) | Call::Pipeline(_), Value::Bulk(bytes)) => Ok(bytes.len()),
        (Call::Range(_), Value::Array(items)) => Ok(items.len()),
        (Call::Set(_), Value::Simple(_)) | (Call::Incr, Value::Int(1..)) => Ok(0),
        _ => Err(failure("an answer of another kind")),
    }
}

/// Looks at each, as others do when they give a list of values.
fn values(replies: Replies) -> Result<usize> {
    let mut count = 0;
    for reply in replies {
        match reply.map_err(failure)? {
            Value::Bulk(_) => count += 1,
            _ => return Err(failure("an answer of another kind")),
        }
    }
    Ok(count)
}

impl Peer for ThroughClient {
    async fn connect(target: &Target) -> Result<Self> {
        open(target).await.map(Self)
    }

    async fn call(&mut self, call: Call, key: &str, value: &str) -> Result<usize> {
        if let Some(pipeline) = pipeline(call, key) {
            let replies = self.0.pipeline(pipeline).await;
            return values(replies);
        }
        let answer = self.0.call(command(call, key, value)).await;
        size(call, &answer.map_err(failure)?)
    }
}

impl Peer for ThroughRouter {
    async fn connect(target: &Target) -> Result<Self> {
        Ok(Self(open(target).await?.router().clone()))
    }

    async fn call(&mut self, call: Call, key: &str, value: &str) -> Result<usize> {
        if let Some(pipeline) = pipeline(call, key) {
            let replies = match &self.0 {
                AnyRouter::Standalone(router) => router.send(pipeline).await,
                AnyRouter::Cluster(router) => router.send(pipeline).await,
                _ => return Err(failure("a router of another kind")),
            };
            let replies = replies.map_err(failure)?;
            return values(replies);
        }
        let command = command(call, key, value);
        let answer = match &self.0 {
            AnyRouter::Standalone(router) => router.send(command).await,
            AnyRouter::Cluster(router) => router.send(command).await,
            _ => return Err(failure("a router of another kind")),
        };
        size(call, &answer.map_err(failure)?.map_err(failure)?)
    }
}
