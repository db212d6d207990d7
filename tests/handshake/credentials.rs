//! Passwords, users, databases and names on a real server.

use std::time::Duration;

use everlink::event::{EventKind, LinkState};
use everlink::exit::CauseKind;
use everlink::redis::config::{Protocol, Supervision, Timeouts};
use everlink::redis::{ErrorKind, HealthStatus, Outcome, Value, cmd};
use tokio::time::Instant;

use crate::application::{Application, SOON, TestResult, serving};
use crate::support::redis_server::{RedisServer, RedisServerOptions};

fn options() -> RedisServerOptions {
    RedisServerOptions::default().volatile()
}

#[actix::test]
async fn signs_in_with_a_password_alone_and_with_a_user() -> TestResult {
    let options = options()
        .password("open-sesame")
        .user("app on >se\u{e9}cret ~* &* +@all");
    for options in [options.clone(), options.without_hello()] {
        let server = RedisServer::start(options).await?;
        for protocol in [Protocol::Auto, Protocol::Resp2] {
            let config = serving(&server).protocol(protocol);
            for (config, user) in [
                (config.clone().password("open-sesame"), "default"),
                (
                    config.clone().username("app").password("se\u{e9}cret"),
                    "app",
                ),
            ] {
                let application = Application::ready(config).await?;
                let whoami: String = application.client.query(cmd("ACL WHOAMI")).await?;
                assert_eq!(whoami, user);
            }
        }
    }
    Ok(())
}

#[actix::test]
async fn a_server_without_hello_is_spoken_to_in_resp2() -> TestResult {
    let server = RedisServer::start(options().without_hello()).await?;
    let application = Application::ready(serving(&server).client_name("old")).await?;
    let own: String = application.client.query(cmd("CLIENT INFO")).await?;
    assert!(own.contains("name=old"), "{own}");
    // Over RESP3 it is a map.
    let setting = application.run(cmd("CONFIG GET").arg("port")).await?;
    assert!(matches!(setting, Value::Array(_)), "{setting:?}");
    assert_eq!(application.count("connect_failed"), 0);
    Ok(())
}

#[actix::test]
async fn a_wrong_password_parks_the_link_and_fails_calls_at_once_until_it_is_right() -> TestResult {
    let server = RedisServer::start(options().user("app on >old ~* &* +@all")).await?;
    // A reconnect waits so long for a link that does not come up.
    let timeouts = Timeouts::default().command(SOON).connect(SOON);
    let config = serving(&server)
        .username("app")
        .password("canary-new")
        .timeouts(timeouts);
    let application = Application::open(config).await?;
    let gave_up = application.told("gave_up", 1).await;
    let EventKind::GaveUp { cause, attempts } = gave_up else {
        panic!("{gave_up}");
    };
    assert_eq!((cause.kind(), attempts), (CauseKind::Denied, 1));

    let began = Instant::now();
    let error = application.error(cmd("GET").arg("k")).await;
    assert!(began.elapsed() < Duration::from_secs(1));
    assert!(matches!(error.kind(), ErrorKind::Parked(cause) if cause.kind() == CauseKind::Denied));
    assert_eq!(error.outcome(), Outcome::NotSent);
    let not_ready = application.client.ready(SOON).await.expect_err("parked");
    assert!(
        matches!(not_ready.kind(), ErrorKind::Parked(_)),
        "{not_ready}"
    );
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "waits for nothing"
    );
    let report = application.client.health_check().await?;
    assert!(matches!(
        report.nodes[0].status,
        HealthStatus::PingFailed { .. }
    ));
    let status = application.client.status().await?;
    assert_eq!(status[0].state, LinkState::Parked);

    // Reconnecting does not help as long as the password is wrong, and says so.
    let began = Instant::now();
    let failed = application.client.reconnect().await?;
    assert_eq!(failed, [status[0].link.clone()]);
    assert!(began.elapsed() < SOON / 2, "waits for nothing");
    server
        .command(&["ACL", "SETUSER", "app", ">canary-new"])
        .await?
        .refused()?;
    assert_eq!(application.client.reconnect().await?, []);
    let whoami: String = application.client.query(cmd("ACL WHOAMI")).await?;
    assert_eq!(whoami, "app");
    let all = format!(
        "{:?}{:#?}{status:?}{report:?}",
        application.events(),
        application.lines()
    );
    assert!(
        !all.contains("canary") && !format!("{error}{error:?}").contains("canary"),
        "{all}"
    );
    Ok(())
}

#[actix::test]
async fn calls_that_wait_for_the_first_connection_fail_as_soon_as_the_password_is_refused()
-> TestResult {
    let server = RedisServer::start(options().password("right")).await?;
    for config in [serving(&server), serving(&server).password("wrong")] {
        let application = Application::open(config).await?;
        let error = application.error(cmd("GET").arg("k")).await;
        assert!(matches!(error.kind(), ErrorKind::Parked(_)), "{error}");
        assert_eq!(error.outcome(), Outcome::NotSent);
    }
    Ok(())
}

#[actix::test]
async fn a_parked_link_is_probed_and_heals_by_itself() -> TestResult {
    let server = RedisServer::start(options().user("app on >old ~* &* +@all")).await?;
    let every = Some(Duration::from_millis(100));
    let config = serving(&server)
        .username("app")
        .password("new")
        .supervision(Supervision::default().park_probe(every));
    let application = Application::open(config).await?;
    application.told("gave_up", 2).await;
    server
        .command(&["ACL", "SETUSER", "app", ">new"])
        .await?
        .refused()?;
    application.told("connected", 1).await;
    let whoami: String = application.client.query(cmd("ACL WHOAMI")).await?;
    assert_eq!(whoami, "app");
    Ok(())
}

#[actix::test]
async fn a_deleted_user_is_shown_the_door_and_the_link_parks() -> TestResult {
    let server = RedisServer::start(options().user("app on >secret ~* &* +@all")).await?;
    let config = serving(&server).username("app").password("secret");
    let application = Application::ready(config).await?;
    server
        .command(&["ACL", "DELUSER", "app"])
        .await?
        .refused()?;
    application.told("disconnected", 1).await;
    application.told("gave_up", 1).await;
    let error = application.error(cmd("GET").arg("k")).await;
    assert!(matches!(error.kind(), ErrorKind::Parked(_)), "{error}");
    Ok(())
}

#[actix::test]
async fn every_connection_is_in_its_database_and_carries_its_name() -> TestResult {
    let server = RedisServer::start(options()).await?;
    let config = serving(&server).database(3).client_name("web-7");
    let application = Application::ready(config).await?;
    for round in 1..=2 {
        application
            .run(cmd("SET").arg(format!("k{round}")).arg("v"))
            .await?;
        let space = server.info("keyspace").await?;
        assert!(space.contains(&format!("db3:keys={round}")), "{space}");
        let clients = server.command(&["CLIENT", "LIST"]).await?.text();
        let clients = clients.unwrap_or_default();
        assert!(clients.contains("name=web-7"), "{clients}");
        server
            .command(&["CLIENT", "KILL", "TYPE", "normal"])
            .await?
            .refused()?;
        application.told("disconnected", round).await;
        application.told("reconnected", round).await;
    }
    Ok(())
}

#[actix::test]
async fn a_database_that_does_not_exist_parks_the_link() -> TestResult {
    let server = RedisServer::start(options()).await?;
    let application = Application::open(serving(&server).database(9999)).await?;
    let gave_up = application.told("gave_up", 1).await;
    assert!(
        matches!(&gave_up, EventKind::GaveUp { cause, .. } if cause.kind() == CauseKind::Misconfigured),
        "{gave_up}"
    );
    Ok(())
}

#[actix::test]
async fn a_server_with_too_many_clients_is_waited_for() -> TestResult {
    let server = RedisServer::start(options()).await?;
    let mut holder = server.connect().await?;
    holder
        .command(&["CONFIG", "SET", "maxclients", "1"])
        .await?
        .refused()?;
    let application = Application::open(serving(&server)).await?;
    for attempt in 1..=3 {
        let failed = application.told("connect_failed", attempt).await;
        assert!(
            matches!(&failed, EventKind::ConnectFailed { cause, .. }
                if matches!(cause.kind(), CauseKind::Unavailable)),
            "{failed}"
        );
    }
    assert_eq!(application.count("gave_up"), 0);
    holder
        .command(&["CONFIG", "SET", "maxclients", "100"])
        .await?
        .refused()?;
    assert_eq!(
        application
            .client
            .query::<u32>(cmd("INCR").arg("n"))
            .await?,
        1
    );
    Ok(())
}
