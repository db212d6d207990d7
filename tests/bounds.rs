//! Whatever a server does, what a client holds stays within its bounds: the account exactly, the
//! memory of its process within twice of them. The client runs in a process of its own, so that
//! nothing else is measured.
#![cfg(all(feature = "redis", target_os = "linux"))]

mod application;
#[path = "bounds/child.rs"]
mod child;
#[path = "bounds/figure.rs"]
mod figure;
#[path = "bounds/flood.rs"]
mod flood;
mod support;

use bytes::Bytes;

use crate::application::{SOON, TestResult};
use crate::child::{Child, Measured, REPLY_BYTES};
use crate::support::answers::Answers;
use crate::support::fake_node::{Action, FakeNode};
use crate::support::redis_server::{RedisServer, RedisServerOptions};

fn stays_within_twice(measured: Measured) {
    let Measured { grown, bound, .. } = measured;
    assert!(grown <= 2 * bound, "{grown} bytes for a bound of {bound}");
}

#[actix::test]
async fn callers_at_full_speed_and_a_server_that_does_not_read_cost_what_was_allowed() -> TestResult
{
    let server = RedisServer::start(RedisServerOptions::default().volatile()).await?;
    let mut child = Child::start("child::calls_at_full_speed", server.port())?;
    child.says("ready").await?;
    server.pause().await?;
    child.tell().await?;
    let full = child.says("full").await?;
    server.resume()?;
    child.says("empty").await?;
    stays_within_twice(full);
    Ok(())
}

/// A node that answers each `INCR` with these bytes, the last of them again and again.
async fn survives(first: &'static [u8], again: Bytes, times: usize) -> TestResult {
    let node = FakeNode::start(
        Answers::new()
            .on("INCR", move |_| {
                let mut actions = vec![Action::Reply(Bytes::from_static(first))];
                actions.resize(1 + times, Action::Reply(again.clone()));
                actions
            })
            .script(),
    )?;
    let mut child = Child::start("child::reads_what_comes", node.port())?;
    child.says("ready").await?;
    child.tell().await?;
    let done = child.says("empty").await?;
    stays_within_twice(done);
    // Each call ended a connection: none of it was taken for a reply.
    assert!(node.connections() > child::ROUNDS, "{}", node.connections());
    Ok(())
}

fn zeros() -> Bytes {
    Bytes::from(vec![b'0'; 64 * 1024])
}

#[actix::test]
async fn a_reply_of_ten_gigabytes_is_refused_by_its_header() -> TestResult {
    survives(b"$10737418240\r\n", zeros(), 160 * 1024).await
}

#[actix::test]
async fn a_reply_whose_parts_are_allowed_and_whose_whole_is_not_ends_at_the_bound() -> TestResult {
    const PART: usize = 1024 * 1024;
    let mut part = format!("${PART}\r\n").into_bytes();
    part.resize(part.len() + PART, b'0');
    part.extend_from_slice(b"\r\n");
    survives(b"*1000\r\n", part.into(), 1000).await
}

#[actix::test]
async fn a_line_without_an_end_ends_at_the_bound() -> TestResult {
    survives(b"+", zeros(), 10 * REPLY_BYTES / (64 * 1024)).await
}

#[actix::test]
async fn a_million_nested_arrays_are_refused_at_the_depth_that_is_allowed() -> TestResult {
    survives(b"*1\r\n", Bytes::from("*1\r\n".repeat(10_000)), 100).await
}

#[actix::test]
async fn lengths_beyond_what_a_number_holds_are_refused_by_their_header() -> TestResult {
    for header in [
        &b"$9223372036854775807\r\n"[..],
        b"$9223372036854775808\r\n",
        b"*9223372036854775807\r\n",
        b"%9223372036854775807\r\n",
        b"$18446744073709551615\r\n",
    ] {
        survives(header, zeros(), 1000).await?;
    }
    Ok(())
}
