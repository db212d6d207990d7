//! From where a client can be opened and used: runtimes, a `LocalSet`, arbiters, none at all.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use actix::{Arbiter, System};
use everlink::redis::{Client, cmd, pipe};
use everlink::registry::{Callbacks, Registry};
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

use crate::support::waiting::{SOON, Wait};
use crate::{
    all_gone, aside, clients, current_thread, increments, multi_thread, router_threads, server,
    soon, to, turn,
};

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
