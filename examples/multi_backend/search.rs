//! A third kind of link beside the others: a search cluster, here of one node. It is killed while
//! documents are stored; what is asked in the meantime waits for it.

use actix::Addr;
use everlink::elasticsearch::{Bulk, ElasticClient, ElasticSettings, Request};
use everlink::manager::{Get, Manager, Register, StartAll};
use everlink::registry::Registry;
use serde_json::{Value, json};

use crate::support::opensearch::{OpenSearchCluster, found};
use crate::{PATIENCE, Result, goes_down, table};

const DOCUMENTS: usize = 100;

/// Whether every document that was acknowledged is there in the end.
pub(crate) async fn run(manager: &Addr<Manager>, registry: &Addr<Registry>) -> Result<bool> {
    let Some(server) = found() else {
        println!("no search cluster: OpenSearch is not here (`make setup` fetches it)");
        return Ok(true);
    };
    let cluster = OpenSearchCluster::start(server, 1).await?;
    let node = &cluster.nodes[0];
    let settings = ElasticSettings::from_urls([node.url()])?;
    let search = Register::elasticsearch("search", settings);
    manager.send(search).await??;
    let timeout = PATIENCE;
    for (_, started) in manager.send(StartAll { timeout }).await? {
        started?;
    }
    let client: ElasticClient = manager.send(Get::new("search")).await?.ok_or("it runs")?;
    let documents = (0..DOCUMENTS).fold(Bulk::into_index("books"), |bulk, n| {
        bulk.create(&n.to_string(), json!({ "n": n }))
    });
    let stored = client.bulk(documents).await?;
    let acknowledged = stored.items.iter().filter(|item| item.is_success()).count();

    println!("kill -9 of the search node");
    node.kill9().await?;
    goes_down(registry, "search").await?;
    table::print("the search node is killed", registry).await?;
    // It waits for the node, up to its deadline.
    let asking = {
        let count = Request::get("/books/_count").timeout(PATIENCE);
        let client = client.clone();
        actix::spawn(async move { client.send(count).await })
    };
    cluster.restart(node)?;
    let count: Value = asking.await??.into_result()?.json()?;
    table::print("the search node is back", registry).await?;
    println!("  search: {} of {acknowledged} documents", count["count"]);
    Ok(count["count"] == acknowledged)
}
