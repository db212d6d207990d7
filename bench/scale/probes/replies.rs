//! Large replies: [`measure`].

use std::time::Duration;

use bytes::BytesMut;
use everlink::redis::resp::{Decoder, Reply, ReplyLimits};
use everlink::redis::{Config, Value, cmd};

use super::{middle, opened};
use crate::failure;
use crate::gauge::Gauge;
use crate::support::waiting::{Failure, Result};
use crate::table::Line;

const ROUNDS: usize = 5;
const SIZE: usize = 64;
const PUSHED_AT_ONCE: usize = 10_000;

pub(super) async fn measure(elements: usize, port: u16) -> Result<Line> {
    let config = Config::from_url(&format!("redis://127.0.0.1:{port}")).map_err(failure)?;
    let client = opened(config.command_timeout(Duration::from_secs(60))).await?;
    let key = format!("list:{elements}");
    let mut left = elements;
    client
        .query::<i64>(cmd("DEL").arg(&key))
        .await
        .map_err(failure)?;
    while left > 0 {
        let some = left.min(PUSHED_AT_ONCE);
        let push = (0..some).fold(cmd("RPUSH").arg(&key), |push, _| push.arg("v".repeat(SIZE)));
        client.query::<i64>(push).await.map_err(failure)?;
        left -= some;
    }
    let wire = wire(elements);
    let began = Gauge::now();
    let (mut taking, mut working, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    let mut most = None;
    // In turn: what the allocator kept of the last round makes the next one cheaper or dearer.
    for _ in 0..ROUNDS {
        let round = Gauge::now();
        let range = cmd("LRANGE").arg(&key).arg(0).arg(-1);
        match client.call(range).await.map_err(failure)? {
            Value::Array(items) if items.len() == elements => {}
            _ => return Err(Failure::new("another reply")),
        }
        taking.push(round.seconds() * 1_000.0);
        working.push(round.cpu_ms());
        most.get_or_insert_with(|| began.most_heap());
        plain.push(decoded(&wire, elements)?);
    }
    let (plain, working) = (middle(plain), middle(working));
    Ok(Line::default()
        .with("elements", elements as f64)
        .with("ms", middle(taking))
        .with("CPU, ms", working)
        .with("CPU per element, ns", working * 1e6 / elements as f64)
        .with("plain decoder, ms", plain)
        .with("CPU over plain decoder", working / plain)
        .with(
            "most heap per element, bytes",
            most.unwrap_or_default() / elements as f64,
        ))
}

/// The same reply, in memory.
fn wire(elements: usize) -> Vec<u8> {
    let mut wire = format!("*{elements}\r\n").into_bytes();
    let element = format!("${SIZE}\r\n{}\r\n", "v".repeat(SIZE));
    (0..elements).for_each(|_| wire.extend_from_slice(element.as_bytes()));
    wire
}

/// By the decoder alone: CPU, in milliseconds.
fn decoded(wire: &[u8], elements: usize) -> Result<f64> {
    let mut buffer = BytesMut::from(wire);
    let began = Gauge::now();
    let reply = Decoder::new(ReplyLimits::default()).decode(&mut buffer);
    match reply.map_err(failure)? {
        Some(Reply::Value(Value::Array(items))) if items.len() == elements => {}
        _ => return Err(Failure::new("another reply")),
    }
    Ok(began.cpu_ms())
}
