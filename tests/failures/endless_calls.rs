//! No call waits for ever, whatever it waits for and by whichever door it came.

use std::time::Duration;

use everlink::redis::config::ClusterSettings;
use everlink::redis::{Config, Error, ErrorKind, Outcome, cmd, pipe};
use tokio::time::{Instant, timeout};

use crate::application::{Application, SOON, TestResult, local};
use crate::support::answers::{Answers, FakeRange, FakeTopology};
use crate::support::fake_node::FakeNode;
use crate::support::ports::Port;

const SHORT: Duration = Duration::from_millis(300);
/// What a busy machine may add.
const LATE: Duration = Duration::from_secs(3);

/// Calls by each door; all must end, in time, and say that nothing was executed.
async fn ends_in_time(what: &str, config: Config, outcome: Outcome) -> TestResult {
    let application = Application::open(config.command_timeout(SHORT)).await?;
    let began = Instant::now();
    let client = &application.client;
    let message = client.router().commands().send(cmd("INCR").arg("n"));
    let pipeline = pipe().push(cmd("INCR").arg("n")).push(cmd("GET").arg("m"));
    let all = async {
        tokio::join!(
            client.call(cmd("INCR").arg("n")),
            message,
            client.pipeline(pipeline)
        )
    };
    let ended = timeout(SOON, all).await;
    let (call, message, replies) = ended.map_err(|_| format!("{what}: calls without an end"))?;
    let took = began.elapsed();
    assert!(took < SHORT + LATE, "{what}: {took:?}");
    let mut errors = vec![call.err(), message?.err()];
    errors.extend(replies.into_iter().map(Result::err));
    for error in errors {
        let error: Error = error.ok_or_else(|| format!("{what}: a success"))?;
        let in_time = matches!(error.kind(), ErrorKind::Deadline(told) if *told == SHORT);
        assert!(in_time, "{what}: {error:?}");
        assert_eq!(error.outcome(), outcome, "{what}: {error:?}");
    }
    Ok(())
}

#[actix::test]
async fn every_call_ends_by_its_deadline_whatever_it_waits_for() -> TestResult {
    let nobody = Port::reserve()?;
    let dead = local(nobody.number());
    let silent = FakeNode::start(|_| Vec::new())?;
    let mute = FakeNode::start(
        Answers::new()
            .on("COMMAND", |_| Vec::new())
            .on("INCR", |_| Vec::new())
            .on("GET", |_| Vec::new())
            .script(),
    )?;
    // Of a cluster that serves only slot 0.
    let port = Port::reserve()?;
    let topology = FakeTopology::even(&[port.number()]);
    topology.set(vec![FakeRange {
        first: 0,
        last: 0,
        members: vec![("127.0.0.1".to_owned(), port.number())],
        epoch: 1,
    }]);
    let partial = FakeNode::start_on(port, Answers::new().slots(&topology).script())?;
    // Of a cluster whose one node is dead.
    let topology = FakeTopology::even(&[nobody.number()]);
    let orphaned = FakeNode::start(Answers::new().slots(&topology).script())?;

    let node = |node: &FakeNode| local(node.port());
    for (what, config, outcome) in [
        (
            "a dead server",
            Config::standalone(dead.clone()),
            Outcome::NotSent,
        ),
        (
            "a silent server",
            Config::standalone(node(&silent)),
            Outcome::NotSent,
        ),
        (
            "a mute server",
            Config::standalone(node(&mute)),
            Outcome::Unknown,
        ),
        ("a dead seed", Config::cluster([dead]), Outcome::NotSent),
        (
            "a silent seed",
            Config::cluster([node(&silent)]),
            Outcome::NotSent,
        ),
        (
            "a slot that nobody serves",
            Config::cluster([node(&partial)]),
            Outcome::NotSent,
        ),
        (
            "a dead node",
            Config::cluster([node(&orphaned)]),
            Outcome::NotSent,
        ),
    ] {
        ends_in_time(what, config, outcome).await?;
    }
    Ok(())
}

#[actix::test]
async fn a_silent_seed_costs_a_refresh_its_own_deadlines_and_not_the_others() -> TestResult {
    let silent = FakeNode::start(|_| Vec::new())?;
    let port = Port::reserve()?;
    let number = port.number();
    let topology = FakeTopology::even(&[number]);
    let answers = Answers::new().slots(&topology).on("GET", |_| {
        crate::support::fake_node::Action::reply(crate::support::replies::bulk("v"))
    });
    let good = FakeNode::start_on(port, answers.script())?;
    let config = Config::cluster([local(silent.port()), local(good.port())])
        .cluster_settings(ClusterSettings::default().refresh_timeout(SHORT))
        .command_timeout(SOON);
    let application = Application::open(config).await?;
    let began = Instant::now();
    let value: String = application.client.query(cmd("GET").arg("k")).await?;
    assert_eq!(value, "v");
    assert!(began.elapsed() < LATE, "{:?}", began.elapsed());
    Ok(())
}
