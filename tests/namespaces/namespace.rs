//! Tests that run in a network namespace of their own, where packets can be dropped and reset.
//!
//! A test starts its own program once more, for itself alone, below `unshare --net`; there it
//! runs with its server, on a loopback interface that nobody else has. The namespace ends with its
//! last process, however that ends: there is nothing to clean up.

use std::env;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::application::TestResult;

/// Set inside a namespace.
const INSIDE: &str = "EVERLINK_IN_NAMESPACE";

/// What everything here needs, tried out. Debian keeps the programs where only root looks.
const PREPARE: &str = "PATH=$PATH:/usr/sbin:/sbin; ip link set lo up && nft add table inet faults && nft \
     'add chain inet faults input { type filter hook input priority 0; }' && \
     nft 'add rule inet faults input tcp dport 1 reject with tcp reset' && \
     nft flush chain inet faults input";

/// Runs `test` in a namespace of its own. `name` is the path of the test that calls this.
///
/// Where that is not possible it says so and why, past the capture of output.
///
/// # Errors
/// Those of the test. With `CI=true` also that a program is missing, which `make setup` installs;
/// but not that the user, or the container, has no right to namespaces: nothing here could give it.
pub(crate) fn in_namespace(name: &str, test: impl AsyncFnOnce() -> TestResult) -> TestResult {
    if env::var_os(INSIDE).is_some() {
        return actix::System::new().block_on(test());
    }
    let unshare = match way_in() {
        Ok(unshare) => unshare,
        Err(why) => {
            writeln!(std::io::stderr(), "NOT RUN: {name}: {why}")?;
            let lacks_programs = why.contains("not found") || why.contains("No such file");
            return if lacks_programs && env::var("CI").is_ok_and(|ci| ci == "true") {
                Err(why.clone().into())
            } else {
                Ok(())
            };
        }
    };
    let output = Command::new("unshare")
        .args(*unshare)
        .args(["sh", "-c", &format!("{PREPARE} && exec \"$@\""), "sh"])
        .arg(env::current_exe()?)
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "yes")
        .stdin(Stdio::null())
        .output()?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (text, errors) = (said(&output.stdout), said(&output.stderr));
    if output.status.success() && text.contains("1 passed") {
        return Ok(());
    }
    Err(format!("in the namespace: {}\n{text}\n{errors}", output.status).into())
}

/// The options of `unshare` that work here, or why none do. Root needs no user namespace; others
/// may be allowed to make one.
fn way_in() -> &'static Result<&'static [&'static str], String> {
    static WAY: OnceLock<Result<&[&str], String>> = OnceLock::new();
    WAY.get_or_init(|| {
        let ways: [&[&str]; 2] = [&["--net"], &["--user", "--map-root-user", "--net"]];
        let mut why = String::new();
        for way in ways {
            let tried = Command::new("unshare")
                .args(way)
                .args(["sh", "-c", PREPARE])
                .output();
            match tried {
                Ok(output) if output.status.success() => return Ok(way),
                Ok(output) => why = String::from_utf8_lossy(&output.stderr).trim().to_owned(),
                Err(error) => return Err(format!("unshare: {error}")),
            }
        }
        Err(why)
    })
}

/// Changes the rules of this namespace.
///
/// # Errors
/// In the words of `nft`.
pub(crate) fn nft(words: &str) -> TestResult {
    let output = Command::new("nft").arg(words).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("nft {words}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

/// Adds a rule for incoming packets.
///
/// # Errors
/// As above.
pub(crate) fn rule(words: &str) -> TestResult {
    nft(&format!("add rule inet faults input {words}"))
}

/// Lifts all rules.
///
/// # Errors
/// As above.
pub(crate) fn lift() -> TestResult {
    nft("flush chain inet faults input")
}
