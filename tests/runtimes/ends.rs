//! What becomes of calls when the place ends where their router lives.

use std::sync::mpsc;
use std::thread;

use actix::{Arbiter, System};
use everlink::redis::{AnyRouter, Client, Config, Error, ErrorKind, Outcome, cmd, pipe};
use tokio::task::JoinHandle;

use crate::support::ports::Port;
use crate::support::redis_server::RedisServer;
use crate::support::waiting::{SOON, Wait};
use crate::{NEVER, all_gone, increments, multi_thread, server, soon, to, turn};

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

/// A call that a server was sent and, since it is paused, does not answer.
async fn call_in_flight(client: &Client, server: &RedisServer) -> JoinHandle<Result<i64, Error>> {
    increments(client, "n").await;
    server.pause().await.expect("paused");
    let client = client.clone();
    let call = tokio::spawn(async move { client.query(cmd("INCR").arg("n")).await });
    wait_until_written(server).await;
    call
}

async fn assert_unknown(in_flight: JoinHandle<Result<i64, Error>>) {
    let result = soon("the call in flight", in_flight).await;
    let error = result.expect("no panic").expect_err("nobody answered");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
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
        let in_flight = call_in_flight(&client, &server).await;

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
        assert_unknown(in_flight).await;
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
        let in_flight = call_in_flight(&client, &server).await;
        system.stop();
        assert_unknown(in_flight).await;
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
