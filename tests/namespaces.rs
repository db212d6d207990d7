//! What the network itself can do to a connection: packets that vanish, resets, loss. Each test
//! has a network namespace of its own, with a real server in it.
#![cfg(all(feature = "redis", target_os = "linux"))]

mod application;
#[path = "namespaces/namespace.rs"]
mod namespace;
mod support;

use std::time::Duration;

use everlink::event::EventKind;
use everlink::exit::CauseKind;
use everlink::redis::config::{Health, Tcp};
use everlink::redis::{Config, Outcome, cmd};
use futures_util::future::join_all;
use tokio::time::Instant;

use crate::application::{Application, SOON, TestResult, serving};
use crate::namespace::{in_namespace, lift, rule};
use crate::support::redis_server::{RedisServer, RedisServerOptions};

const SHORT: Duration = Duration::from_millis(300);
/// What a busy machine may add.
const LATE: Duration = Duration::from_secs(3);

async fn server() -> RedisServer {
    let options = RedisServerOptions::default().volatile();
    RedisServer::start(options).await.expect("a server")
}

fn cause(event: EventKind) -> CauseKind {
    match event {
        EventKind::Disconnected { cause } | EventKind::ConnectFailed { cause, .. } => cause.kind(),
        other => panic!("not the end of a connection: {other}"),
    }
}

/// The rules that drop what goes to the server, what comes from it, or both.
fn half_open(port: u16) -> [Vec<String>; 3] {
    let to_server = format!("tcp dport {port} drop");
    let to_client = format!("tcp sport {port} drop");
    [
        vec![to_server.clone()],
        vec![to_client.clone()],
        vec![to_server, to_client],
    ]
}

/// The client drops a connection on which nothing comes any more, and is back after the rule.
async fn replaced(
    config: impl Fn(Config) -> Config,
    used: bool,
    expected: CauseKind,
) -> TestResult {
    for way in 0..3 {
        let server = server().await;
        let config = config(serving(&server)).connect_timeout(Duration::from_millis(500));
        let application = Application::ready(config).await?;
        application.run(cmd("SET").arg("n").arg(0)).await?;
        let rules = &half_open(server.port())[way];
        for words in rules {
            rule(words)?;
        }
        let began = Instant::now();
        if used {
            let calls = (0..100).map(|_| application.error(cmd("INCR").arg("n")));
            for error in join_all(calls).await {
                assert_eq!(error.outcome(), Outcome::Unknown, "{rules:?}");
            }
        }
        assert_eq!(
            cause(application.told("disconnected", 1).await),
            expected,
            "{rules:?}"
        );
        assert!(
            began.elapsed() < SHORT * 5 + LATE,
            "{rules:?}: {:?}",
            began.elapsed()
        );
        // It goes on trying while nobody answers.
        assert_eq!(
            cause(application.told("connect_failed", 1).await),
            CauseKind::ConnectTimeout,
            "{rules:?}"
        );
        lift()?;
        application.told("reconnected", 1).await;
        let other = cmd("INCR").arg("other").timeout(SOON);
        assert_eq!(application.client.query::<u32>(other).await?, 1);
        // What was called unknown was executed, or not, but never twice.
        let counted: u32 = application
            .client
            .query(cmd("GET").arg("n").timeout(SOON))
            .await?;
        assert!(counted <= 100, "{rules:?}: {counted}");
        assert_eq!(application.count("disconnected"), 1, "{rules:?}");
    }
    Ok(())
}

#[test]
fn a_connection_in_use_whose_packets_vanish_is_replaced() -> TestResult {
    in_namespace(
        "a_connection_in_use_whose_packets_vanish_is_replaced",
        async || {
            let config = |config: Config| config.command_timeout(SHORT);
            replaced(config, true, CauseKind::Stalled).await
        },
    )
}

#[test]
fn an_idle_connection_whose_packets_vanish_is_replaced() -> TestResult {
    in_namespace(
        "an_idle_connection_whose_packets_vanish_is_replaced",
        async || {
            let health = Health::default()
                .idle(Duration::from_millis(100))
                .timeout(Duration::from_millis(200));
            let config = |config: Config| config.health(health);
            replaced(config, false, CauseKind::Unhealthy).await
        },
    )
}

#[test]
fn the_kernel_gives_up_bytes_that_nobody_acknowledges() -> TestResult {
    in_namespace(
        "the_kernel_gives_up_bytes_that_nobody_acknowledges",
        async || {
            let server = server().await;
            // Nothing but TCP_USER_TIMEOUT can find it before the deadline of the call.
            let tcp = Tcp::default()
                .user_timeout(Some(Duration::from_secs(1)))
                .keepalive(None);
            let config = serving(&server)
                .tcp(tcp)
                .health(Health::default().enabled(false));
            let application = Application::ready(config).await?;
            rule(&format!("tcp dport {} drop", server.port()))?;
            let began = Instant::now();
            let error = application.error(cmd("INCR").arg("n")).await;
            assert_eq!(error.outcome(), Outcome::Unknown);
            assert!(
                began.elapsed() < Duration::from_secs(3) + LATE,
                "{:?}",
                began.elapsed()
            );
            assert_eq!(
                cause(application.told("disconnected", 1).await),
                CauseKind::Stalled
            );
            lift()?;
            let count = application.client.query::<u32>(cmd("INCR").arg("n")).await;
            assert_eq!(count?, 1);
            Ok(())
        },
    )
}

#[test]
fn a_reset_from_the_network_ends_the_connection_and_lies_about_no_call() -> TestResult {
    in_namespace(
        "a_reset_from_the_network_ends_the_connection_and_lies_about_no_call",
        async || {
            let server = server().await;
            let application = Application::ready(serving(&server)).await?;
            rule(&format!(
                "tcp dport {} reject with tcp reset",
                server.port()
            ))?;
            let calls = join_all((0..50).map(|_| application.run(cmd("INCR").arg("n"))));
            let lifted = async {
                assert_eq!(
                    cause(application.told("disconnected", 1).await),
                    CauseKind::Reset
                );
                // A dial is answered by a reset, too: the host is there.
                let failed = application.told("connect_failed", 1).await;
                assert_eq!(cause(failed), CauseKind::Refused);
                lift()
            };
            let (results, lifted) = tokio::join!(calls, lifted);
            lifted?;
            application.told("reconnected", 1).await;
            let mut acknowledged = 0;
            for result in results {
                match result {
                    Ok(_) => acknowledged += 1,
                    Err(error) => assert_eq!(error.outcome(), Outcome::Unknown, "{error}"),
                }
            }
            // No packet of what was in flight reached the server.
            let counted: Option<u32> = application.client.query(cmd("GET").arg("n")).await?;
            assert_eq!(counted.unwrap_or(0), acknowledged);
            Ok(())
        },
    )
}

#[test]
fn packets_lost_now_and_then_cost_time_and_nothing_else() -> TestResult {
    in_namespace(
        "packets_lost_now_and_then_cost_time_and_nothing_else",
        async || {
            let server = server().await;
            let application = Application::ready(serving(&server)).await?;
            for way in ["dport", "sport"] {
                rule(&format!(
                    "tcp {way} {} numgen random mod 100 < 5 drop",
                    server.port()
                ))?;
            }
            let callers = (0..8).map(async |_| {
                for _ in 0..25 {
                    let call = application.client.query::<u32>(cmd("INCR").arg("n"));
                    call.await.map_err(|error| error.to_string())?;
                }
                Ok::<_, String>(())
            });
            for end in join_all(callers).await {
                end?;
            }
            lift()?;
            let counted: u32 = application.client.query(cmd("GET").arg("n")).await?;
            assert_eq!(counted, 200);
            assert_eq!(application.count("disconnected"), 0);
            Ok(())
        },
    )
}
