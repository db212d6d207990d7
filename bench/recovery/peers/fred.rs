//! fred.

use fred::clients::Client;
use fred::interfaces::KeysInterface;
use fred::types::Value;

use super::{Peer, Target};
use crate::clients::fred::open;
use crate::failure;
use crate::support::waiting::Result;

#[derive(Clone)]
pub(crate) struct Fred(Client);

impl Peer for Fred {
    async fn connect(target: &Target) -> Result<Self> {
        open(target).await.map(Self)
    }

    async fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let set = self.0.set::<Value, _, _>(key, value, None, None, false);
        set.await.map(drop).map_err(failure)
    }

    async fn incr(&mut self, key: &str) -> Result<i64> {
        self.0.incr(key).await.map_err(failure)
    }
}
