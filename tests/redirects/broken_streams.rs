//! Bytes that no sane server sends: the connection dies, the link heals, no reply is shifted.

use std::time::Duration;

use everlink::event::EventKind;
use everlink::exit::CauseKind;
use everlink::policy::{Backoff, RestartPolicy};
use everlink::redis::config::Protocol;
use everlink::redis::resp::ReplyLimits;
use everlink::redis::{Config, ErrorKind, Outcome, cmd};
use futures_util::future::join_all;

use crate::application::{Application, SOON, TestResult};
use crate::support::answers::Answers;
use crate::support::fake_node::{Action, FakeNode, Received};
use crate::support::replies;

/// Reconnects quickly, for tests in which much breaks.
fn standalone(port: u16) -> Config {
    let backoff = Backoff::fixed(Duration::from_millis(10)).expect("valid");
    crate::application::standalone(port).restart(RestartPolicy::default().with_backoff(backoff))
}

/// A node that echoes, and answers `GET` with these bytes.
fn node(bytes: &'static [u8]) -> crate::support::waiting::Result<FakeNode> {
    FakeNode::start(
        Answers::new()
            .on("ECHO", |received| {
                Action::reply(replies::bulk(received.text(1)))
            })
            .on("GET", move |_| Action::reply(bytes))
            .script(),
    )
}

async fn echoes_are_in_step(application: &Application) -> TestResult {
    let client = &application.client;
    let echoes = join_all((0..100_u32).map(|n| client.query::<u32>(cmd("ECHO").arg(n)))).await;
    for (n, echo) in (0..).zip(echoes) {
        assert_eq!(echo?, n);
    }
    Ok(())
}

fn is_protocol_error(down: &EventKind) -> bool {
    matches!(down, EventKind::Disconnected { cause } if cause.kind() == CauseKind::Protocol)
}

#[actix::test]
async fn an_unsolicited_reply_kills_the_connection_and_heals() -> TestResult {
    let node = node(b"$-1\r\n")?;
    let application = Application::ready(standalone(node.port())).await?;
    echoes_are_in_step(&application).await?;
    for (round, bytes) in (1..).zip([replies::ok(), replies::int(7), replies::error("ERR no")]) {
        node.push_all(bytes);
        let down = application.told("disconnected", round).await;
        assert!(is_protocol_error(&down), "{down}");
        application.told("reconnected", round).await;
        echoes_are_in_step(&application).await?;
    }
    Ok(())
}

#[actix::test]
async fn one_reply_too_many_never_reaches_the_next_caller() -> TestResult {
    let node = node(b"$3\r\nown\r\n$5\r\nextra\r\n")?;
    let application = Application::ready(standalone(node.port())).await?;
    assert_eq!(
        application
            .client
            .query::<String>(cmd("GET").arg("k"))
            .await?,
        "own"
    );
    let down = application.told("disconnected", 1).await;
    assert!(is_protocol_error(&down), "{down}");
    echoes_are_in_step(&application).await
}

#[actix::test]
async fn what_cannot_be_a_reply_kills_the_connection() -> TestResult {
    let deep = vec![b"*1\r\n".as_slice(); 40_000].concat();
    let broken: [&'static [u8]; 12] = [
        b"!bad\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\r\n",
        b"\0\0\0\0",
        b":12a\r\n",
        b"$-2\r\n",
        b"$3\r\nabcd\r\n",
        b"*-7\r\n",
        b"$9999999999\r\n",
        b"*1000000000\r\n",
        b"%1000000000\r\n",
        deep.leak(),
    ];
    for bytes in broken {
        let shown = bytes[..bytes.len().min(40)].escape_ascii().to_string();
        let node = node(bytes)?;
        let application = Application::ready(standalone(node.port())).await?;
        let incr = cmd("GET").arg("k");
        let error = application.error(incr).await;
        // A read may be sent again; it is not for ever.
        assert!(
            matches!(error.kind(), ErrorKind::Exhausted { retries: 3, last } if is_lost(last)),
            "{shown}: {error:?}"
        );
        assert_eq!(error.outcome(), Outcome::Unknown, "{shown}");
        let down = application.told("disconnected", 1).await;
        assert!(is_protocol_error(&down), "{shown}: {down}");
        assert!(node.received_named("GET").len() <= 5, "{shown}");
        echoes_are_in_step(&application).await?;
    }
    Ok(())
}

fn is_lost(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Lost(_))
}

#[actix::test]
async fn a_write_whose_reply_is_broken_is_never_sent_again() -> TestResult {
    let script = Answers::new().on("INCR", |_| Action::reply(b"!bad\r\n".as_slice()));
    let node = FakeNode::start(script.script())?;
    let application = Application::ready(standalone(node.port())).await?;
    let error = application.error(cmd("INCR").arg("n")).await;
    assert_eq!(error.outcome(), Outcome::Unknown);
    application.told("reconnected", 1).await;
    assert_eq!(node.received_named("INCR").len(), 1);
    Ok(())
}

#[actix::test]
async fn the_limits_of_the_configuration_hold() -> TestResult {
    let limits = ReplyLimits::default()
        .bulk_bytes(1000)
        .elements(100)
        .depth(3);
    let cases: [(&'static [u8], bool); 4] = [
        (b"$1000\r\n", false),
        (b"$1001\r\n", true),
        (b"*101\r\n", true),
        (b"*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", true),
    ];
    for (bytes, refused) in cases {
        let node = node(bytes)?;
        let config = standalone(node.port()).limits(limits);
        let application = Application::ready(config).await?;
        // What is within the limits is waited for, in vain; what is not ends the connection.
        let timeout = if refused {
            SOON
        } else {
            Duration::from_millis(300)
        };
        let get = cmd("GET").arg("k").timeout(timeout);
        let error = application.error(get).await;
        let lost = matches!(error.kind(), ErrorKind::Exhausted { last, .. } if is_lost(last));
        assert_eq!(lost, refused, "{}: {error:?}", bytes.escape_ascii());
    }
    Ok(())
}

#[actix::test]
async fn pushes_between_replies_shift_nothing() -> TestResult {
    let push = replies::push([
        replies::bulk("invalidate"),
        replies::array([replies::bulk("k")]),
    ]);
    let unasked = push.clone();
    let echo = move |received: &Received| {
        vec![
            Action::Push(push.clone()),
            Action::Reply(replies::bulk(received.text(1))),
            Action::Push(push.clone()),
        ]
    };
    let node = FakeNode::start(Answers::new().on("ECHO", echo).script())?;
    let config = standalone(node.port()).protocol(Protocol::Resp3);
    let application = Application::ready(config).await?;
    echoes_are_in_step(&application).await?;
    node.push_all(unasked);
    echoes_are_in_step(&application).await?;
    assert_eq!(
        application.count("disconnected"),
        0,
        "{:#?}",
        application.lines()
    );
    Ok(())
}

#[actix::test]
async fn a_connection_reset_in_flight_tells_reads_from_writes() -> TestResult {
    let dying = |received: &Received| match received.connection {
        0 => vec![Action::Reset],
        _ => Action::reply(replies::int(1)),
    };
    let script = Answers::new().on("INCR", dying).on("STRLEN", dying);
    let node = FakeNode::start(script.script())?;
    let application = Application::ready(standalone(node.port())).await?;
    let (read, write) = tokio::join!(
        biased;
        application.client.query::<u32>(cmd("STRLEN").arg("n")),
        application.client.query::<u32>(cmd("INCR").arg("n")),
    );
    assert_eq!(read?, 1);
    let error = write.expect_err("it was in flight");
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert!(matches!(error.kind(), ErrorKind::Lost(_)), "{error:?}");
    assert!(node.received_named("INCR").len() <= 1);
    Ok(())
}

#[actix::test]
async fn a_command_that_was_lost_once_is_never_said_to_be_refused_or_not_sent() -> TestResult {
    // Sent again because its caller calls it idempotent; the second answer proves nothing about
    // the first sending.
    let script = Answers::new().on("APPEND", |received| match received.connection {
        0 => vec![Action::Reset],
        _ => Action::reply(replies::error("OOM command not allowed")),
    });
    let node = FakeNode::start(script.script())?;
    let application = Application::ready(standalone(node.port())).await?;
    let append = || cmd("APPEND").arg("k").arg("v").idempotent();
    let error = application.error(append()).await;
    assert_eq!(
        (error.code(), error.outcome()),
        (Some("OOM"), Outcome::Unknown)
    );

    // Lost, and then the node cannot be reached until the deadline.
    let script = Answers::new().on("APPEND", |_| vec![Action::Silence]);
    let node = FakeNode::start(script.script())?;
    let application = Application::ready(standalone(node.port())).await?;
    let call = application.error(append().timeout(Duration::from_secs(1)));
    let (error, stopped) = tokio::join!(call, async {
        node.wait_until("the first sending", |node| {
            !node.received_named("APPEND").is_empty()
        })
        .await?;
        node.stop().await
    });
    stopped?;
    assert_eq!(error.outcome(), Outcome::Unknown, "{error:?}");
    Ok(())
}
