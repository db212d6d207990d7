//! A node that stood still and goes on, on the same connection: its circuit does not wait until
//! its time is over.

use std::time::Duration;

use everlink::event::EventKind;
use everlink::policy::{BreakerState, Trip};
use everlink::redis::{ErrorKind, Outcome, cmd};
use futures_util::future::join_all;

use crate::application::{Application, SOON, TestResult, serving, standalone};
use crate::circuit::{SHORT, patient, refused, server, slowly, time_out};
use crate::support::fake_node::FakeNode;
use crate::support::waiting::Wait;

const PAUSE: Duration = Duration::from_secs(1);
const IMPATIENT: Duration = Duration::from_millis(200);

#[actix::test]
async fn a_node_that_resumes_on_the_same_connection_is_asked_again_at_its_first_reply() -> TestResult
{
    let server = server().await;
    // By itself the circuit would stay open for an hour.
    let application = Application::ready(serving(&server).breaker(Some(patient()))).await?;
    server.pause().await?;
    let incr = || cmd("INCR").arg("n");
    let impatient = (0..6).map(|_| application.error(incr().timeout(IMPATIENT)));
    let (late, last) = tokio::join!(
        join_all(impatient),
        application.error(incr().timeout(PAUSE))
    );
    for error in late.into_iter().chain([last]) {
        assert!(matches!(error.kind(), ErrorKind::Deadline(_)), "{error}");
    }
    application.told("circuit_opened", 1).await;
    assert_eq!(application.count("circuit_half_open"), 0, "nothing came");
    refused(&application.error(incr()).await);

    server.resume()?;
    application.told("circuit_half_open", 1).await;
    // All seven were done, late.
    for n in 8..=10_u32 {
        assert_eq!(application.client.query::<u32>(incr()).await?, n);
    }
    application.told("circuit_closed", 1).await;
    assert_eq!(application.count("circuit_opened"), 1);
    assert_eq!(application.count("disconnected"), 0);
    Ok(())
}

#[actix::test]
async fn a_server_that_always_answers_too_late_is_asked_once_early_and_then_left_alone()
-> TestResult {
    let node = FakeNode::start(slowly(SHORT + SHORT / 2))?;
    let config = standalone(node.port()).breaker(Some(patient()));
    let application = Application::ready(config).await?;
    time_out(&application, 5).await;
    application.told("circuit_half_open", 1).await;
    let mut wait = Wait::up_to(SOON, "a probe to fail");
    while application.count("circuit_opened") < 2 {
        application.error(cmd("INCR").arg("n").timeout(SHORT)).await;
        wait.again(application.lines().join("\n")).await?;
    }
    let opened = application.told("circuit_opened", 2).await;
    assert!(
        matches!(
            opened,
            EventKind::CircuitOpened {
                trip: Trip::Probe,
                ..
            }
        ),
        "{opened}"
    );
    // What it was asked is answered by and by, and at last what the library asks by itself, which
    // no circuit holds up.
    let mut wait = Wait::up_to(SOON, "an answer to the health check");
    while !application.client.health_check().await?.healthy {
        wait.again("unhealthy").await?;
    }
    let error = application.error(cmd("INCR").arg("n")).await;
    assert_eq!(refused(&error).0, BreakerState::Open);
    assert_eq!(application.count("circuit_half_open"), 1);
    Ok(())
}

#[actix::test]
async fn calls_that_time_out_while_their_connection_is_drained_say_nothing_of_the_next_one()
-> TestResult {
    let server = server().await;
    let application = Application::ready(serving(&server).breaker(Some(patient()))).await?;
    let client = &application.client;
    let incr = || cmd("INCR").arg("n");
    server.pause().await?;
    let calls = join_all((0..6).map(|_| application.error(incr().timeout(PAUSE))));
    let (resumed, reconnected) = tokio::join!(
        async {
            for error in calls.await {
                assert!(matches!(error.kind(), ErrorKind::Deadline(_)), "{error}");
                assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
            }
            server.resume()
        },
        async {
            let mut wait = Wait::up_to(SOON, "the calls in flight");
            loop {
                let memory = client.memory().await;
                let link = &memory.links[0];
                if link.in_flight > 0 && link.waiting == 0 && link.write_buffer == 0 {
                    break;
                }
                wait.again(&memory).await?;
            }
            Ok::<_, Box<dyn std::error::Error>>(client.reconnect().await?)
        }
    );
    resumed?;
    reconnected?;
    application.told("reconnected", 1).await;
    assert_eq!(client.query::<u32>(incr()).await?, 7);
    assert_eq!(
        application.count("circuit_opened"),
        0,
        "{:#?}",
        application.lines()
    );
    Ok(())
}
