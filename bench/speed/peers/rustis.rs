//! rustis.

use rustis::client::{BatchPreparedCommand, Client};
use rustis::commands::{ListCommands, StringCommands};
use rustis::resp::BulkString;

use super::{Peer, Target};
use crate::clients::rustis::open;
use crate::failure;
use crate::support::waiting::Result;
use crate::workload::{Call, Payload};

#[derive(Clone)]
pub(crate) struct Rustis(Client);

impl Peer for Rustis {
    async fn connect(target: &Target) -> Result<Self> {
        open(target).await.map(Self)
    }

    async fn call(&mut self, call: Call, key: &str, payload: &Payload) -> Result<usize> {
        match call {
            Call::Get(_) => {
                let value: BulkString = self.0.get(key).await.map_err(failure)?;
                Ok(value.len())
            }
            Call::Set(_) => {
                self.0.set(key, &payload.text).await.map_err(failure)?;
                Ok(0)
            }
            Call::Incr => {
                self.0.incr(key).await.map_err(failure)?;
                Ok(0)
            }
            Call::Pipeline(count) => {
                let mut pipeline = self.0.create_pipeline();
                for _ in 0..count {
                    pipeline.get::<BulkString>(key).queue();
                }
                let values: Vec<BulkString> = pipeline.execute().await.map_err(failure)?;
                Ok(values.len())
            }
            Call::Range(_) => {
                let values: Vec<BulkString> = self.0.lrange(key, 0, -1).await.map_err(failure)?;
                Ok(values.len())
            }
        }
    }
}
