//! fred.

use fred::clients::Client;
use fred::interfaces::{KeysInterface, ListInterface};
use fred::types::Value;

use super::{Peer, Target};
use crate::clients::fred::open;
use crate::failure;
use crate::support::waiting::Result;
use crate::workload::{Call, Payload};

#[derive(Clone)]
pub(crate) struct Fred(Client);

impl Peer for Fred {
    async fn connect(target: &Target) -> Result<Self> {
        open(target).await.map(Self)
    }

    async fn call(&mut self, call: Call, key: &str, payload: &Payload) -> Result<usize> {
        match call {
            Call::Get(_) => {
                let value: bytes::Bytes = self.0.get(key).await.map_err(failure)?;
                Ok(value.len())
            }
            Call::Set(_) => {
                let set = self
                    .0
                    .set::<Value, _, _>(key, payload.bytes.clone(), None, None, false);
                set.await.map_err(failure)?;
                Ok(0)
            }
            Call::Incr => {
                self.0.incr::<i64, _>(key).await.map_err(failure)?;
                Ok(0)
            }
            Call::Pipeline(count) => {
                let pipeline = self.0.pipeline();
                for _ in 0..count {
                    pipeline.get::<Value, _>(key).await.map_err(failure)?;
                }
                let values: Vec<bytes::Bytes> = pipeline.all().await.map_err(failure)?;
                Ok(values.len())
            }
            Call::Range(_) => {
                let range = self.0.lrange::<Vec<bytes::Bytes>, _>(key, 0, -1);
                Ok(range.await.map_err(failure)?.len())
            }
        }
    }
}
