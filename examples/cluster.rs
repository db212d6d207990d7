//! Shows: a cluster by its URL, commands through both doors (the `Client` handle and messages to
//! the router actor), a pipeline over several nodes, hash tags, and how every link stands.
//!
//! Run: with a cluster at hand, `cargo run --example cluster -- redis-cluster://127.0.0.1:7000`
//! (which is also the default). One node is enough to find the others.
//!
//! Expect: a value through each door, ten counters served by several nodes in one pipeline, a
//! refusal that says *not sent* for two keys in different slots, and a table with one line for
//! each node.

use std::time::Duration;

use everlink::redis::{Client, Config, cmd, pipe};

#[actix::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1);
    let config = Config::from_url(url.as_deref().unwrap_or("redis-cluster://127.0.0.1:7000"))?;
    let client = Client::open(config).await?;
    // Commands wait for a connection by themselves; a start that should fail early asks.
    client.ready(Duration::from_secs(5)).await?;

    // One door: a handle, which any thread and any runtime can use.
    client
        .query::<()>(cmd("SET").arg("example:city").arg("Oslo"))
        .await?;
    let city: String = client.query(cmd("GET").arg("example:city")).await?;
    println!("through the client: {city}");

    // The other door: messages to the router actor, as to any actor.
    let router = client.router().commands();
    let reply = router.send(cmd("GET").arg("example:city")).await??;
    println!("through the router: {}", reply.convert::<String>()?);

    // Each command of a pipeline goes to the node that serves its key; the answers come back in
    // order, each with a result of its own.
    let mut counters = pipe();
    for number in 0..10 {
        counters = counters.push(cmd("INCR").arg(format!("example:counter:{number}")));
    }
    let counts: Vec<i64> = client.pipeline(counters).await.all()?;
    println!("{} counters, the first is {}", counts.len(), counts[0]);

    // Commands with several keys need them in one slot: that is what a hash tag is for.
    let (one, other) = ("example:{user:7}:name", "example:{user:7}:mail");
    client
        .query::<()>(cmd("MSET").arg(one).arg("Kim").arg(other).arg("kim@host"))
        .await?;
    let both: (String, String) = client.query(cmd("MGET").arg(one).arg(other)).await?;
    println!("one slot: {both:?}");
    let scattered = client.call(cmd("MGET").arg("example:a").arg("example:b"));
    match scattered.await {
        Ok(_) => println!("example:a and example:b share a slot"),
        Err(error) => println!("two slots: {error}"),
    }

    println!(
        "\n{:<30} {:<10} {:>8} {:>5}",
        "link", "state", "connects", "lost"
    );
    for status in client.status().await? {
        println!(
            "{:<30} {:<10} {:>8} {:>5}",
            status.link.as_str(),
            status.state.to_string(),
            status.connects,
            status.disconnects
        );
    }
    let summary = client.shutdown(Duration::from_secs(5)).await?;
    println!("closed {} of {} links", summary.drained, summary.links);
    Ok(())
}
