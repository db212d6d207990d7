//! A link that was given up is not dead: it comes back when somebody asks, or by itself.

use std::time::Duration;

use everlink::event::{EventKind, LinkState};
use everlink::exit::CauseKind;
use everlink::policy::{Attempts, Backoff, RestartPolicy};
use everlink::redis::config::Supervision;
use everlink::redis::{Config, ErrorKind, Outcome, cmd};

use crate::application::{Application, TestResult, local, serving};
use crate::volatile;

#[actix::test]
async fn used_up_attempts_leave_a_client_that_can_be_revived() -> TestResult {
    assert_eq!(
        Config::standalone(local(1)).restart.attempts(),
        Attempts::Unlimited
    );
    for probe in [None, Some(Duration::from_millis(100))] {
        let server = volatile().await;
        let backoff = Backoff::fixed(Duration::from_millis(10))?;
        let few = RestartPolicy::default()
            .with_backoff(backoff)
            .with_attempts(Attempts::Limited(3.try_into()?));
        let config = serving(&server)
            .restart(few)
            .supervision(Supervision::default().park_probe(probe));
        let application = Application::ready(config).await?;
        server.kill9().await?;
        let gave_up = application.told("gave_up", 1).await;
        let as_told = matches!(&gave_up, EventKind::GaveUp { cause, attempts: 3 }
            if cause.kind() == CauseKind::Refused);
        assert!(as_told, "{gave_up}");
        let error = application.error(cmd("INCR").arg("n")).await;
        assert!(matches!(error.kind(), ErrorKind::Parked(_)), "{error}");
        assert_eq!(error.outcome(), Outcome::NotSent);

        server.restart().await?;
        if probe.is_none() {
            let status = application.client.status().await?;
            assert_eq!(status[0].state, LinkState::Parked);
            assert_eq!(application.client.reconnect().await?, []);
        }
        application.told("reconnected", 1).await;
        let count: u32 = application.client.query(cmd("INCR").arg("n")).await?;
        assert_eq!(count, 1);
    }
    Ok(())
}
