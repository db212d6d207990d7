//! What the servers hold of a cell in the end: [`Held`].

use super::cells::Cell;
use crate::support::raw::Reply;
use crate::support::redis_cluster::RedisCluster;
use crate::support::waiting::{Failure, Result};

/// What a cell holds.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) list: Vec<u64>,
    pub(crate) counter: u64,
    /// The value, as it is.
    pub(crate) value: Option<String>,
}

impl Held {
    /// Reads a cell over a plain socket, without everlink, from the node that serves its slot.
    ///
    /// # Errors
    /// No node serves it, or what is there was not written by us.
    pub(crate) async fn read(cluster: &RedisCluster, cell: &Cell) -> Result<Self> {
        let owner = cluster.primary_of_slot(cell.slot).await?;
        let mut client = cluster.nodes()[owner].connect().await?;
        let list = client.command(&["LRANGE", &cell.list, "0", "-1"]).await?;
        let list = list.refused()?;
        let texts = list.elements().unwrap_or_default().iter();
        let counter = client.command(&["GET", &cell.counter]).await?.refused()?;
        let value = client.command(&["GET", &cell.value]).await?.refused()?;
        Ok(Self {
            list: texts
                .map(|id| number(id.text().as_deref()))
                .collect::<Result<_>>()?,
            counter: match counter {
                Reply::Nil => 0,
                counter => number(counter.text().as_deref())?,
            },
            value: value.text(),
        })
    }
}

/// The number that a text begins with; what makes it longer stands behind a colon.
fn number(text: Option<&str>) -> Result<u64> {
    let number = text.and_then(|text| text.split(':').next()?.parse().ok());
    number.ok_or_else(|| Failure::new(format!("not a number of ours: {text:?}")))
}
