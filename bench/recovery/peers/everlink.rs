//! everlink, through its `Client`. A `SET` is marked as repeatable.

use everlink::redis::{Client, cmd};

use super::{Peer, Target};
use crate::clients::everlink::open;
use crate::failure;
use crate::support::waiting::Result;

#[derive(Clone)]
pub(crate) struct Everlink(Client);

impl Peer for Everlink {
    async fn connect(target: &Target) -> Result<Self> {
        open(target).await.map(Self)
    }

    async fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let set = cmd("SET").arg(key).arg(value).idempotent();
        self.0.query(set).await.map_err(failure)
    }

    async fn incr(&mut self, key: &str) -> Result<i64> {
        self.0.query(cmd("INCR").arg(key)).await.map_err(failure)
    }
}
