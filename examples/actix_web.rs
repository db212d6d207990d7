//! Shows: a counter API with actix-web that uses both doors (the `Client` handle, with connections of
//! each worker's own, and the router actor's address), a health page for a load balancer, a
//! status page, and an orderly end: first the web server, then the client.
//!
//! Run: `redis-server --port 6379 &` and `cargo run --example actix_web`, or with an address and a
//! URL: `cargo run --example actix_web -- 127.0.0.1:8080 redis-cluster://127.0.0.1:7000`. Then
//!
//! ```text
//! curl -X POST 127.0.0.1:8080/counters/visits     # adds one, through the Client handle
//! curl 127.0.0.1:8080/counters/visits             # reads it, by a message to the router actor
//! curl 127.0.0.1:8080/health                      # 200, or 503 when a node does not answer
//! curl 127.0.0.1:8080/status                      # how every link stands: `@1` is the first worker's
//! ```
//!
//! Expect: JSON. Kill the server and start it again: requests wait up to a second for it and then
//! answer 503, and all is well once it is back. Ctrl-C ends both in order.

use std::time::Duration;

use actix::Recipient;
use actix_web::http::StatusCode;
use actix_web::{App, HttpResponse, HttpServer, ResponseError, get, post, web};
use everlink::redis::{Client, Command, Config, Error, cmd};
use serde_json::json;

fn key(name: &str) -> String {
    format!("example:counter:{name}")
}

/// A failed command as an answer: whether it is safe to try again is part of it.
#[derive(Debug)]
struct Failed(Error);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for Failed {
    fn status_code(&self) -> StatusCode {
        StatusCode::SERVICE_UNAVAILABLE
    }

    fn error_response(&self) -> HttpResponse {
        let safe_to_repeat = self.0.outcome().is_safe_to_repeat();
        HttpResponse::build(self.status_code())
            .json(json!({ "error": self.0.to_string(), "safe_to_repeat": safe_to_repeat }))
    }
}

#[post("/counters/{name}")]
async fn increment(
    name: web::Path<String>,
    client: web::Data<Client>,
) -> Result<HttpResponse, Failed> {
    let increment = cmd("INCR").arg(key(&name));
    let value: i64 = client.query(increment).await.map_err(Failed)?;
    Ok(HttpResponse::Ok().json(json!({ "value": value })))
}

#[get("/counters/{name}")]
async fn read(
    name: web::Path<String>,
    router: web::Data<Recipient<Command>>,
) -> actix_web::Result<HttpResponse> {
    let answer = router.send(cmd("GET").arg(key(&name))).await;
    let reply = answer
        .map_err(actix_web::error::ErrorServiceUnavailable)?
        .map_err(Failed)?;
    let value: Option<i64> = reply.convert().map_err(Failed)?;
    Ok(HttpResponse::Ok().json(json!({ "value": value.unwrap_or(0) })))
}

#[get("/health")]
async fn health(client: web::Data<Client>) -> Result<HttpResponse, Failed> {
    let report = client.health_check().await.map_err(Failed)?;
    let mut response = if report.healthy {
        HttpResponse::Ok()
    } else {
        HttpResponse::ServiceUnavailable()
    };
    Ok(response.json(report))
}

#[get("/status")]
async fn status(client: web::Data<Client>) -> Result<HttpResponse, Failed> {
    Ok(HttpResponse::Ok().json(client.status().await.map_err(Failed)?))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let url = args
        .next()
        .unwrap_or_else(|| "redis://127.0.0.1:6379".to_owned());
    // A web request should not wait longer for its data than its caller does.
    let config = Config::from_url(&url)?.command_timeout(Duration::from_secs(1));
    // Opened here and not in a worker, so that it outlives all of them.
    let client = Client::open(config).await?;
    let router = web::Data::new(client.router().commands());
    let shared = client.clone();
    let server = HttpServer::new(move || {
        App::new()
            // Each worker calls over connections of its own, and so crosses no thread: this runs on
            // each of them. With `shared.clone()` they would all share one connection to each node.
            .app_data(web::Data::new(shared.here()))
            .app_data(router.clone())
            .service(increment)
            .service(read)
            .service(health)
            .service(status)
    })
    .workers(2)
    .shutdown_timeout(10)
    .bind(&address)?;
    println!("listening on {address}");

    // Returns after Ctrl-C, once the requests under way are answered: they still had the client.
    server.run().await?;
    println!("the web server has stopped");
    let summary = client.shutdown(Duration::from_secs(5)).await?;
    println!("closed {} of {} links", summary.drained, summary.links);
    Ok(())
}
