//! A few seconds of what `make chaos` does for longer: random faults on a real cluster, and a checker
//! of everything that callers were told.
#![cfg(feature = "redis")]

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

/// The run, the start of its cluster, and the rest after it, on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// Beside the folder of the tests; `cargo test` does not build it, since it has tests of its own.
fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a test is a file");
    let profile = test.parent().and_then(|folder| folder.parent());
    let program = profile.expect("a test is in target/<profile>/deps");
    let program = program.join("examples").join("chaos");
    assert!(
        program.exists(),
        "{} is missing; `make test` builds it, or `cargo build --all-features --example chaos`",
        program.display()
    );
    program
}

/// The report, and all that was said, the seed first.
async fn chaos(args: &[&str]) -> (Output, Value, String) {
    let running = Command::new(program())
        .args(["--json", "--seconds", "5"])
        .args(args)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let ended = timeout(LIMIT, running).await.expect("it ends");
    let output = ended.expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout).expect(&said);
    (output, report, said)
}

#[actix::test]
async fn a_few_seconds_of_random_faults_break_no_promise() {
    let (output, report, said) = chaos(&[]).await;
    assert_eq!(output.status.code(), Some(0), "{said}");
    let count = |path: &str| report.pointer(path).and_then(Value::as_u64);
    for something in [
        "/node_faults",
        "/network_faults",
        "/totals/acknowledged",
        "/findings/kept",
        "/findings/reads",
    ] {
        assert!(
            count(something) > Some(0),
            "{something}: {report:#}\n{said}"
        );
    }
    assert_eq!(count("/totals/open"), Some(0), "{said}");
}

/// Otherwise the test above would prove nothing.
#[actix::test]
async fn callers_that_send_the_unknown_again_are_found_to_execute_twice() {
    // A few seconds may pass without a command that is executed and whose answer is lost.
    for _ in 0..3 {
        let (output, report, said) = chaos(&["--retry-unknown"]).await;
        let violations = report.pointer("/findings/violations");
        let violations = violations.and_then(Value::as_array).expect(&said);
        if violations
            .iter()
            .any(|found| found["promise"] == "once_only")
        {
            assert_eq!(output.status.code(), Some(1), "{said}");
            return;
        }
    }
    panic!("three runs, and nothing was executed twice");
}
