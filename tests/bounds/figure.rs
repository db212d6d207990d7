//! One figure for all that a client holds.

use everlink::endpoint::Endpoint;
use everlink::redis::{AnyRouter, Config, ReadMemory, cmd};
use futures_util::future::join_all;
use tokio::task::spawn_local;

use crate::application::{Application, SOON, TestResult, local, serving};
use crate::support::ports::Port;
use crate::support::redis_server::{RedisServer, RedisServerOptions};
use crate::support::waiting::Wait;

#[actix::test]
async fn the_account_tells_where_requests_are_and_is_empty_in_the_end() -> TestResult {
    const CALLS: usize = 50;
    let server = RedisServer::start(RedisServerOptions::default().volatile()).await?;
    let application = Application::ready(serving(&server)).await?;
    let client = &application.client;
    server.pause().await?;
    let value = vec![b'x'; 10_000];
    let calls: Vec<_> = (0..CALLS)
        .map(|_| {
            let (client, push) = (client.clone(), cmd("RPUSH").arg("l").arg(&value[..]));
            spawn_local(async move { client.query::<u64>(push).await })
        })
        .collect();
    let all = CALLS * value.len();
    let mut wait = Wait::up_to(SOON, "all calls in the account");
    let memory = loop {
        let memory = client.memory().await;
        let link = &memory.links[0];
        if link.waiting + link.in_flight >= all {
            break memory;
        }
        wait.again(&memory).await?;
    };
    let link = &memory.links[0];
    assert!(
        link.waiting + link.in_flight <= all + CALLS * 500,
        "{memory}"
    );
    assert!(link.write_buffer <= link.in_flight, "{memory}");
    assert_eq!(memory.total, link.total + memory.events, "{memory}");
    assert_eq!(
        link.endpoint,
        Some(Endpoint::tcp("127.0.0.1", server.port()))
    );
    server.resume()?;
    for call in join_all(calls).await {
        call??;
    }
    let mut wait = Wait::up_to(SOON, "an empty account");
    loop {
        let AnyRouter::Standalone(router) = client.router() else {
            return Err("another router".into());
        };
        let memory = router.send(ReadMemory).await?;
        if memory.total == 0 {
            return Ok(());
        }
        wait.again(memory).await?;
    }
}

#[actix::test]
async fn what_waits_for_a_first_node_is_in_the_account_too() -> TestResult {
    let nobody = Port::reserve()?;
    let config = Config::cluster([local(nobody.number())]).command_timeout(SOON);
    let application = Application::open(config).await?;
    let client = application.client.clone();
    let waits = spawn_local(async move { client.call(cmd("GET").arg("k")).await });
    let mut wait = Wait::up_to(SOON, "a request without a node");
    loop {
        let memory = application.client.memory().await;
        if memory.unplaced > 0 {
            assert!(memory.total >= memory.unplaced, "{memory}");
            break;
        }
        wait.again(memory).await?;
    }
    waits.abort();
    Ok(())
}
