//! Old servers, servers that say too much, and servers that say nothing.

use std::time::Duration;

use everlink::event::EventKind;
use everlink::exit::CauseKind;
use everlink::redis::config::{Protocol, Supervision};
use everlink::redis::{Outcome, cmd};

use crate::application::{Application, TestResult, standalone};
use crate::support::answers::Answers;
use crate::support::fake_node::{Action, FakeNode, Received};
use crate::support::replies;

const CANARY: &str = "canary-password";

fn lines(node: &FakeNode) -> Vec<String> {
    node.received().iter().map(Received::line).collect()
}

/// What an application could print or send elsewhere.
async fn everything_told(application: &Application) -> String {
    let error = application
        .error(cmd("GET").arg("k").timeout(Duration::from_millis(50)))
        .await;
    let (events, lines) = (application.events(), application.lines());
    let json = serde_json::to_string(&events).expect("events are serializable");
    let status = application.client.status().await.expect("a snapshot");
    let health = application.client.health_check().await.expect("a report");
    let client = &application.client;
    format!("{error} {error:?} {events:?} {lines:?} {json} {status:?} {health:?} {client:?}")
}

#[actix::test]
async fn an_old_server_without_hello_is_signed_in_to_with_auth() -> TestResult {
    let script = Answers::new()
        .old_server()
        .password("app", "secret")
        .on("GET", |_| Action::reply(replies::nil()));
    let node = FakeNode::start(script.script())?;
    let config = standalone(node.port())
        .username("app")
        .password("secret")
        .database(2);
    let application = Application::ready(config).await?;
    let value: Option<String> = application.client.query(cmd("GET").arg("k")).await?;
    assert_eq!(value, None);
    let lines = lines(&node);
    assert!(lines[0].starts_with("HELLO 3 AUTH app secret"), "{lines:?}");
    let auth = lines.iter().position(|line| line == "AUTH app secret");
    let select = lines.iter().rposition(|line| line == "SELECT 2");
    assert!(auth.is_some() && auth < select, "{lines:?}");
    assert_eq!(node.connections(), 1);
    Ok(())
}

#[actix::test]
async fn a_server_that_answers_hello_with_noauth_is_signed_in_to_with_auth() -> TestResult {
    let signed_in = std::sync::Mutex::new(std::collections::BTreeSet::new());
    let node = FakeNode::start(move |received| {
        let mut signed_in = signed_in.lock().expect("no panic");
        let known = signed_in.contains(&received.connection);
        Action::reply(match received.line().as_str() {
            "AUTH secret" => {
                signed_in.insert(received.connection);
                replies::ok()
            }
            line if line.starts_with("HELLO") => replies::error("NOAUTH Authentication required."),
            _ if !known => replies::error("NOAUTH Authentication required."),
            "GET k" => replies::bulk("v"),
            _ => replies::ok(),
        })
    })?;
    let application = Application::ready(standalone(node.port()).password("secret")).await?;
    assert_eq!(
        application
            .client
            .query::<String>(cmd("GET").arg("k"))
            .await?,
        "v"
    );
    assert_eq!(node.received_named("AUTH").len(), 1);
    Ok(())
}

#[actix::test]
async fn an_error_that_repeats_the_password_leaks_it_nowhere() -> TestResult {
    // As Redis before 6.0 does with the arguments of an unknown command.
    let parrot = |received: &Received| {
        let words: Vec<String> = (1..received.args.len())
            .map(|index| format!("`{}`", received.text(index)))
            .collect();
        let name = received.text(0);
        let arguments = words.join(", ");
        let text = format!("ERR unknown command `{name}`, with args beginning with: {arguments}");
        Action::reply(replies::error(&text))
    };
    for protocol in [Protocol::Auto, Protocol::Resp2, Protocol::Resp3] {
        let node = FakeNode::start(parrot)?;
        let config = standalone(node.port())
            .username("app")
            .password(CANARY)
            .protocol(protocol)
            .supervision(Supervision::default().park_probe(None));
        let shown = format!("{config:?}");
        let application = Application::open(config).await?;
        application.told("gave_up", 1).await;
        // It was really said, and by the server repeated.
        assert!(lines(&node).iter().any(|line| line.contains(CANARY)));
        let told = everything_told(&application).await;
        assert!(!told.contains(CANARY) && !shown.contains(CANARY), "{told}");
    }
    Ok(())
}

#[actix::test]
async fn a_server_that_demands_resp2_where_resp3_is_required_parks_the_link() -> TestResult {
    let node = FakeNode::start(Answers::new().old_server().script())?;
    let config = standalone(node.port()).protocol(Protocol::Resp3);
    let application = Application::open(config).await?;
    let gave_up = application.told("gave_up", 1).await;
    assert!(
        matches!(&gave_up, EventKind::GaveUp { cause, .. } if cause.kind() == CauseKind::Misconfigured),
        "{gave_up}"
    );
    Ok(())
}

#[actix::test]
async fn a_server_that_accepts_and_never_answers_is_given_up_by_the_connect_deadline() -> TestResult
{
    let node = FakeNode::start(|_| vec![Action::Silence])?;
    let timeout = Duration::from_millis(150);
    let application = Application::open(standalone(node.port()).connect_timeout(timeout)).await?;
    let began = tokio::time::Instant::now();
    let failed = application.told("connect_failed", 2).await;
    assert!(began.elapsed() >= timeout);
    assert!(
        matches!(&failed, EventKind::ConnectFailed { cause, .. } if cause.kind() == CauseKind::ConnectTimeout),
        "{failed}"
    );
    let short = cmd("INCR").arg("n").timeout(Duration::from_millis(50));
    assert_eq!(application.error(short).await.outcome(), Outcome::NotSent);

    // At most one socket at a time, and it heals as soon as the node speaks.
    assert!(node.open_connections() <= 1);
    let script = Answers::new().on("INCR", |_| Action::reply(replies::int(1)));
    node.retarget(script.script());
    assert_eq!(
        application
            .client
            .query::<u32>(cmd("INCR").arg("n"))
            .await?,
        1
    );
    Ok(())
}

#[actix::test]
async fn a_server_that_loads_at_the_handshake_is_waited_for() -> TestResult {
    let loading = |_: &Received| {
        Action::reply(replies::error(
            "LOADING Redis is loading the dataset in memory",
        ))
    };
    let node = FakeNode::start(loading)?;
    let application = Application::open(standalone(node.port())).await?;
    let failed = application.told("connect_failed", 2).await;
    assert!(
        matches!(&failed, EventKind::ConnectFailed { cause, .. } if cause.kind() == CauseKind::Unavailable),
        "{failed}"
    );
    assert_eq!(application.count("gave_up"), 0);
    Ok(())
}

#[actix::test]
async fn a_server_that_closes_in_the_handshake_is_dialled_with_backoff() -> TestResult {
    let node = FakeNode::start(|_| vec![Action::Close])?;
    let application = Application::open(standalone(node.port())).await?;
    application.told("connect_failed", 5).await;
    let delays: Vec<Duration> = application
        .events()
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::Reconnecting { delay, .. } => Some(delay),
            _ => None,
        })
        .collect();
    // Full jitter may draw small ones, but never none at all.
    assert!(
        delays.len() >= 4 && delays.iter().all(|delay| *delay > Duration::ZERO),
        "{delays:?}"
    );
    assert!(node.connections() <= 6);
    Ok(())
}
