//! A flood of messages to a router holds up neither sockets nor timers.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use actix::{Addr, Arbiter};
use everlink::redis::{AnyRouter, Standalone, cmd};
use tokio::task::spawn_local;

use crate::application::{Application, SOON, TestResult, serving};
use crate::support::redis_server::{RedisServer, RedisServerOptions};

const MESSAGES: u32 = 1_000_000;
/// Far fewer than there is time for.
const ENOUGH: u32 = 20;

/// Puts a million messages into the mailbox at once. Each is refused at the door, so that it costs
/// the server nothing and no queue is full but the mailbox.
#[expect(
    clippy::disallowed_methods,
    reason = "that it ignores the bound is the point"
)]
fn flood(router: &Addr<Standalone>) {
    for _ in 0..MESSAGES {
        router.do_send(cmd("MONITOR"));
    }
}

async fn goes_on(from_another_arbiter: bool) -> TestResult {
    let server = RedisServer::start(RedisServerOptions::default().volatile()).await?;
    let application = Application::ready(serving(&server)).await?;
    let client = &application.client;
    let AnyRouter::Standalone(router) = client.router().clone() else {
        return Err("another router".into());
    };
    let ticks = Rc::new(Cell::new(0_u32));
    let counted = Rc::clone(&ticks);
    let ticking = spawn_local(async move {
        let mut interval = tokio::time::interval(Duration::from_millis(1));
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            counted.set(counted.get() + 1);
        }
    });
    let flooded = router.clone();
    if from_another_arbiter {
        let arbiter = Arbiter::new();
        let (done, flooding) = tokio::sync::oneshot::channel();
        arbiter.spawn_fn(move || {
            flood(&flooded);
            done.send(()).expect("the test waits");
        });
        flooding.await?;
        arbiter.stop();
    } else {
        flood(&flooded);
    }
    // The last of the messages, behind all others.
    let last = spawn_local(router.send(cmd("ECHO").arg("last").timeout(6 * SOON)));
    let (before, mut pings) = (ticks.get(), 0_u32);
    while !last.is_finished() && (pings < ENOUGH || ticks.get() < before + ENOUGH) {
        client.call(cmd("PING")).await?;
        pings += 1;
    }
    let behind = !last.is_finished();
    last.await???;
    ticking.abort();
    assert_eq!(application.count("disconnected"), 0);
    let ticks = ticks.get() - before;
    assert!(
        behind && pings >= ENOUGH,
        "{pings} calls, {ticks} ticks before it was over"
    );
    Ok(())
}

#[actix::test]
async fn a_flood_from_the_routers_own_arbiter_holds_up_neither_calls_nor_timers() -> TestResult {
    goes_on(false).await
}

#[actix::test]
async fn a_flood_from_another_arbiter_holds_up_neither_calls_nor_timers() -> TestResult {
    goes_on(true).await
}
