//! rustis. A `SET` is marked as repeatable.

use rustis::client::Client;
use rustis::commands::StringCommands;

use super::{Peer, Target};
use crate::clients::rustis::open;
use crate::failure;
use crate::support::waiting::Result;

#[derive(Clone)]
pub(crate) struct Rustis(Client);

impl Peer for Rustis {
    async fn connect(target: &Target) -> Result<Self> {
        open(target).await.map(Self)
    }

    async fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let set = self.0.set(key, value).retry_on_error(true);
        set.await.map_err(failure)
    }

    async fn incr(&mut self, key: &str) -> Result<i64> {
        self.0.incr(key).await.map_err(failure)
    }
}
