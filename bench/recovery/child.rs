//! The process of a client, seen from outside: [`Child`].

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child as Process, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::program::ordered;
use crate::record::{Call, Record};
use crate::subject::{Counted, Order};
use crate::support::waiting::{Failure, Result};

const START_LIMIT: Duration = Duration::from_secs(20);

/// Dropping it kills the process.
pub(crate) struct Child {
    process: Process,
    /// Its end tells the process that it is over.
    input: Option<ChildStdin>,
    lines: mpsc::UnboundedReceiver<String>,
    record: Record,
    /// How long the process may take to end.
    rest: Duration,
}

impl Child {
    /// Starts a client and waits until it is connected.
    ///
    /// # Errors
    /// It is not within 20 s.
    pub(crate) async fn start(order: &Order) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(ordered("subject", order)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let output = process.stdout.take();
        let output = output.ok_or_else(|| Failure::new("the output is not piped"))?;
        let (sender, lines) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut output = BufReader::new(output).lines();
            while let Ok(Some(line)) = output.next_line().await {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut child = Self {
            input: process.stdin.take(),
            process,
            lines,
            record: Record::default(),
            rest: order.target.timeout.unwrap_or_default() + Duration::from_secs(5),
        };
        let line = child.line_until(Instant::now() + START_LIMIT).await;
        match line.as_deref() {
            Some("ready") => Ok(child),
            Some(line) => Err(Failure::new(line)),
            None => Err(Failure::new("it did not connect")),
        }
    }

    /// # Errors
    /// The process has ended.
    pub(crate) fn pid(&self) -> Result<u32> {
        let pid = self.process.id();
        pid.ok_or_else(|| Failure::new("the client's process has ended"))
    }

    /// Looks on for so long.
    pub(crate) async fn watch(&mut self, time: Duration) {
        self.watch_until(time, |_| false).await;
    }

    /// Looks on until the record is like that, or so long; tells whether it is.
    pub(crate) async fn watch_until(
        &mut self,
        limit: Duration,
        holds: impl Fn(&Record) -> bool,
    ) -> bool {
        let until = Instant::now() + limit;
        while !holds(&self.record) {
            match self.line_until(until).await {
                Some(line) => self.note(&line),
                None => {
                    // Also when the process has ended: the time is the caller's.
                    tokio::time::sleep_until(until).await;
                    return holds(&self.record);
                }
            }
        }
        true
    }

    /// Tells the process that it is over, and waits for what it counted. None: it did not end, and
    /// was killed.
    pub(crate) async fn finish(mut self) -> (Record, Option<Counted>) {
        drop(self.input.take());
        let until = Instant::now() + self.rest;
        let mut counted = None;
        while let Some(line) = self.line_until(until).await {
            match line.strip_prefix("end ") {
                Some(end) => {
                    counted = serde_json::from_str(end).ok();
                    break;
                }
                None => self.note(&line),
            }
        }
        // It has said all; not all runtimes end by themselves.
        let _ = self.process.kill().await;
        (self.record, counted)
    }

    fn note(&mut self, line: &str) {
        if let Some(call) = Call::parse(line) {
            self.record.push(call);
        }
    }

    /// None: it is late, or there are no more.
    async fn line_until(&mut self, until: Instant) -> Option<String> {
        timeout_at(until, self.lines.recv()).await.ok().flatten()
    }
}
