//! Every byte through TLS: large ones, many ones, and those of a connection that breaks.

use bytes::Bytes;
use everlink::event::EventKind;
use everlink::exit::CauseKind;
use everlink::redis::{Outcome, cmd, pipe};
use futures_util::future::{join_all, try_join_all};

use crate::application::{Application, SOON, TestResult, local};
use crate::support::fault_proxy::{Ending, FaultProxy, Way};
use crate::support::redis_configuration::can_test_tls;
use crate::support::redis_server::RedisServer;
use crate::support::waiting::Wait;
use crate::{Ground, serving};

const MIB: usize = 1024 * 1024;

/// Bytes of which no two parts are alike.
fn value(length: usize, seed: u64) -> Bytes {
    let mut state = seed;
    let bytes = (0..length.div_ceil(8)).flat_map(|_| {
        // The step of splitmix64 is enough here.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (state ^ (state >> 31))
            .wrapping_mul(0xbf58_476d_1ce4_e5b9)
            .to_le_bytes()
    });
    bytes.take(length).collect()
}

/// A client that reaches the TLS port of the server through the proxy.
async fn through(proxy: &FaultProxy, ground: &Ground, server: &RedisServer) -> Application {
    let mut config = serving(server, ground.settings());
    config.endpoints = vec![local(proxy.port())];
    Application::ready(config).await.expect("ready")
}

fn proxy_of(server: &RedisServer) -> FaultProxy {
    let port = server.tls_port().expect("with TLS");
    FaultProxy::start(port).expect("a proxy")
}

#[actix::test]
async fn values_of_16_mib_go_both_ways_at_once() -> TestResult {
    if !can_test_tls() {
        return Ok(());
    }
    let ground = Ground::new();
    let server = ground.server().await;
    let application = Application::ready(serving(&server, ground.settings())).await?;
    let client = &application.client;
    let echo = |n: u64| async move {
        let (key, sent) = (format!("k{n}"), value(16 * MIB, n));
        client
            .query::<()>(cmd("SET").arg(&key).arg(sent.clone()))
            .await?;
        let read: Bytes = client.query(cmd("GET").arg(&key)).await?;
        assert!(read == sent, "{key} came back as something else");
        Ok::<_, everlink::redis::Error>(())
    };
    try_join_all((0..3).map(echo)).await?;
    assert_eq!(application.count("disconnected"), 0);
    Ok(())
}

#[actix::test]
async fn ten_thousand_commands_at_once_are_answered_in_their_order() -> TestResult {
    if !can_test_tls() {
        return Ok(());
    }
    let ground = Ground::new();
    let server = ground.server().await;
    let application = Application::ready(serving(&server, ground.settings())).await?;
    let client = &application.client;
    let single = (0..10_000).map(|_| client.query::<u32>(cmd("INCR").arg("single")));
    let mut pipeline = pipe();
    for n in 0..10_000 {
        pipeline.add(cmd("RPUSH").arg("piped").arg(n));
    }
    let (counted, piped) = tokio::join!(try_join_all(single), client.pipeline(pipeline));
    assert_eq!(counted?, (1..=10_000).collect::<Vec<_>>());
    let lengths: Vec<u32> = piped.all()?;
    assert_eq!(lengths, (1..=10_000).collect::<Vec<_>>());
    let list: Vec<u32> = client.query(cmd("LRANGE piped 0 -1")).await?;
    assert_eq!(list, (0..10_000).collect::<Vec<_>>());
    Ok(())
}

/// At every byte of a flood of writes: what is said of each call is what the server holds.
#[actix::test]
async fn a_connection_that_breaks_in_mid_write_tells_the_truth_of_every_call() -> TestResult {
    if !can_test_tls() {
        return Ok(());
    }
    let ground = Ground::new();
    let server = ground.server().await;
    let proxy = proxy_of(&server);
    let application = through(&proxy, &ground, &server).await;
    let client = &application.client;
    let (mut unknown, mut total) = (0, 0);
    for (round, (bytes, ending)) in [
        (1, Ending::Reset),
        (1000, Ending::Close),
        (16_500, Ending::Reset),
        (70_001, Ending::Close),
        (300_000, Ending::Reset),
        (1_000_000, Ending::Close),
        (2_500_000, Ending::Reset),
    ]
    .into_iter()
    .enumerate()
    {
        let lost = application.count("disconnected");
        proxy.cut_after(Way::ToServer, bytes, ending);
        let ids: Vec<String> = (0..200).map(|n| format!("{round}-{n}")).collect();
        let calls = ids.iter().map(|id| {
            let filler = value(20_000, 7);
            client.query::<u32>(
                cmd("EVAL")
                    .arg("return redis.call('RPUSH', KEYS[1], ARGV[1])")
                    .arg(1)
                    .arg("ids")
                    .arg(id)
                    .arg(filler),
            )
        });
        let answers = join_all(calls).await;
        application.told("disconnected", lost + 1).await;
        let held: Vec<String> = client.query(cmd("LRANGE ids 0 -1")).await?;
        for (id, answer) in ids.iter().zip(answers) {
            let times = held.iter().filter(|held| *held == id).count();
            total += 1;
            match answer.map_err(|error| error.outcome()) {
                Ok(_) => assert_eq!(times, 1, "{id} was acknowledged"),
                Err(Outcome::NotSent | Outcome::Refused) => assert_eq!(times, 0, "{id}"),
                Err(_) => {
                    assert!(times <= 1, "{id} was executed {times} times");
                    unknown += 1;
                }
            }
        }
    }
    // What was not sent went over the next connection.
    assert!(0 < unknown && unknown < total, "{unknown} of {total}");
    Ok(())
}

#[actix::test]
async fn an_end_without_a_farewell_is_closed_and_a_reset_is_a_reset() -> TestResult {
    if !can_test_tls() {
        return Ok(());
    }
    let ground = Ground::new();
    let server = ground.server().await;
    let proxy = proxy_of(&server);
    let application = through(&proxy, &ground, &server).await;
    for (count, ending, expected) in [
        (1, Ending::Close, CauseKind::Closed),
        (2, Ending::Reset, CauseKind::Reset),
    ] {
        proxy.end_all(ending).await?;
        let EventKind::Disconnected { cause } = application.told("disconnected", count).await
        else {
            panic!("{:#?}", application.lines());
        };
        assert_eq!(cause.kind(), expected, "{cause}");
        application.told("reconnected", count).await;
    }
    application.run(cmd("PING")).await?;
    Ok(())
}

#[actix::test]
async fn a_handshake_that_breaks_off_is_transient() -> TestResult {
    if !can_test_tls() {
        return Ok(());
    }
    let ground = Ground::new();
    let server = ground.server().await;
    let proxy = proxy_of(&server);
    let application = through(&proxy, &ground, &server).await;
    let mut failures = 0;
    for (ending, expected) in [
        (Ending::Reset, CauseKind::Reset),
        (Ending::Close, CauseKind::Closed),
    ] {
        // In the middle of what a server says first.
        proxy.refuse().await;
        proxy.end_all(Ending::Reset).await?;
        proxy.cut_after(Way::ToClient, 100, ending);
        proxy.accept()?;
        loop {
            failures += 1;
            let failed = application.told("connect_failed", failures).await;
            let EventKind::ConnectFailed { cause, .. } = failed else {
                panic!("{failed}");
            };
            if cause.kind() != CauseKind::Refused {
                assert_eq!(cause.kind(), expected, "{cause}");
                break;
            }
        }
        client_is_back(&application).await?;
    }
    Ok(())
}

async fn client_is_back(application: &Application) -> TestResult {
    tokio::time::timeout(SOON, application.run(cmd("PING"))).await??;
    Ok(())
}

/// Small pieces, and pauses between them: no byte stays with TLS for ever.
#[actix::test]
async fn a_slow_way_in_small_pieces_carries_everything() -> TestResult {
    if !can_test_tls() {
        return Ok(());
    }
    let ground = Ground::new();
    let server = ground.server().await;
    let proxy = proxy_of(&server);
    let application = through(&proxy, &ground, &server).await;
    proxy.stall(Way::ToServer);
    let calls = (0..100).map(|n| {
        let set = cmd("SET").arg(format!("k{n}")).arg(value(50_000, n));
        application.client.query::<()>(set)
    });
    let release = async {
        // Until all is written behind the stall, or the kernel takes no more of it.
        let mut wait = Wait::up_to(SOON, "the bytes to be written");
        loop {
            let memory = application.client.memory().await;
            let in_flight: usize = memory.links.iter().map(|link| link.in_flight).sum();
            if in_flight >= 100 * 50_000 || memory.links.iter().any(|it| it.write_buffer > 0) {
                break;
            }
            wait.again(memory).await?;
        }
        proxy.split(Way::ToServer, 1000);
        proxy.resume(Way::ToServer);
        TestResult::Ok(())
    };
    let (answers, released) = tokio::join!(try_join_all(calls), release);
    released?;
    answers?;
    for n in 0..100 {
        let get = cmd("GET").arg(format!("k{n}"));
        let read: Bytes = application.client.query(get).await?;
        assert!(read == value(50_000, n), "k{n}");
    }
    assert_eq!(application.count("disconnected"), 0);
    Ok(())
}
