//! Where a client can live: plain tokio, a `LocalSet`, arbiters; and what happens when that ends.

#![cfg(feature = "redis")]

#[path = "runtimes/ends.rs"]
mod ends;
#[path = "runtimes/homes.rs"]
mod homes;
#[path = "runtimes/leaks.rs"]
mod leaks;
mod support;

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use everlink::redis::{Client, Config, cmd};
use support::background;
use support::redis_server::{RedisServer, RedisServerOptions};
use support::waiting::{Failure, SOON, Wait};
use tokio::runtime::{Builder, Runtime};

/// Far beyond what a test takes: a call that ends before has not ended by its deadline.
const NEVER: Duration = Duration::from_secs(120);

/// The tests count the threads of the process, so they run one after the other.
fn turn() -> Turn {
    static TURN: Mutex<()> = Mutex::new(());
    Turn(TURN.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Ends when the threads of the test's routers have.
struct Turn(#[expect(dead_code, reason = "held")] MutexGuard<'static, ()>);

impl Drop for Turn {
    fn drop(&mut self) {
        let ended = aside(async {
            let mut wait = Wait::up_to(SOON, "the end of the routers' threads");
            while router_threads() > 0 {
                wait.again(format!("{} left", router_threads())).await?;
            }
            Ok::<(), Failure>(())
        });
        // One that has failed has said so.
        if !thread::panicking() {
            ended.expect("the next test finds none");
        }
    }
}

/// Runs what a test does beside the runtime under test.
fn aside<F: Future>(future: F) -> F::Output {
    background::handle().block_on(future)
}

fn server() -> RedisServer {
    aside(RedisServer::start(RedisServerOptions::default().volatile())).expect("a server")
}

fn to(server: &RedisServer) -> Config {
    Config::from_url(&format!(
        "redis://127.0.0.1:{}?client_name=under_test",
        server.port()
    ))
    .expect("a URL")
    .command_timeout(NEVER)
}

async fn clients(server: &RedisServer) -> usize {
    let list = server
        .command(&["CLIENT", "LIST"])
        .await
        .expect("CLIENT LIST");
    let list = list.text().unwrap_or_default();
    list.matches("name=under_test").count()
}

/// The threads of this process that are routers' own.
fn router_threads() -> usize {
    threads_where(|name| name == "everlink")
}

fn threads_where(wanted: impl Fn(&str) -> bool) -> usize {
    std::fs::read_dir("/proc/self/task")
        .expect("/proc")
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok())
        .filter(|name| wanted(name.trim()))
        .count()
}

async fn all_gone(server: &RedisServer) {
    let mut wait = Wait::up_to(SOON, "no connection and no thread of a client");
    loop {
        let (clients, threads) = (clients(server).await, router_threads());
        if (clients, threads) == (0, 0) {
            return;
        }
        wait.again(format!("{clients} connections, {threads} threads"))
            .await
            .expect("all gone");
    }
}

async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(SOON, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what} hangs"),
    }
}

async fn increments(client: &Client, key: &str) -> i64 {
    client
        .query(cmd("INCR").arg(key))
        .await
        .expect("an increment")
}

fn multi_thread() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

fn current_thread() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}
