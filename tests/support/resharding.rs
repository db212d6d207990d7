//! Moving slots of a [`RedisCluster`] from one primary to another while clients use them.
//!
//! Step by step: [`RedisCluster::set_migrating`] opens the window in which the old owner answers
//! `ASK` or `TRYAGAIN`, [`RedisCluster::migrate_keys`] moves the keys, and
//! [`RedisCluster::finish_migration`] closes it, after which the old owner answers `MOVED`.

use bytes::Bytes;

use super::raw::Reply;
use super::redis_cluster::{RedisCluster, SLOTS};
use super::redis_server::{FIXTURE_PASSWORD, FIXTURE_USER};
use super::waiting::{Failure, Result};

/// How many keys move with one `MIGRATE`.
const BATCH: &str = "100";

impl RedisCluster {
    /// Moves `count` slots, with their keys, and returns which.
    ///
    /// # Errors
    /// `from` has fewer slots, or a node refuses.
    pub async fn reshard(&self, from: usize, to: usize, count: usize) -> Result<Vec<u16>> {
        let view = self.view(from).await?;
        let own = view.iter().find(|line| line.is_myself());
        let slots: Vec<u16> = (0..SLOTS)
            .filter(|slot| own.is_some_and(|line| line.serves(*slot)))
            .take(count)
            .collect();
        if slots.len() < count {
            let found = slots.len();
            return Err(Failure::new(format!(
                "node {from} has {found} slots, not {count}"
            )));
        }
        for slot in &slots {
            self.set_migrating(*slot, from, to).await?;
            self.migrate_keys(*slot, from, to).await?;
            self.finish_migration(*slot, from, to).await?;
        }
        Ok(slots)
    }

    /// Marks a slot as importing on `to`, then as migrating on `from`.
    ///
    /// # Errors
    /// A node refuses.
    pub async fn set_migrating(&self, slot: u16, from: usize, to: usize) -> Result<()> {
        let slot = slot.to_string();
        let (from_id, to_id) = (self.id(from).await?, self.id(to).await?);
        let importing = ["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id];
        self.tell(to, &importing).await?;
        let migrating = ["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id];
        self.tell(from, &migrating).await?;
        Ok(())
    }

    /// Moves all keys of a slot that was marked before. Returns how many.
    ///
    /// # Errors
    /// A node refuses.
    pub async fn migrate_keys(&self, slot: u16, from: usize, to: usize) -> Result<usize> {
        let slot = slot.to_string();
        let port = self.nodes()[to].port().to_string();
        let mut client = self.nodes()[from].connect().await?;
        let mut moved = 0;
        loop {
            let listing = ["CLUSTER", "GETKEYSINSLOT", &slot, BATCH];
            let reply = client.command(&listing).await?.refused()?;
            let keys = reply.elements().unwrap_or_default().iter();
            let keys: Vec<Bytes> = keys.filter_map(Reply::bytes).collect();
            if keys.is_empty() {
                return Ok(moved);
            }
            moved += keys.len();
            let mut args: Vec<Bytes> = ["MIGRATE", "127.0.0.1", &port, "", "0", "5000"]
                .iter()
                .chain(&["AUTH2", FIXTURE_USER, FIXTURE_PASSWORD, "KEYS"])
                .map(|word| Bytes::copy_from_slice(word.as_bytes()))
                .collect();
            args.extend(keys);
            client.command(&args).await?.refused()?;
        }
    }

    /// Gives a slot whose keys have moved to `to`: there first, then on `from`, then on the others.
    ///
    /// # Errors
    /// A node refuses.
    pub async fn finish_migration(&self, slot: u16, from: usize, to: usize) -> Result<()> {
        let slot = slot.to_string();
        let id = self.id(to).await?;
        let order = ["CLUSTER", "SETSLOT", &slot, "NODE", &id];
        self.tell(to, &order).await?;
        self.tell(from, &order).await?;
        for other in self.primaries().await? {
            if other != from && other != to {
                self.tell(other, &order).await?;
            }
        }
        Ok(())
    }
}
