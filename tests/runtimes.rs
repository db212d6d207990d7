//! Where a client can live: plain tokio, a `LocalSet`, arbiters; and what happens when that ends.

#![cfg(feature = "redis")]

mod support;

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use actix::{Arbiter, System};
use everlink::redis::{AnyRouter, Client, Config, Error, ErrorKind, Outcome, cmd, pipe};
use everlink::registry::{Callbacks, Registry};
use support::background;
use support::ports::Port;
use support::redis_server::{RedisServer, RedisServerOptions};
use support::waiting::{SOON, Wait};
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;

/// Far beyond what a test takes: a call that ends before has not ended by its deadline.
const NEVER: Duration = Duration::from_secs(120);

/// The tests count the threads of the process, so they run one after the other.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
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

fn serves_and_leaves_nothing(runtime: &Runtime) {
    let server = server();
    runtime.block_on(async {
        let client = Client::open(to(&server)).await.expect("a client");
        assert_eq!(increments(&client, "n").await, 1);
        assert_eq!(router_threads(), 1, "the router has a thread of its own");
        assert_eq!(clients(&server).await, 1);
        let other = client.clone();
        drop(client);
        assert_eq!(increments(&other, "n").await, 2, "one handle is left");
        drop(other);
        all_gone(&server).await;
    });
}

#[test]
fn plain_tokio_gets_a_thread_of_its_own_that_ends_with_the_last_handle() {
    let _turn = turn();
    serves_and_leaves_nothing(&multi_thread());
}

#[test]
fn callbacks_are_called_for_a_client_of_a_plain_runtime() {
    let _turn = turn();
    let server = server();
    multi_thread().block_on(async {
        let client = Client::open(to(&server)).await.expect("opened");
        let (up, mut ups) = tokio::sync::mpsc::unbounded_channel();
        let (down, mut downs) = tokio::sync::mpsc::unbounded_channel();
        Callbacks::new()
            .on_disconnect(move |event| drop(down.send(event.link.to_string())))
            .on_reconnect(move |event| drop(up.send(event.link.to_string())))
            .attach(client.registry());
        client.ready(SOON).await.expect("ready");
        client.reconnect().await.expect("a router");
        let down = soon("the end", downs.recv()).await.expect("told");
        let up = soon("the return", ups.recv()).await.expect("told");
        assert_eq!(down, format!("redis/127.0.0.1:{}", server.port()));
        assert_eq!(up, down);
    });
}

#[test]
fn a_current_thread_runtime_is_as_good() {
    let _turn = turn();
    serves_and_leaves_nothing(&current_thread());
}

#[test]
fn calls_go_on_from_another_runtime_when_the_one_that_opened_is_gone() {
    let _turn = turn();
    let server = server();
    let client = multi_thread().block_on(async {
        let client = Client::open(to(&server)).await.expect("a client");
        assert_eq!(increments(&client, "n").await, 1);
        client
    });
    current_thread().block_on(async {
        assert_eq!(increments(&client, "n").await, 2);
        drop(client);
        all_gone(&server).await;
    });
}

#[test]
fn a_local_set_can_hold_the_router_itself() {
    let _turn = turn();
    let server = server();
    let runtime = current_thread();
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let client = Client::open_with(to(&server), &Registry::start_new()).expect("a client");
        assert_eq!(increments(&client, "n").await, 1);
        assert_eq!(router_threads(), 0);
        let opened = Client::open(to(&server)).await.expect("a client");
        assert_eq!(increments(&opened, "n").await, 2);
        assert_eq!(
            router_threads(),
            1,
            "`open` looks for an arbiter, not for a LocalSet"
        );
        drop((client, opened));
        all_gone(&server).await;
    });
}

/// The least that can run a future.
fn without_a_runtime<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park_timeout(SOON),
        }
    }
}

#[test]
fn a_client_needs_no_runtime_of_its_caller() {
    let _turn = turn();
    let server = server();
    without_a_runtime(async {
        let client = Client::open(to(&server)).await.expect("a client");
        client.ready(SOON).await.expect("ready");
        assert_eq!(increments(&client, "n").await, 1);
        let counts = client.pipeline(pipe().push(cmd("INCR").arg("n"))).await;
        assert_eq!(counts.all::<i64>().expect("counted"), [2]);
        assert!(client.health_check().await.expect("a report").healthy);
        let summary = client.shutdown(SOON).await.expect("an orderly end");
        assert_eq!((summary.links, summary.drained, summary.unsent), (1, 1, 0));
    });
    aside(all_gone(&server));
}

#[test]
fn an_open_that_is_not_waited_for_leaves_nothing() {
    let _turn = turn();
    let server = server();
    multi_thread().block_on(async {
        let mut opening = std::pin::pin!(Client::open(to(&server)));
        std::future::poll_fn(|cx| {
            // The thread is started; whether it has answered is left to chance.
            drop(opening.as_mut().poll(cx));
            Poll::Ready(())
        })
        .await;
        let mut wait = Wait::up_to(SOON, "the router's thread");
        while router_threads() == 0 {
            wait.again("none").await.expect("it is started");
        }
        // Which drops the one that was under way.
        opening.set(Client::open(to(&server)));
        all_gone(&server).await;
    });
}

#[test]
fn a_thread_whose_actix_system_has_ended_is_a_plain_one() {
    let _turn = turn();
    let server = server();
    System::new().block_on(async {});
    serves_and_leaves_nothing(&multi_thread());
    current_thread().block_on(all_gone(&server));
}

#[test]
fn one_client_serves_other_arbiters_and_plain_threads() {
    let _turn = turn();
    let server = server();
    System::new().block_on(async {
        let client = Client::open(to(&server)).await.expect("a client");
        assert_eq!(increments(&client, "n").await, 1);
        assert_eq!(router_threads(), 0, "the router lives on this arbiter");

        let arbiters: Vec<Arbiter> = (0..3).map(|_| Arbiter::new()).collect();
        let (told, mut done) = tokio::sync::mpsc::unbounded_channel();
        for arbiter in &arbiters {
            let (client, told) = (client.clone(), told.clone());
            arbiter.spawn(async move {
                for _ in 0..50 {
                    increments(&client, "n").await;
                }
                told.send(()).expect("the test waits");
            });
        }
        let plain = client.clone();
        thread::spawn(move || {
            current_thread().block_on(async {
                for _ in 0..50 {
                    increments(&plain, "n").await;
                }
            });
            told.send(()).expect("the test waits");
        });
        for _ in 0..4 {
            soon("a thread", done.recv()).await.expect("a thread died");
        }
        assert_eq!(increments(&client, "n").await, 202);
        assert_eq!(clients(&server).await, 1, "all share one connection");
        for arbiter in arbiters {
            arbiter.stop();
            arbiter.join().expect("the arbiter ended well");
        }
        assert_eq!(increments(&client, "n").await, 203);
    });
}

/// A client whose router lives on an arbiter of its own.
fn on_an_arbiter(config: Config) -> (Arbiter, Client) {
    let arbiter = Arbiter::new();
    let (sender, opened) = mpsc::channel();
    arbiter.spawn(async move {
        sender
            .send(Client::open(config).await)
            .expect("the test waits");
    });
    let client = opened.recv_timeout(SOON).expect("the arbiter runs");
    (arbiter, client.expect("a client"))
}

fn assert_stopped(error: &Error) {
    assert!(matches!(error.kind(), ErrorKind::Stopped), "{error}");
    assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
}

#[test]
fn the_end_of_the_routers_arbiter_answers_what_is_in_flight_and_what_waits() {
    let _turn = turn();
    let server = server();
    System::new().block_on(async {
        let (arbiter, client) = on_an_arbiter(to(&server));
        increments(&client, "n").await;
        server.pause().await.expect("paused");
        let in_flight = tokio::spawn({
            let client = client.clone();
            async move { client.query::<i64>(cmd("INCR").arg("n")).await }
        });
        wait_until_written(&server).await;

        // What waits for a server, and what waits for a first view of a cluster.
        let nobody = Port::reserve().expect("a port").number();
        let mut waiting = Vec::new();
        for scheme in ["redis", "redis-cluster"] {
            let config = Config::from_url(&format!("{scheme}://127.0.0.1:{nobody}"));
            let config = config.expect("a URL").command_timeout(NEVER);
            let (other_arbiter, other) = on_an_arbiter(config);
            let call = tokio::spawn({
                let other = other.clone();
                async move { other.query::<i64>(cmd("INCR").arg("n")).await }
            });
            let pipeline = tokio::spawn({
                let other = other.clone();
                async move { other.pipeline(pipe().push(cmd("INCR").arg("n"))).await }
            });
            tokio::task::yield_now().await;
            waiting.push((other_arbiter, other, call, pipeline));
        }

        end(arbiter);
        let error = soon("the call in flight", in_flight)
            .await
            .expect("no panic");
        let error = error.expect_err("nobody answered");
        assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
        refuses_everything(&client).await;

        for (arbiter, client, call, pipeline) in waiting {
            end(arbiter);
            let error = soon("a waiting call", call).await.expect("no panic");
            assert_stopped(&error.expect_err("nobody answered"));
            let replies = soon("a waiting pipeline", pipeline)
                .await
                .expect("no panic");
            assert_eq!(replies.len(), 1);
            assert_stopped(&replies.all::<i64>().expect_err("nobody answered"));
            refuses_everything(&client).await;
        }
        server.resume().expect("resumed");
        all_gone(&server).await;
    });
}

fn end(arbiter: Arbiter) {
    arbiter.stop();
    arbiter.join().expect("the arbiter ended well");
}

/// A client without a router answers each call at once.
async fn refuses_everything(client: &Client) {
    let call = soon("a call", client.call(cmd("GET").arg("n"))).await;
    assert_stopped(&call.expect_err("stopped"));
    let replies = soon(
        "a pipeline",
        client.pipeline(pipe().push(cmd("GET").arg("n"))),
    )
    .await;
    assert_stopped(&replies.all::<i64>().expect_err("stopped"));
    assert_stopped(
        &soon("ready", client.ready(NEVER))
            .await
            .expect_err("stopped"),
    );
    assert_stopped(
        &soon("health", client.health_check())
            .await
            .expect_err("stopped"),
    );
    assert_stopped(&soon("status", client.status()).await.expect_err("stopped"));
    assert_stopped(
        &soon("reconnect", client.reconnect())
            .await
            .expect_err("stopped"),
    );
    assert_stopped(
        &soon("shutdown", client.shutdown(NEVER))
            .await
            .expect_err("stopped"),
    );
}

/// Waits until a request was handed to the kernel, which for a paused server means that the
/// receive queue of its socket is not empty.
async fn wait_until_written(server: &RedisServer) {
    let port = format!(":{:04X}", server.port());
    let mut wait = Wait::up_to(SOON, "bytes in a receive queue of the server");
    loop {
        let table = std::fs::read_to_string("/proc/net/tcp").expect("/proc/net/tcp");
        let queued = table.lines().any(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let local = fields.get(1).is_some_and(|local| local.ends_with(&port));
            let established = fields.get(3) == Some(&"01");
            let empty = fields
                .get(4)
                .is_none_or(|queues| queues.ends_with(":00000000"));
            local && established && !empty
        });
        if queued {
            return;
        }
        wait.again("all queues are empty").await.expect("written");
    }
}

#[test]
fn stopping_the_system_answers_what_is_in_flight() {
    let _turn = turn();
    let server = server();
    let config = to(&server);
    let (sender, started) = mpsc::channel();
    let system_thread = thread::spawn(move || {
        let system = System::new();
        let client = system.block_on(Client::open(config)).expect("a client");
        sender
            .send((client, System::current()))
            .expect("the test waits");
        system.run().expect("the system ended well");
    });
    let (client, system) = started.recv_timeout(SOON).expect("the system runs");
    multi_thread().block_on(async {
        increments(&client, "n").await;
        server.pause().await.expect("paused");
        let in_flight = tokio::spawn({
            let client = client.clone();
            async move { client.query::<i64>(cmd("INCR").arg("n")).await }
        });
        wait_until_written(&server).await;
        system.stop();
        let error = soon("the call in flight", in_flight)
            .await
            .expect("no panic");
        let error = error.expect_err("nobody answered");
        assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
        refuses_everything(&client).await;
        server.resume().expect("resumed");
        all_gone(&server).await;
    });
    system_thread
        .join()
        .expect("the system's thread ended well");
}

#[test]
fn dropping_every_handle_answers_what_is_in_flight() {
    let _turn = turn();
    let server = server();
    multi_thread().block_on(async {
        let client = Client::open(to(&server)).await.expect("a client");
        increments(&client, "n").await;
        let AnyRouter::Standalone(router) = client.router().clone() else {
            panic!("a standalone server was asked for");
        };
        server.pause().await.expect("paused");
        // Unlike a call of the client, a message that is on its way holds no handle.
        let answer = tokio::spawn(router.send(cmd("INCR").arg("n")));
        drop(router);
        wait_until_written(&server).await;
        drop(client);
        let answer = soon("the message in flight", answer).await;
        let answer = answer.expect("no panic").expect("the router took it");
        let error = answer.expect_err("nobody answered");
        assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
        server.resume().expect("resumed");
        all_gone(&server).await;
    });
}

#[test]
fn fifty_clients_leave_no_connection_no_thread_and_no_socket_behind() {
    let _turn = turn();
    let server = server();
    let nobody = Port::reserve().expect("a port").number();
    multi_thread().block_on(async {
        // Whatever a first use starts for good is there from now on.
        round_of_clients(&server, nobody).await;
        let before = (connected(&server).await, threads(), sockets());
        for _ in 0..5 {
            round_of_clients(&server, nobody).await;
        }
        let mut wait = Wait::up_to(SOON, format!("the numbers of before: {before:?}"));
        loop {
            let now = (connected(&server).await, threads(), sockets());
            // What an earlier test left may end meanwhile.
            if now.0 == before.0 && now.1 <= before.1 && now.2 <= before.2 {
                break;
            }
            wait.again(format!("{now:?}")).await.expect("no leak");
        }
    });
}

/// Ten clients, some of which never reach a server, some with calls that nobody waits for.
async fn round_of_clients(server: &RedisServer, nobody: u16) {
    let mut clients = Vec::new();
    for index in 0..10 {
        let config = match index % 5 {
            0 => Config::from_url(&format!("redis://127.0.0.1:{nobody}")).expect("a URL"),
            1 => Config::from_url(&format!("redis-cluster://127.0.0.1:{nobody}")).expect("a URL"),
            _ => to(server),
        };
        let client = Client::open(config).await.expect("a client");
        if index % 5 > 1 {
            increments(&client, "n").await;
        }
        let call = client.call(cmd("INCR").arg("n"));
        drop(tokio::time::timeout(Duration::ZERO, call).await);
        clients.push(client);
    }
    drop(clients);
    all_gone(server).await;
}

async fn connected(server: &RedisServer) -> String {
    let info = server.info("clients").await.expect("INFO");
    let count = support::redis_server::field(&info, "connected_clients");
    count.unwrap_or_default().to_owned()
}

/// All threads but those on which tokio runs what blocks, which end by themselves later.
fn threads() -> usize {
    threads_where(|name| !name.starts_with("tokio-rt") && !name.starts_with("fixtures"))
}

fn sockets() -> usize {
    std::fs::read_dir("/proc/self/fd")
        .expect("/proc")
        .flatten()
        .filter_map(|file| std::fs::read_link(file.path()).ok())
        .filter(|target| target.to_string_lossy().starts_with("socket:"))
        .count()
}
