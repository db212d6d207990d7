//! One link through random faults: whatever the peer does, callers are told the truth.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::redis::command::cmd;
use crate::redis::config::{Buffers, InFlight};
use crate::redis::connection::rig::{Rig, local, ms, request};
use crate::redis::error::Outcome;
use crate::redis::resp::{Decoder, Reply, ReplyLimits};
use crate::redis::value::Value;

/// Of the write buffer.
const WRITE_BYTES: usize = 300;
/// No request takes more.
const LARGEST: usize = 6_000;

/// How often each request reached a peer completely, over all connections.
type Seen = Rc<RefCell<HashMap<String, u32>>>;
/// All peers. One that reads what is no command panics.
type Peers = Rc<RefCell<Vec<JoinHandle<()>>>>;

/// What a peer does once it has read so many bytes.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Close,
    Garbage,
    Silence,
    HalfAReply,
}

/// The argument of an `INCR`, or none for `ASKING` and `PING`.
fn id_of(command: &Reply) -> Option<String> {
    let Reply::Value(Value::Array(words)) = command else {
        panic!("no command: {command:?}");
    };
    let id = words.get(1)?.as_bytes()?;
    Some(String::from_utf8_lossy(id).into_owned())
}

/// Answers each request with its own argument, in random pieces, until its fault.
async fn peer(mut stream: DuplexStream, mut rng: StdRng, seen: Seen) {
    let faults = [
        Fault::Close,
        Fault::Garbage,
        Fault::Silence,
        Fault::HalfAReply,
    ];
    let fault = faults[rng.random_range(0..faults.len())];
    let mut left: usize = rng.random_range(0..20_000);
    let mut decoder = Decoder::new(ReplyLimits::default());
    let mut unread = BytesMut::new();
    while left > 0 {
        let mut piece = vec![0; rng.random_range(1..1000).min(left)];
        let Ok(read @ 1..) = stream.read(&mut piece).await else {
            return;
        };
        left -= read;
        unread.extend_from_slice(&piece[..read]);
        let mut reply = Vec::new();
        while let Some(command) = decoder.decode(&mut unread).expect("well formed") {
            match id_of(&command) {
                None => reply.extend_from_slice(b"+OK\r\n"),
                Some(id) => {
                    *seen.borrow_mut().entry(id.clone()).or_default() += 1;
                    if rng.random_ratio(1, 10) {
                        reply.extend_from_slice(b">1\r\n+news\r\n");
                    }
                    reply.extend_from_slice(format!("${}\r\n{id}\r\n", id.len()).as_bytes());
                }
            }
        }
        if rng.random_ratio(1, 20) {
            sleep(ms(rng.random_range(0..300))).await;
        }
        while !reply.is_empty() {
            let cut = rng.random_range(1..=reply.len());
            if stream.write_all(&reply[..cut]).await.is_err() {
                return;
            }
            reply.drain(..cut);
            if rng.random_ratio(1, 8) {
                sleep(ms(rng.random_range(0..20))).await;
            }
        }
    }
    match fault {
        Fault::Close => {}
        Fault::Garbage => drop(stream.write_all(b"?what\r\n").await),
        Fault::HalfAReply => drop(stream.write_all(b"$100\r\nhalf").await),
        Fault::Silence => sleep(ms(100_000)).await,
    }
    // What the kernel had taken may have been executed: count it.
    let mut rest = Vec::new();
    let _ = timeout(ms(1), stream.read_to_end(&mut rest)).await;
    unread.extend_from_slice(&rest);
    while let Some(command) = decoder.decode(&mut unread).expect("well formed") {
        if let Some(id) = id_of(&command) {
            *seen.borrow_mut().entry(id).or_default() += 1;
        }
    }
}

/// Connection after connection, as a supervisor would, and what they hand back, as a router would.
async fn live(rig: Rc<Rig>, seed: u64, seen: Seen, peers: Peers) {
    let mut rng = StdRng::seed_from_u64(seed ^ 0xfeed);
    loop {
        sleep(ms(rng.random_range(0..200))).await;
        let (stream, running) = rig.connect(rng.random_range(1..600));
        rig.lane.up();
        let peer_rng = StdRng::seed_from_u64(rng.random());
        let peer = tokio::task::spawn_local(peer(stream, peer_rng, Rc::clone(&seen)));
        peers.borrow_mut().push(peer);
        let chaos = rng.random_range(0..6);
        let life = ms(rng.random_range(0..2000));
        let mut end = running.end;
        if timeout(life, &mut end).await.is_err() {
            match chaos {
                0 => end.abort(),
                1 => running.ending.now(),
                2 => {
                    rig.lane.down(None);
                    running.ending.drain();
                    if timeout(ms(1000), &mut end).await.is_err() {
                        end.abort();
                    }
                }
                _ => {}
            }
            if !end.is_finished() {
                drop(end.await);
            }
        }
        rig.lane.down(None);
        sleep(ms(1)).await;
        let bounced = std::mem::take(&mut *rig.bounced.borrow_mut());
        for bounced in bounced {
            drop(rig.lane.submit(bounced.request));
        }
    }
}

/// What waits, is in flight, is to be written, is read, and is on its way to the router.
fn held(rig: &Rig) -> (usize, usize, usize, usize, usize) {
    let (waiting, counted) = rig.lane.counted();
    assert_eq!(waiting, counted);
    let link = rig.lane.gauges().read("link".into(), None, waiting);
    let on_the_way = rig.on_the_way.held();
    (
        waiting,
        link.in_flight,
        link.write_buffer,
        link.read_buffer,
        on_the_way,
    )
}

/// The account is exact at each moment, and within its bounds: no request here is larger than what may
/// be in flight. What is left of one that is larger than the write buffer may have to be kept there.
async fn audit(rig: Rc<Rig>, seed: u64) {
    loop {
        sleep(ms(7)).await;
        let (waiting, in_flight, to_write, _, on_the_way) = held(&rig);
        let limits = &rig.config;
        let places = limits.in_flight.requests * 500;
        assert!(
            in_flight <= limits.in_flight.bytes + places,
            "seed {seed}: {in_flight}"
        );
        assert!(
            to_write <= limits.buffers.write_bytes + 14 + LARGEST,
            "seed {seed}: {to_write}"
        );
        assert!(waiting <= limits.waiting.bytes, "seed {seed}: {waiting}");
        assert!(
            on_the_way <= limits.waiting.bytes,
            "seed {seed}: {on_the_way}"
        );
    }
}

struct Call {
    id: String,
    repeatable: bool,
    /// What the caller was told; none if it went away.
    told: Option<Result<Value, Outcome>>,
}

async fn call(rig: Rc<Rig>, id: String, mut rng: StdRng) -> Call {
    sleep(ms(rng.random_range(0..10_000))).await;
    let deadline = ms(rng.random_range(1..4000));
    let repeatable = rng.random_ratio(1, 3);
    let asking = rng.random_ratio(1, 5);
    let padding = match rng.random_range(0..12) {
        // Larger than the write buffer; and so large that it is not even copied into its command.
        0 => rng.random_range(WRITE_BYTES..WRITE_BYTES * 3),
        1 => rng.random_range(4_096..LARGEST - 500),
        _ => rng.random_range(0..100),
    };
    let id = format!("{id}:{}", "x".repeat(padding));
    let began = Instant::now();
    let command = cmd("INCR").arg(Bytes::from(id.clone()));
    let (mut request, answer) = request(command, deadline);
    request.repeatable = repeatable;
    request.asking = asking;
    drop(rig.lane.submit(request));
    if rng.random_ratio(1, 6) {
        // The caller goes away.
        let _ = timeout(ms(rng.random_range(0..100)), answer).await;
        return Call {
            id,
            repeatable,
            told: None,
        };
    }
    let told = answer.await.expect("answered by its guard at least");
    let late = began.elapsed().saturating_sub(deadline);
    assert!(late <= ms(5), "{id} was answered {late:?} late: {told:?}");
    let told = Some(told.map_err(|error| error.outcome()));
    Call {
        id,
        repeatable,
        told,
    }
}

async fn run(seed: u64) {
    let rig = Rc::new(Rig::new(|config| {
        config.timeouts.command = ms(1000);
        config.health = config.health.idle(ms(700)).timeout(ms(300));
        config.in_flight = InFlight::default().requests(20).bytes(LARGEST * 2);
        config.buffers = Buffers::default().write_bytes(WRITE_BYTES);
    }));
    rig.lane.down(None);
    let seen = Seen::default();
    let keeper = tokio::task::spawn_local(Arc::clone(&rig.lane).keep());
    let accountant = tokio::task::spawn_local(audit(Rc::clone(&rig), seed));
    let peers = Peers::default();
    let link = live(Rc::clone(&rig), seed, Rc::clone(&seen), Rc::clone(&peers));
    let link = tokio::task::spawn_local(link);
    let mut rng = StdRng::seed_from_u64(seed);
    let calls: Vec<_> = (0..300)
        .map(|n| {
            let rng = StdRng::seed_from_u64(rng.random());
            tokio::task::spawn_local(call(Rc::clone(&rig), n.to_string(), rng))
        })
        .collect();
    let mut ended = Vec::new();
    for call in calls {
        let call = timeout(ms(60_000), call).await.expect("no call hangs");
        ended.push(call.unwrap_or_else(|error| panic!("seed {seed}: {error}")));
    }
    // What was written is still on its way to be counted.
    sleep(ms(1000)).await;
    link.abort();
    drop(link.await);
    accountant.abort();
    assert!(
        accountant.await.is_err_and(|end| end.is_cancelled()),
        "seed {seed}: the account"
    );
    keeper.abort();
    // The last goes when it has read all it will, if only health checks, and was silent.
    for peer in peers.take() {
        peer.await.expect("it read commands only");
    }
    sleep(ms(1)).await;
    assert_eq!(held(&rig), (0, 0, 0, 0, 0), "seed {seed}");
    let seen = seen.borrow();
    for Call {
        id,
        repeatable,
        told,
    } in ended
    {
        let times = seen.get(&id).copied().unwrap_or(0);
        assert!(
            repeatable || times <= 1,
            "seed {seed}: {id} came {times} times"
        );
        match told {
            Some(Ok(value)) => {
                let own = Value::Bulk(id.clone().into_bytes().into());
                assert_eq!(value, own, "seed {seed}");
                assert!(times >= 1);
            }
            Some(Err(Outcome::NotSent)) => {
                assert_eq!(times, 0, "seed {seed}: {id} was called not sent");
            }
            Some(Err(Outcome::Unknown)) | None => {}
            Some(Err(other)) => panic!("seed {seed}: {id} was {other}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn callers_are_told_the_truth_through_any_faults() {
    for seed in 0..40 {
        local(run(seed)).await;
    }
}
