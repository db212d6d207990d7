//! Connections that are open and dead: nothing comes any more, and nobody says so.

use std::time::Duration;

use everlink::event::EventKind;
use everlink::exit::CauseKind;
use everlink::redis::config::Health;
use everlink::redis::{Outcome, cmd};
use futures_util::future::join_all;
use tokio::time::Instant;

use crate::application::{Application, SOON, TestResult, standalone};
use crate::support::fault_proxy::{FaultProxy, Way};
use crate::support::waiting::Wait;
use crate::volatile;

/// Within twice of this a stalled connection must be given up; so long that a busy machine keeps it.
const DEADLINE: Duration = Duration::from_secs(2);

fn cause(down: EventKind) -> CauseKind {
    match down {
        EventKind::Disconnected { cause } => cause.kind(),
        other => panic!("not the end of a connection: {other}"),
    }
}

#[actix::test]
async fn a_half_open_connection_in_use_is_replaced_whichever_way_is_blocked() -> TestResult {
    for way in [Way::ToClient, Way::ToServer] {
        let server = volatile().await;
        let proxy = FaultProxy::start(server.port())?;
        let config = standalone(proxy.port()).command_timeout(DEADLINE);
        let application = Application::ready(config).await?;
        proxy.stall(way);
        let began = Instant::now();
        let calls = (0..100).map(|_| application.error(cmd("INCR").arg("n")));
        for error in join_all(calls).await {
            assert_eq!(error.outcome(), Outcome::Unknown, "{way:?}");
        }
        let down = cause(application.told("disconnected", 1).await);
        assert_eq!(down, CauseKind::Stalled, "{way:?}");
        assert!(began.elapsed() < DEADLINE * 2, "{:?}", began.elapsed());
        proxy.heal();
        application.told("reconnected", 1).await;
        let incr = cmd("INCR").arg("other").timeout(SOON);
        assert_eq!(application.client.query::<u32>(incr).await?, 1);
        assert_eq!(application.count("disconnected"), 1, "{way:?}");
    }
    Ok(())
}

#[actix::test]
async fn a_half_open_connection_that_nobody_uses_is_replaced_before_it_is_used() -> TestResult {
    for way in [Way::ToClient, Way::ToServer] {
        let server = volatile().await;
        let proxy = FaultProxy::start(server.port())?;
        let health = Health::default()
            .idle(Duration::from_millis(100))
            .timeout(Duration::from_millis(200));
        let application = Application::ready(standalone(proxy.port()).health(health)).await?;
        // What a new connection asks is asked and answered: from then on it is idle.
        let mut wait = Wait::up_to(SOON, "the questions of a new connection");
        while !server
            .info("commandstats")
            .await?
            .contains("cmdstat_command:")
        {
            wait.again("no COMMAND yet").await?;
        }
        application.run(cmd("ECHO").arg("all was answered")).await?;
        proxy.stall(way);
        let down = cause(application.told("disconnected", 1).await);
        assert_eq!(down, CauseKind::Unhealthy, "{way:?}");
        proxy.heal();
        application.told("reconnected", 1).await;
        // The first call after it succeeds; nothing of it was lost on the dead connection.
        let count = application.client.query::<u32>(cmd("INCR").arg("n")).await;
        assert_eq!(count?, 1, "{way:?}");
    }
    Ok(())
}

#[actix::test]
async fn both_watches_over_silent_connections_are_on_by_default() -> TestResult {
    let config = everlink::redis::Config::standalone(crate::application::local(1));
    assert!(config.health.enabled);
    assert!(config.timeouts.command <= Duration::from_secs(5));
    assert!(config.tcp.user_timeout.is_some() && config.tcp.keepalive.is_some());
    Ok(())
}
