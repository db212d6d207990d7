//! The circuit breaker of a link: when calls fail at once, and when they do not any more.

use std::time::Duration;

use everlink::event::EventKind;
use everlink::policy::{BreakerSettings, BreakerState, Force, SlowCalls, Trip};
use everlink::redis::config::InFlight;
use everlink::redis::{AnyRouter, Error, ErrorKind, ForceBreaker, Outcome, cmd};
use futures_util::future::join_all;

use crate::application::{Application, SOON, TestResult, local, serving, standalone};
use crate::support::answers::Answers;
use crate::support::dialogue::{Action, Received};
use crate::support::fake_node::FakeNode;
use crate::support::redis_server::{RedisServer, RedisServerOptions};
use crate::support::waiting::Wait;

pub(crate) const SHORT: Duration = Duration::from_millis(300);
const AN_HOUR: Duration = Duration::from_secs(3600);

pub(crate) async fn server() -> RedisServer {
    let options = RedisServerOptions::default().volatile();
    RedisServer::start(options).await.expect("a server")
}

/// Stays open until something else than time closes it.
pub(crate) fn patient() -> BreakerSettings {
    BreakerSettings::default()
        .with_open(AN_HOUR, AN_HOUR)
        .expect("valid")
}

/// Answers `INCR` after a while, one after the other, and everything else at once.
pub(crate) fn slowly(delay: Duration) -> impl Fn(&Received) -> Vec<Action> + Send + Sync + 'static {
    Answers::new()
        .on("INCR", move |_| {
            vec![Action::Delay(delay), Action::Reply(":1\r\n".into())]
        })
        .script()
}

async fn status(application: &Application) -> Option<BreakerState> {
    let links = application
        .client
        .status()
        .await
        .expect("the registry lives");
    links.first().expect("one link").breaker
}

/// The calls of a test that end by their deadline.
pub(crate) async fn time_out(application: &Application, calls: usize) {
    let calls = (0..calls).map(|_| application.error(cmd("INCR").arg("n").timeout(SHORT)));
    for error in join_all(calls).await {
        assert!(matches!(error.kind(), ErrorKind::Deadline(_)), "{error}");
    }
}

/// What the circuit told, and the state in which calls are refused.
pub(crate) fn refused(error: &Error) -> (BreakerState, Option<Duration>) {
    let ErrorKind::CircuitOpen(refusal) = error.kind() else {
        panic!("not refused by the circuit: {error}");
    };
    assert_eq!(error.outcome(), Outcome::NotSent);
    assert!(error.endpoint().is_some() && error.command() == Some("INCR"));
    (refusal.state, refusal.retry_after)
}

/// The kinds of events of the link from the first change of its circuit on, in order; those
/// between two of these left out.
fn kinds(application: &Application, of_interest: &[&str]) -> Vec<String> {
    let events = application.events();
    let names = events.iter().map(|event| event.kind.name().to_owned());
    names
        .filter(|name| of_interest.contains(&&**name))
        .collect()
}

#[actix::test]
async fn calls_fail_at_once_when_those_before_were_not_answered_until_the_link_is_new() -> TestResult
{
    let server = server().await;
    let application = Application::ready(serving(&server).breaker(Some(patient()))).await?;
    application.run(cmd("SET").arg("n").arg(0)).await?;
    assert_eq!(status(&application).await, Some(BreakerState::Closed));
    server.pause().await?;
    time_out(&application, 5).await;

    let began = tokio::time::Instant::now();
    let error = application.error(cmd("INCR").arg("n")).await;
    assert!(began.elapsed() < SOON / 2, "it did not wait");
    let (state, retry_after) = refused(&error);
    assert_eq!(state, BreakerState::Open);
    assert!(retry_after.is_some_and(|after| after > AN_HOUR / 2 && after <= AN_HOUR));
    let opened = application.told("circuit_opened", 1).await;
    assert!(
        matches!(
            opened,
            EventKind::CircuitOpened {
                trip: Trip::Consecutive { failures: 5 },
                retry_after: Some(_)
            }
        ),
        "{opened}"
    );
    assert_eq!(status(&application).await, Some(BreakerState::Open));

    server.kill9().await?;
    application.told("disconnected", 1).await;
    server.restart().await?;
    application.told("circuit_half_open", 1).await;
    for n in 1..=3_u32 {
        let counted: u32 = application.client.query(cmd("INCR").arg("n")).await?;
        assert_eq!(counted, n);
    }
    application.told("circuit_closed", 1).await;
    assert_eq!(status(&application).await, Some(BreakerState::Closed));
    let told = kinds(
        &application,
        &[
            "connected",
            "circuit_opened",
            "disconnected",
            "reconnected",
            "circuit_half_open",
            "circuit_closed",
        ],
    );
    assert_eq!(
        told.join(" "),
        "connected circuit_opened disconnected reconnected circuit_half_open circuit_closed"
    );
    let link = application.client.status().await?[0].link.clone();
    let events = application.events();
    let sequence = events
        .iter()
        .filter(|event| event.link == link && event.sequence > 0);
    let sequence: Vec<u64> = sequence.map(|event| event.sequence).collect();
    assert!(
        sequence.windows(2).all(|pair| pair[0] + 1 == pair[1]),
        "{:#?}",
        application.lines()
    );
    Ok(())
}

#[actix::test]
async fn an_open_circuit_turns_half_open_by_itself_and_probes_that_fail_double_its_time()
-> TestResult {
    // Nothing is heard before its time is over.
    let node = FakeNode::start(slowly(SHORT * 4))?;
    let settings = BreakerSettings::default().with_open(SHORT, SHORT * 2)?;
    let config = standalone(node.port()).breaker(Some(settings));
    let application = Application::ready(config).await?;
    time_out(&application, 5).await;
    // Nobody calls: it is told when it happens.
    application.told("circuit_half_open", 1).await;
    assert_eq!(status(&application).await, Some(BreakerState::HalfOpen));
    let mut wait = Wait::up_to(SOON, "a probe to fail");
    let mut crowded = false;
    while application.count("circuit_opened") < 2 {
        let calls = (0..4).map(|_| application.error(cmd("INCR").arg("n").timeout(SHORT)));
        for error in join_all(calls).await {
            crowded |= matches!(error.kind(), ErrorKind::CircuitOpen(refusal)
                if refusal.state == BreakerState::HalfOpen);
        }
        wait.again(application.lines().join("\n")).await?;
    }
    assert!(crowded, "three are probes, the fourth is refused");
    let opened = application.told("circuit_opened", 2).await;
    let EventKind::CircuitOpened {
        trip: Trip::Probe,
        retry_after: Some(after),
    } = opened
    else {
        panic!("{opened}");
    };
    assert!(after > SHORT && after <= SHORT * 2, "{after:?}");
    node.retarget(slowly(Duration::ZERO));
    let mut wait = Wait::up_to(SOON, "the circuit to close");
    while application.count("circuit_closed") < 1 {
        let answer = application.client.call(cmd("INCR").arg("n")).await;
        wait.again(format!("{answer:?}")).await?;
    }
    application.run(cmd("INCR").arg("n")).await?;
    Ok(())
}

#[actix::test]
async fn a_lost_connection_counts_once_however_much_was_in_flight() -> TestResult {
    let silent = || {
        Answers::new()
            .on("INCR", |_| vec![Action::Silence])
            .script()
    };
    let node = FakeNode::start(silent())?;
    for (settings, trips) in [(patient(), false), (patient().with_consecutive(1)?, true)] {
        let config = standalone(node.port()).breaker(Some(settings));
        let application = Application::ready(config).await?;
        let before = node.received_named("INCR").len();
        let calls = (0..1000).map(|_| application.error(cmd("INCR").arg("n")));
        let (errors, ended) = tokio::join!(join_all(calls), async {
            node.wait_until("all in flight", |node| {
                node.received_named("INCR").len() == before + 1000
            })
            .await?;
            node.close_all().await
        });
        ended?;
        for error in errors {
            assert!(matches!(error.kind(), ErrorKind::Lost(_)), "{error}");
        }
        application.told("reconnected", 1).await;
        if trips {
            let opened = application.told("circuit_opened", 1).await;
            assert!(
                matches!(
                    opened,
                    EventKind::CircuitOpened {
                        trip: Trip::Consecutive { failures: 1 },
                        ..
                    }
                ),
                "{opened}"
            );
            application.told("circuit_half_open", 1).await;
        } else {
            assert_eq!(status(&application).await, Some(BreakerState::Closed));
            assert_eq!(application.count("circuit_opened"), 0);
        }
        application.client.shutdown(SOON).await?;
    }
    Ok(())
}

#[actix::test]
async fn calls_that_are_slow_trip_it_where_that_is_asked_for() -> TestResult {
    let slow = Duration::from_millis(50);
    let node = FakeNode::start(slowly(slow))?;
    let settings = patient()
        .with_slow(Some(SlowCalls::new(1.0, slow / 2)?))
        .with_failure_rate(1.0, 10)?;
    // The quick calls of the start would lower the rate.
    let config = standalone(node.port()).breaker(Some(settings.with_window(slow * 10)?));
    let application = Application::ready(config).await?;
    let mut wait = Wait::up_to(SOON, "the circuit to open");
    while application.count("circuit_opened") == 0 {
        let calls = (0..20).map(|_| application.client.call(cmd("INCR").arg("n")));
        join_all(calls).await;
        wait.again(application.lines().join("\n")).await?;
    }
    let opened = application.told("circuit_opened", 1).await;
    assert!(
        matches!(
            opened,
            EventKind::CircuitOpened {
                trip: Trip::SlowRate { .. },
                ..
            }
        ),
        "{opened}"
    );
    Ok(())
}

#[actix::test]
async fn an_error_of_the_application_is_a_success() -> TestResult {
    let server = server().await;
    let application = Application::ready(serving(&server)).await?;
    application.run(cmd("SET").arg("text").arg("x")).await?;
    for _ in 0..50 {
        let error = application.error(cmd("INCR").arg("text")).await;
        assert!(matches!(error.kind(), ErrorKind::Server(_)), "{error}");
    }
    assert_eq!(status(&application).await, Some(BreakerState::Closed));
    assert_eq!(application.count("circuit_opened"), 0);
    Ok(())
}

#[actix::test]
async fn what_waits_already_when_it_opens_stays_and_is_sent() -> TestResult {
    let node = FakeNode::start(slowly(SHORT + SHORT / 2))?;
    let config = standalone(node.port())
        .breaker(Some(patient()))
        .in_flight(InFlight::default().requests(5));
    let application = Application::ready(config).await?;
    let waits = application.client.query::<u32>(cmd("INCR").arg("n"));
    let (waited, ()) = tokio::join!(
        async {
            // Behind those that fill what may be in flight.
            tokio::task::yield_now().await;
            waits.await
        },
        time_out(&application, 5)
    );
    assert_eq!(waited?, 1);
    application.told("circuit_opened", 1).await;
    Ok(())
}

#[actix::test]
async fn an_operator_forces_it_open_and_closed_and_releases_it() -> TestResult {
    let server = server().await;
    let application = Application::ready(serving(&server)).await?;
    let endpoint = local(server.port());
    let client = &application.client;
    let forced = client.force_breaker(Some(&endpoint), Force::Open).await?;
    assert_eq!(forced, [client.status().await?[0].link.clone()]);
    let error = application.error(cmd("INCR").arg("n")).await;
    assert_eq!(refused(&error), (BreakerState::ForcedOpen, None));
    let opened = application.told("circuit_opened", 1).await;
    let expected = EventKind::CircuitOpened {
        trip: Trip::Forced,
        retry_after: None,
    };
    assert_eq!(opened, expected);
    assert_eq!(status(&application).await, Some(BreakerState::ForcedOpen));
    assert!(client.health_check().await?.healthy);
    let elsewhere = client.force_breaker(Some(&local(1)), Force::Closed).await?;
    assert!(elsewhere.is_empty());

    client.force_breaker(None, Force::Release).await?;
    application.told("circuit_half_open", 1).await;
    for _ in 0..3 {
        application.run(cmd("INCR").arg("n")).await?;
    }
    application.told("circuit_closed", 1).await;

    let AnyRouter::Standalone(router) = client.router() else {
        panic!("one server");
    };
    let message = ForceBreaker {
        endpoint: None,
        force: Force::Closed,
    };
    assert_eq!(router.send(message).await?.len(), 1);
    let closed = application.told("circuit_closed", 2).await;
    assert_eq!(closed, EventKind::CircuitClosed { forced: true });
    server.pause().await?;
    time_out(&application, 20).await;
    assert_eq!(status(&application).await, Some(BreakerState::ForcedClosed));
    server.resume()?;
    application.run(cmd("INCR").arg("n")).await?;
    assert_eq!(application.count("circuit_opened"), 1);
    Ok(())
}

#[actix::test]
async fn switched_off_it_holds_nothing_up() -> TestResult {
    let server = server().await;
    let application = Application::ready(serving(&server).breaker(None)).await?;
    server.pause().await?;
    time_out(&application, 50).await;
    server.resume()?;
    application.run(cmd("INCR").arg("n")).await?;
    assert_eq!(status(&application).await, None);
    assert!(
        application
            .client
            .force_breaker(None, Force::Open)
            .await?
            .is_empty()
    );
    application.run(cmd("INCR").arg("n")).await?;
    assert_eq!(application.count("circuit_opened"), 0);
    Ok(())
}
