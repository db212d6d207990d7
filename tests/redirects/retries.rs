//! The retry policy: which commands are sent again, after what, how often, at what price.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use everlink::policy::{Backoff, RetryBudget};
use everlink::redis::{
    Config, Error, ErrorKind, Failure, Outcome, RetryMode, RetryPolicy, Value, cmd, pipe,
};
use futures_util::future::join_all;

use crate::application::{Application, SOON, TestResult, standalone};
use crate::support::answers::Answers;
use crate::support::fake_node::{Action, FakeNode, Received};
use crate::support::replies;
use crate::two_nodes::{FOO, TwoNodes};

const LOADING: &str = "LOADING Redis is loading the dataset in memory";
const CLUSTERDOWN: &str = "CLUSTERDOWN The cluster is down";

/// A server that answers a command in turn: the first time so, the second time so, and the last
/// for ever.
fn in_turn(
    name: &str,
    answers: &[fn() -> Vec<Action>],
) -> crate::support::waiting::Result<FakeNode> {
    let answers = answers.to_vec();
    let asked = AtomicUsize::new(0);
    let script = Answers::new().on(name, move |_: &Received| {
        let turn = asked.fetch_add(1, Ordering::SeqCst);
        answers[turn.min(answers.len() - 1)]()
    });
    FakeNode::start(script.script())
}

fn loading() -> Vec<Action> {
    Action::reply(replies::error(LOADING))
}

fn busy() -> Vec<Action> {
    Action::reply(replies::error("BUSY Redis is busy running a script"))
}

fn one() -> Vec<Action> {
    Action::reply(replies::int(1))
}

fn close() -> Vec<Action> {
    vec![Action::Close]
}

fn silence() -> Vec<Action> {
    vec![Action::Silence]
}

fn soon(policy: RetryPolicy) -> RetryPolicy {
    policy.backoff(Backoff::fixed(Duration::from_millis(1)).expect("positive"))
}

fn config(node: &FakeNode, policy: RetryPolicy) -> Config {
    standalone(node.port()).retry(policy)
}

/// How often it was tried again, and what went wrong the last time.
fn exhausted(error: &Error) -> (u32, &ErrorKind) {
    match error.kind() {
        ErrorKind::Exhausted { retries, last } => (*retries, last),
        other => panic!("not exhausted: {other:?}"),
    }
}

#[actix::test]
async fn never_answers_a_refusal_at_once_and_still_follows_redirects() -> TestResult {
    let node = in_turn("GET", &[loading])?;
    let never = RetryPolicy::default().mode(RetryMode::Never);
    let application = Application::ready(config(&node, never.clone())).await?;
    let error = application.error(cmd("GET").arg("k")).await;
    assert_eq!(error.code(), Some("LOADING"));
    assert!(matches!(error.kind(), ErrorKind::Server(_)), "{error}");
    assert_eq!(error.outcome(), Outcome::Refused);
    assert_eq!(node.received_named("GET").len(), 1);

    let cluster = TwoNodes::start()?;
    let application = Application::ready(cluster.config().retry(never)).await?;
    cluster.errs(1, format!("MOVED {FOO} 127.0.0.1:{}", cluster.port(0)));
    let name: String = application.client.query(cmd("GET").arg("foo")).await?;
    assert_eq!(name, "first");
    Ok(())
}

#[actix::test]
async fn a_write_is_sent_again_after_a_lost_connection_only_where_it_was_asked_for() -> TestResult {
    let once = cmd("INCR").arg("n");
    let cases = [
        (once.clone(), 1),
        (once.clone().idempotent(), 2),
        (once.clone().retry_mode(RetryMode::AtLeastOnce), 2),
        (
            once.clone()
                .retry(RetryPolicy::default().mode(RetryMode::AtLeastOnce)),
            2,
        ),
        // The mode comes before that of a policy, and before a promise.
        (
            once.clone()
                .idempotent()
                .retry(RetryPolicy::default().mode(RetryMode::AtLeastOnce))
                .retry_mode(RetryMode::Never),
            1,
        ),
        // Not a failure that this one is retried after.
        (
            once.idempotent()
                .retry(RetryPolicy::default().on([Failure::Loading])),
            1,
        ),
    ];
    for (command, sent) in cases {
        let node = in_turn("INCR", &[close, one])?;
        let application = Application::ready(standalone(node.port())).await?;
        match application.client.call(command).await {
            Ok(_) => assert_eq!(sent, 2),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Lost(_)), "{error}");
                assert_eq!((error.outcome(), sent), (Outcome::Unknown, 1));
            }
        }
        application.told("reconnected", 1).await;
        assert_eq!(node.received_named("INCR").len(), sent);
    }
    Ok(())
}

#[actix::test]
async fn the_mode_of_a_client_holds_for_commands_without_their_own() -> TestResult {
    for (mode, sent) in [
        (RetryMode::Never, 1),
        (RetryMode::Safe, 1),
        (RetryMode::AtLeastOnce, 2),
    ] {
        let node = in_turn("INCR", &[close, one])?;
        let policy = RetryPolicy::default().mode(mode);
        let application = Application::ready(config(&node, policy)).await?;
        let incr = application.client.call(cmd("INCR").arg("n")).await;
        assert_eq!(incr.is_ok(), sent == 2, "{mode:?}: {incr:?}");
        application.told("reconnected", 1).await;
        assert_eq!(node.received_named("INCR").len(), sent, "{mode:?}");
    }
    Ok(())
}

#[actix::test]
async fn a_pipelines_mode_holds_for_its_commands_but_not_against_their_own() -> TestResult {
    let node = in_turn("INCR", &[close, one])?;
    let application = Application::ready(standalone(node.port())).await?;
    let twice = pipe()
        .push(cmd("INCR").arg("a"))
        .push(cmd("INCR").arg("b").retry_mode(RetryMode::Never))
        .retry_mode(RetryMode::AtLeastOnce);
    let mut replies = application.client.pipeline(twice).await.into_iter();
    assert_eq!(
        replies.next().expect("two").expect("sent again"),
        Value::Int(1)
    );
    let error = replies.next().expect("two").expect_err("sent once");
    assert_eq!(error.outcome(), Outcome::Unknown);
    Ok(())
}

#[actix::test]
async fn exhaustion_is_an_error_of_its_own_with_the_last_cause_and_the_count() -> TestResult {
    let node = in_turn("INCR", &[loading])?;
    let policy = soon(RetryPolicy::default().max_retries(Some(2)));
    let application = Application::ready(config(&node, policy)).await?;
    let error = application.error(cmd("INCR").arg("n")).await;
    let (retries, last) = exhausted(&error);
    assert_eq!(retries, 2);
    assert!(matches!(last, ErrorKind::Server(error) if error.code() == "LOADING"));
    assert_eq!(
        (error.code(), error.outcome()),
        (Some("LOADING"), Outcome::Refused)
    );
    assert_eq!(node.received_named("INCR").len(), 3);
    let text = error.to_string();
    assert!(
        text.contains("gave up after 2 retries: server error: LOADING"),
        "{text}"
    );
    Ok(())
}

#[actix::test]
async fn a_read_outlives_only_so_many_connections() -> TestResult {
    for (losses, sent) in [(0, 1), (2, 3)] {
        let node = in_turn("GET", &[close])?;
        let policy = RetryPolicy::default().max_losses(losses);
        let application = Application::ready(config(&node, policy)).await?;
        let error = application.error(cmd("GET").arg("k")).await;
        assert_eq!(error.outcome(), Outcome::Unknown);
        assert!(error.cause().is_some(), "{error:#?}");
        if losses > 0 {
            assert_eq!(exhausted(&error).0, u32::from(losses));
        }
        assert_eq!(node.received_named("GET").len(), sent);
    }
    Ok(())
}

#[actix::test]
async fn failures_that_are_not_on_the_list_are_answered_at_once() -> TestResult {
    let node = in_turn("GET", &[loading, one])?;
    let policy = RetryPolicy::default().on([Failure::ConnectionLost, Failure::ClusterDown]);
    let application = Application::ready(config(&node, policy)).await?;
    let error = application.error(cmd("GET").arg("k")).await;
    assert!(matches!(error.kind(), ErrorKind::Server(_)), "{error}");
    assert_eq!(node.received_named("GET").len(), 1);
    Ok(())
}

#[actix::test]
async fn an_error_code_on_the_list_is_retried_unless_it_may_have_come_midway() -> TestResult {
    let policy = soon(RetryPolicy::default().codes(["BUSY"]));
    let node = in_turn("INCR", &[busy, busy, one])?;
    let application = Application::ready(config(&node, policy.clone())).await?;
    let count: u32 = application.client.query(cmd("INCR").arg("n")).await?;
    assert_eq!((count, node.received_named("INCR").len()), (1, 3));

    let node = in_turn("EVAL", &[busy, one])?;
    let application = Application::ready(config(&node, policy)).await?;
    let error = application.error(cmd("EVAL").arg("…").arg(0)).await;
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert_eq!(node.received_named("EVAL").len(), 1);
    Ok(())
}

#[actix::test]
async fn an_attempt_that_takes_too_long_is_made_again_and_its_late_reply_is_nobodys() -> TestResult
{
    // The first is answered together with the second: a late reply must not be taken for it.
    let asked = AtomicUsize::new(0);
    let script = Answers::new().on("GET", move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => silence(),
        1 => [replies::bulk("late"), replies::bulk("in time")]
            .into_iter()
            .flat_map(Action::reply)
            .collect(),
        _ => Action::reply(replies::bulk("next")),
    });
    let node = FakeNode::start(script.script())?;
    // The second has to be answered within it, and within half a second of the first: then a PING
    // would take a place in the order of the replies.
    let policy = soon(RetryPolicy::default().attempt_timeout(Some(Duration::from_millis(250))));
    let application = Application::ready(config(&node, policy)).await?;
    for expected in ["in time", "next"] {
        let get = cmd("GET").arg("k");
        assert_eq!(application.client.query::<String>(get).await?, expected);
    }
    assert_eq!(application.count("disconnected"), 0);
    Ok(())
}

#[actix::test]
async fn an_attempt_of_a_write_may_take_its_whole_deadline() -> TestResult {
    let node = in_turn("INCR", &[silence])?;
    let policy = soon(RetryPolicy::default().attempt_timeout(Some(Duration::from_millis(10))));
    let application = Application::ready(config(&node, policy)).await?;
    let incr = cmd("INCR").arg("n").timeout(Duration::from_millis(200));
    let error = application.error(incr).await;
    assert!(matches!(error.kind(), ErrorKind::Deadline(_)), "{error}");
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert_eq!(node.received_named("INCR").len(), 1);
    Ok(())
}

#[actix::test]
async fn attempts_without_an_answer_are_exhausted_with_an_unknown_outcome() -> TestResult {
    let node = in_turn("GET", &[silence, loading])?;
    let policy = soon(
        RetryPolicy::default()
            .attempt_timeout(Some(Duration::from_millis(20)))
            .max_retries(Some(1)),
    );
    let application = Application::ready(config(&node, policy)).await?;
    // Refused the second time; what became of the first nobody knows all the same.
    let error = application.error(cmd("GET").arg("k")).await;
    assert_eq!(exhausted(&error).0, 1);
    assert_eq!(error.outcome(), Outcome::Unknown);
    Ok(())
}

#[actix::test]
async fn after_the_retries_of_a_node_the_topology_is_read_elsewhere_and_they_begin_again()
-> TestResult {
    let cluster = TwoNodes::start()?;
    let policy = soon(
        RetryPolicy::default()
            .max_retries(Some(1))
            .cluster_error_retry_attempts(2),
    );
    let config = cluster.config().retry(policy);
    let application = Application::ready(config).await?;
    let asked = |node: usize| {
        let commands = cluster.nodes[node].received_named("CLUSTER");
        commands.iter().filter(|c| c.text(1) == "SLOTS").count()
    };
    cluster.errs(1, CLUSTERDOWN.to_owned());
    let before = asked(0);
    let error = application.error(cmd("GET").arg("foo")).await;
    let (retries, last) = exhausted(&error);
    assert!(matches!(last, ErrorKind::Server(error) if error.code() == "CLUSTERDOWN"));
    // Three rounds of a first try and one retry.
    assert_eq!(retries, 5);
    assert_eq!(cluster.nodes[1].received_named("GET").len(), 6);
    assert!(asked(0) >= before + 2, "{before}, then {}", asked(0));
    Ok(())
}

#[actix::test]
async fn the_topology_that_was_read_anew_leads_to_another_node() -> TestResult {
    let cluster = TwoNodes::start()?;
    let policy = soon(RetryPolicy::default().max_retries(Some(1)));
    let application = Application::ready(cluster.config().retry(policy)).await?;
    cluster.errs(1, LOADING.to_owned());
    let mut ranges = cluster.topology.ranges();
    for range in &mut ranges {
        range.members = vec![("127.0.0.1".to_owned(), cluster.port(0))];
        range.epoch = 3;
    }
    cluster.topology.set(ranges);
    let name: String = application.client.query(cmd("GET").arg("foo")).await?;
    assert_eq!(name, "first");
    Ok(())
}

#[actix::test]
async fn a_budget_bounds_the_load_that_retries_add() -> TestResult {
    let node = in_turn("GET", &[loading])?;
    let budget = RetryBudget::new(0.0, 1).expect("valid");
    let config = config(&node, soon(RetryPolicy::default())).retry_budget(budget);
    let application = Application::ready(config).await?;
    let get = || cmd("GET").arg("k").timeout(Duration::from_millis(300));
    let calls = join_all((0..50).map(|_| application.error(get()))).await;
    for error in calls {
        assert_eq!(
            (error.code(), error.outcome()),
            (Some("LOADING"), Outcome::Refused),
            "{error}"
        );
    }
    // One retry a second, for ten seconds in advance.
    let retries = node.received_named("GET").len() - 50;
    assert_eq!(retries, 10);
    Ok(())
}

#[actix::test]
async fn what_has_to_wait_for_the_budget_is_served_once_there_is_traffic_again() -> TestResult {
    let loading = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let still = Arc::clone(&loading);
    let script = Answers::new().on("GET", move |_| {
        if still.load(Ordering::SeqCst) {
            self::loading()
        } else {
            one()
        }
    });
    let node = FakeNode::start(script.script())?;
    let budget = RetryBudget::new(0.5, 0).expect("valid");
    let config = config(&node, soon(RetryPolicy::default())).retry_budget(budget);
    let application = Application::ready(config).await?;
    let client = &application.client;
    let call = || client.query::<u32>(cmd("GET").arg("k").timeout(SOON));
    let waiting = join_all((0..40).map(|_| call()));
    let traffic = async {
        // Their first tries have earned some retries, which are used up by now.
        node.wait_until("tries", |node| node.received_named("GET").len() >= 60)
            .await?;
        loading.store(false, Ordering::SeqCst);
        for _ in 0..100 {
            call().await?;
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    let (answers, traffic) = tokio::join!(waiting, traffic);
    traffic?;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    Ok(())
}

#[actix::test]
async fn a_pause_that_no_clock_can_tell_ends_its_call_and_nobody_elses() -> TestResult {
    let script = Answers::new()
        .on("GET", |_| loading())
        .on("INCR", |_| one());
    let node = FakeNode::start(script.script())?;
    let forever = Backoff::fixed(Duration::MAX).expect("positive");
    let panics = Backoff::custom(|_| panic!("a delay of its own"));
    let application = Application::ready(standalone(node.port())).await?;
    for backoff in [forever, panics] {
        let policy = RetryPolicy::default().backoff(backoff);
        let error = application.error(cmd("GET").arg("k").retry(policy)).await;
        assert!(matches!(error.kind(), ErrorKind::Server(_)), "{error}");
        assert_eq!(error.outcome(), Outcome::Refused);
        let served: u32 = application.client.query(cmd("INCR").arg("n")).await?;
        assert_eq!(served, 1);
    }
    Ok(())
}
