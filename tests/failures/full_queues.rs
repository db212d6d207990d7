//! Queues have bounds, and the room in them comes back, however a request ends.

use std::time::Duration;

use everlink::policy::{Backoff, RestartPolicy};
use everlink::redis::config::{InFlight, Waiting};
use everlink::redis::{Error, ErrorKind, Outcome, cmd};
use futures_util::future::join_all;
use tokio::task::{JoinHandle, spawn_local};

use crate::application::{Application, SOON, TestResult, serving, standalone};
use crate::support::fault_proxy::{Ending, FaultProxy, Way};
use crate::support::waiting::Wait;
use crate::volatile;

const BOUND: usize = 10;

type Call = JoinHandle<Result<u64, Error>>;

fn start(application: &Application, timeout: Duration) -> Call {
    let client = application.client.clone();
    spawn_local(async move { client.query(cmd("INCR").arg("n").timeout(timeout)).await })
}

/// Starts five calls more than may wait: exactly those five are refused. Gives the others.
async fn fill(application: &Application, timeout: Duration) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    for _ in 0..BOUND + 5 {
        calls.push(start(application, timeout));
        tokio::task::yield_now().await;
    }
    for refused in calls.split_off(BOUND) {
        let error = refused.await.expect("no panic").expect_err("no room");
        let full = matches!(
            error.kind(),
            ErrorKind::QueueFull {
                requests: BOUND,
                ..
            }
        );
        assert!(full, "{error:?}");
        assert_eq!(error.outcome(), Outcome::NotSent);
    }
    assert!(calls.iter().all(|call| !call.is_finished()));
    calls
}

async fn outcomes(calls: Vec<Call>) -> Vec<Option<Outcome>> {
    let ends = join_all(calls).await.into_iter();
    ends.map(|end| end.expect("no panic").err().map(|error| error.outcome()))
        .collect()
}

#[actix::test]
async fn the_room_in_a_waiting_queue_comes_back_however_requests_end() -> TestResult {
    let server = volatile().await;
    let proxy = FaultProxy::start(server.port())?;
    let quick = RestartPolicy::default().with_backoff(Backoff::fixed(Duration::from_millis(10))?);
    let config = standalone(proxy.port())
        .restart(quick)
        .waiting(Waiting::default().requests(BOUND));
    let application = Application::ready(config).await?;
    for round in 1..=3 {
        proxy.refuse().await;
        proxy.end_all(Ending::Reset).await?;
        application.told("disconnected", 2 * round - 1).await;

        // Their deadline passes.
        let calls = fill(&application, Duration::from_millis(100)).await;
        assert_eq!(outcomes(calls).await, vec![Some(Outcome::NotSent); BOUND]);

        // Their callers go away.
        let calls = fill(&application, Duration::from_millis(100)).await;
        calls.iter().for_each(JoinHandle::abort);
        let mut wait = Wait::up_to(SOON, "room after the callers went away");
        while start(&application, Duration::from_millis(1))
            .await?
            .is_err_and(|error| matches!(error.kind(), ErrorKind::QueueFull { .. }))
        {
            wait.again("still full").await?;
        }

        // They are answered.
        let calls = fill(&application, SOON).await;
        proxy.accept()?;
        assert_eq!(outcomes(calls).await, vec![None; BOUND]);

        // Their connection dies while they are in flight.
        proxy.stall(Way::ToClient);
        let before = proxy.forwarded(Way::ToServer);
        let calls: Vec<Call> = (0..BOUND).map(|_| start(&application, SOON)).collect();
        let bytes = (BOUND * cmd("INCR").arg("n").wire().len()) as u64;
        let mut wait = Wait::up_to(SOON, "the calls to be written");
        while proxy.forwarded(Way::ToServer) < before + bytes {
            wait.again(proxy.forwarded(Way::ToServer)).await?;
        }
        proxy.end_all(Ending::Reset).await?;
        assert_eq!(outcomes(calls).await, vec![Some(Outcome::Unknown); BOUND]);
        proxy.heal();
        application.told("reconnected", 2 * round).await;
    }
    Ok(())
}

#[actix::test]
async fn a_server_that_does_not_read_costs_the_bytes_that_were_allowed_and_no_more() -> TestResult {
    const VALUE: usize = 64 * 1024;
    const MIB: usize = 1024 * 1024;
    let server = volatile().await;
    let config = serving(&server)
        .waiting(Waiting::default().bytes(MIB))
        .in_flight(InFlight::default().bytes(MIB));
    let application = Application::ready(config).await?;
    for _ in 0..2 {
        server.pause().await?;
        let mut calls: Vec<JoinHandle<Result<u64, Error>>> = Vec::new();
        while !calls.iter().any(JoinHandle::is_finished) {
            let client = application.client.clone();
            let push = cmd("RPUSH").arg("l").arg(vec![b'x'; VALUE]);
            calls.push(spawn_local(async move { client.query(push).await }));
            // The connection takes what it may, before it begins to distrust the silence.
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
        let refused = calls.pop().expect("the last one").await?;
        let error = refused.expect_err("refused");
        assert!(
            matches!(error.kind(), ErrorKind::QueueFull { .. }),
            "{error:?}"
        );
        assert_eq!(error.outcome(), Outcome::NotSent);
        // Two queues of one MiB each; what a request costs besides its bytes takes one place, and
        // one request crosses the bound in flight.
        let held = calls.len() * VALUE;
        assert!(
            (MIB + MIB / 2..=2 * MIB + 2 * VALUE).contains(&held),
            "{held}"
        );

        // A short deadline holds all the same, behind all of them.
        let late = application
            .client
            .call(cmd("GET").arg("k").timeout(Duration::from_millis(100)))
            .await;
        let late = late.expect_err("nobody answers");
        assert_eq!(late.outcome(), Outcome::NotSent, "{late:?}");
        server.resume()?;
        assert_eq!(outcomes(calls).await.iter().flatten().count(), 0);
    }
    assert_eq!(application.count("disconnected"), 0);
    Ok(())
}

#[actix::test]
async fn huge_values_flow_both_ways_while_neither_side_reads_for_a_while() -> TestResult {
    const VALUE: usize = 8 * 1024 * 1024;
    let server = volatile().await;
    let proxy = FaultProxy::start(server.port())?;
    let application = Application::ready(standalone(proxy.port())).await?;
    let client = &application.client;
    for way in [Way::ToServer, Way::ToClient] {
        proxy.stall(way);
        let payload = vec![b'x'; VALUE];
        let calls = (0..6).map(|_| client.query::<String>(cmd("ECHO").arg(&payload[..])));
        let stalled = async {
            // The other way stands still too before it goes on: everything between is full.
            let mut before = u64::MAX;
            let mut wait = Wait::up_to(SOON, "everything between to be full");
            loop {
                let now = proxy.forwarded(Way::ToServer) + proxy.forwarded(Way::ToClient);
                if now == before {
                    break;
                }
                before = now;
                wait.again(now).await?;
            }
            proxy.resume(way);
            Ok::<_, Box<dyn std::error::Error>>(())
        };
        let (echoes, stalled) = tokio::join!(join_all(calls), stalled);
        stalled?;
        for echo in echoes {
            assert_eq!(echo?.len(), VALUE);
        }
    }
    assert_eq!(application.count("disconnected"), 0);
    Ok(())
}
