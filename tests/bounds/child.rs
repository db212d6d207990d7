//! The process that is measured, and how its parent speaks with it: a line each way at a time.

use std::env;
use std::fs;
use std::io::{BufRead, Write};
use std::process::Stdio;

use everlink::redis::config::{Buffers, InFlight, Tcp, Waiting};
use everlink::redis::resp::ReplyLimits;
use everlink::redis::{Client, Config, ErrorKind, Memory, Outcome, cmd};
use futures_util::future::join_all;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::SOON;
use crate::application::standalone;
use crate::support::waiting::{Failure, Result, Wait};

const PORT: &str = "EVERLINK_TEST_PORT";
const MARK: &str = "bounds:";

const MIB: usize = 1024 * 1024;
const WAITING: usize = 4 * MIB;
const IN_FLIGHT: usize = 4 * MIB;
const WRITE: usize = 64 * 1024;
const READ: usize = MIB;
/// A reply may have so many bytes.
pub(crate) const REPLY_BYTES: usize = 16 * MIB;
/// How often a bad reply is asked for.
pub(crate) const ROUNDS: usize = 3;

const TASKS: usize = 64;
const CALLS: usize = 16;
const VALUE: usize = 32 * 1024;

/// What a child tells of its memory, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// The most that was resident, beyond what was before.
    pub(crate) grown: usize,
    /// The sum of its bounds.
    pub(crate) bound: usize,
}

/// A child as its parent sees it.
pub(crate) struct Child {
    process: tokio::process::Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Child {
    /// Starts this program again, for one of the tests below.
    pub(crate) fn start(name: &str, port: u16) -> Result<Self> {
        let mut process = Command::new(env::current_exe()?)
            .args(["--exact", name, "--ignored", "--nocapture"])
            .env(PORT, port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let gone = || Failure::new("no pipe");
        let input = process.stdin.take().ok_or_else(gone)?;
        let output = BufReader::new(process.stdout.take().ok_or_else(gone)?).lines();
        Ok(Self {
            process,
            input,
            output,
        })
    }

    /// Waits until it says this, and gives what it measured so far.
    pub(crate) async fn says(&mut self, what: &str) -> Result<Measured> {
        let heard = async {
            while let Some(line) = self.output.next_line().await? {
                let words: Vec<&str> = line.split(' ').collect();
                if let [MARK, word, grown, bound] = words[..]
                    && word == what
                {
                    let number = |word: &str| word.parse().map_err(|_| Failure::new(word));
                    return Ok(Measured {
                        grown: number(grown)?,
                        bound: number(bound)?,
                    });
                }
            }
            let status = self.process.wait().await?;
            Err(Failure::new(format!("ended with {status} before {what}")))
        };
        let late = |_| Failure::new(format!("waited in vain for {what}"));
        timeout(6 * SOON, heard).await.map_err(late)?
    }

    /// Lets it go on.
    pub(crate) async fn tell(&mut self) -> Result<()> {
        Ok(self.input.write_all(b"on\n").await?)
    }
}

/// A field of this process's status, in bytes.
fn status(field: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with(field));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.and_then(|kib| kib.parse::<usize>().ok()).expect(field) * 1024
}

/// The child's own view.
struct Subject {
    client: Client,
    baseline: usize,
    bound: usize,
}

impl Subject {
    /// None without a parent, as when somebody runs all tests, the ignored ones too.
    async fn ready(bound: usize) -> Option<Self> {
        let port = env::var(PORT).ok()?;
        // The parent decides how long the server stands still: nothing else is to end a call.
        let config: Config = standalone(port.parse().expect("a port"))
            .command_timeout(6 * SOON)
            .tcp(Tcp::default().user_timeout(None))
            .waiting(Waiting::default().bytes(WAITING))
            .in_flight(InFlight::default().bytes(IN_FLIGHT))
            .buffers(Buffers::default().write_bytes(WRITE).read_bytes(READ))
            .limits(
                ReplyLimits::default()
                    .bulk_bytes(REPLY_BYTES / 2)
                    .reply_bytes(REPLY_BYTES),
            );
        let client = Client::open(config).await.expect("a client");
        client.ready(SOON).await.expect("a server");
        // Code that runs for the first time is no memory of a queue.
        client.call(cmd("PING")).await.expect("a reply");
        // Only what comes from here on counts as the peak, where the system allows to say so.
        drop(fs::write("/proc/self/clear_refs", "5"));
        let subject = Self {
            baseline: status("VmRSS"),
            client,
            bound,
        };
        subject.say("ready");
        tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            std::io::stdin()
                .lock()
                .read_line(&mut line)
                .expect("a line");
        })
        .await
        .expect("no panic");
        Some(subject)
    }

    fn say(&self, what: &str) {
        let grown = status("VmHWM").saturating_sub(self.baseline);
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n{MARK} {what} {grown} {}", self.bound).expect("a parent");
    }

    /// Looks at the account until it is aborted, and gives the most that ever waited.
    async fn audit(client: Client, most: std::rc::Rc<std::cell::Cell<usize>>) {
        loop {
            let memory = client.memory().await;
            within_bounds(&memory);
            let waiting: usize = memory.links.iter().map(|link| link.waiting).sum();
            most.set(most.get().max(waiting));
            tokio::task::yield_now().await;
        }
    }

    /// Nothing is held any more.
    async fn empty(&self) {
        let mut wait = Wait::up_to(SOON, "an empty account");
        loop {
            let memory = self.client.memory().await;
            if memory.total == 0 {
                return;
            }
            wait.again(memory).await.expect("empty");
        }
    }
}

fn within_bounds(memory: &Memory) {
    for link in &memory.links {
        assert!(link.waiting <= WAITING, "{memory}");
        assert!(link.in_flight <= IN_FLIGHT, "{memory}");
        assert!(link.write_buffer <= WRITE, "{memory}");
        assert!(link.read_buffer <= REPLY_BYTES, "{memory}");
    }
    let rest = [memory.unplaced, memory.put_off, memory.handed_back];
    assert!(rest.iter().all(|held| *held <= WAITING), "{memory}");
}

#[actix::test]
#[ignore = "started by other tests, in a process of its own"]
async fn calls_at_full_speed() {
    let Some(subject) = Subject::ready(WAITING + IN_FLIGHT + WRITE).await else {
        return;
    };
    let most = std::rc::Rc::default();
    let audit = spawn_local(Subject::audit(
        subject.client.clone(),
        std::rc::Rc::clone(&most),
    ));
    let refused = std::rc::Rc::new(std::cell::Cell::new(0_u32));
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (client, refused) = (subject.client.clone(), std::rc::Rc::clone(&refused));
            spawn_local(async move {
                while refused.get() < 20_000 {
                    let push = || cmd("RPUSH").arg("l").arg(vec![b'x'; VALUE]);
                    let calls = (0..CALLS).map(|_| client.query::<u64>(push()));
                    for error in join_all(calls)
                        .await
                        .into_iter()
                        .filter_map(|answer| answer.err())
                    {
                        let full = matches!(error.kind(), ErrorKind::QueueFull { .. });
                        assert!(full, "{error:?}");
                        assert_eq!(error.outcome(), Outcome::NotSent);
                        refused.set(refused.get() + 1);
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let mut wait = Wait::up_to(3 * SOON, "20,000 refused calls");
    while refused.get() < 20_000 {
        assert!(!audit.is_finished(), "beyond a bound");
        wait.again(refused.get()).await.expect("refused");
    }
    subject.say("full");
    for task in tasks {
        task.await.expect("no panic");
    }
    subject.empty().await;
    audit.abort();
    assert!(
        audit.await.is_err_and(|end| end.is_cancelled()),
        "beyond a bound"
    );
    assert!(most.get() > WAITING - 2 * VALUE, "{} waited", most.get());
    subject.say("empty");
}

#[actix::test]
#[ignore = "started by other tests, in a process of its own"]
async fn reads_what_comes() {
    let Some(subject) = Subject::ready(REPLY_BYTES + READ).await else {
        return;
    };
    let audit = spawn_local(Subject::audit(subject.client.clone(), Default::default()));
    for _ in 0..ROUNDS {
        let calls = (0..TASKS).map(|_| subject.client.call(cmd("INCR").arg("n")));
        for answer in join_all(calls).await {
            let error = answer.expect_err("no reply");
            assert!(matches!(error.kind(), ErrorKind::Lost(_)), "{error:?}");
            assert_eq!(error.outcome(), Outcome::Unknown);
        }
        subject.client.ready(SOON).await.expect("again");
        // The audit looks at an account without calls, too.
        tokio::task::yield_now().await;
    }
    subject.empty().await;
    audit.abort();
    assert!(
        audit.await.is_err_and(|end| end.is_cancelled()),
        "beyond a bound"
    );
    subject.say("empty");
}
