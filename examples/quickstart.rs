//! Shows: a first command, typed replies, a pipeline.
//!
//! Run: `redis-server --port 6379 &` and `cargo run --example quickstart`, or with another URL:
//! `cargo run --example quickstart -- redis-cluster://127.0.0.1:7000`.
//!
//! Expect: a greeting, a counter that is one higher at each run, and the replies of a pipeline.

use everlink::redis::{Client, Config, cmd, pipe};

#[actix::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1);
    let config = Config::from_url(url.as_deref().unwrap_or("redis://127.0.0.1:6379"))?;
    let client = Client::open(config).await?;

    client
        .query::<()>(cmd("SET").arg("greeting").arg("hello"))
        .await?;
    let greeting: String = client.query(cmd("GET").arg("greeting")).await?;
    let runs: i64 = client.query(cmd("INCR").arg("runs")).await?;
    println!("{greeting}, run {runs}");

    let replies = client
        .pipeline(
            pipe()
                .push(cmd("STRLEN").arg("greeting"))
                .push(cmd("EXISTS").arg("nothing")),
        )
        .await;
    let (length, exists): (usize, bool) = replies.query()?;
    println!("{length} bytes; nothing exists: {exists}");
    Ok(())
}
