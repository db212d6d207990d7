//! A child process that cannot outlive the process that started it, however that one dies.
//!
//! `prctl(PR_SET_PDEATHSIG)` would need `unsafe` code. Instead a small shell starts the program
//! and then reads a pipe whose write end only this process holds. When this process ends, also by
//! `kill -9`, the kernel closes the pipe, and the shell kills the program and removes its folder.
//! The shell waits for (reaps) the program only after that, so the program's pid cannot be given to
//! a stranger as long as this value may send signals to it.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::waiting::{Failure, Result, Wait};

/// `$1` is the folder, the rest is the program with its arguments. The first line on the shell's
/// output is the program's pid, told by the process that then becomes the program, so that nothing
/// of its own comes before; the program keeps that output open, so that its end tells that the
/// program is gone. `keep` keeps the folder.
///
/// HUP is ignored: when this process dies while the program stands still, the kernel sends it to
/// the shell's process group, which has lost its last tie to the session (an orphaned process
/// group with a stopped member). It would end the shell before its work is done.
const SHELL: &str = r#"
trap '' HUP
folder=$1
shift
sh -c 'echo "$$"; exec "$@"' sh "$@" </dev/null 2>>"$folder/stderr.log" &
pid=$!
exec >&-
read -r order || order=
kill -9 "$pid" 2>/dev/null
wait "$pid" 2>/dev/null
[ "$order" = keep ] || rm -rf -- "$folder"
"#;

const EXIT_LIMIT: Duration = Duration::from_secs(10);

/// A running program under its shell. Dropping it kills the program and removes its folder.
#[derive(Debug)]
pub struct Supervised {
    shell: Child,
    /// `None` once the shell has been told to end.
    order: Option<ChildStdin>,
    pid: Pid,
    paused: bool,
    exited: watch::Receiver<bool>,
}

impl Supervised {
    /// Starts `program` with its files in `folder`. What it prints as errors goes to `stderr.log`
    /// there; what it prints otherwise is dropped.
    ///
    /// # Errors
    /// No shell, or no further process.
    pub fn start<A: AsRef<OsStr>>(folder: &Path, program: &str, args: &[A]) -> Result<Self> {
        let mut shell = Command::new("sh")
            .args(["-c", SHELL, "sh"])
            .arg(folder)
            .arg(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C must reach only this process; the pipe does the rest.
            .process_group(0)
            .spawn()?;
        let order = shell.stdin.take();
        let mut output = BufReader::new(shell.stdout.take().expect("the output is piped"));
        let mut line = String::new();
        output.read_line(&mut line)?;
        let pid = line
            .trim()
            .parse()
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(|| Failure::new(format!("the shell named no pid: {line:?}")))?;
        Ok(Self {
            shell,
            order,
            pid,
            paused: false,
            exited: watch_for_end(output),
        })
    }

    /// The pid of the program itself.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Whether the program has ended, by itself or by a signal.
    pub fn has_exited(&self) -> bool {
        *self.exited.borrow()
    }

    /// Whether [`Supervised::pause`] was the last word.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// A receiver that turns true when the program ends.
    pub fn exited(&self) -> watch::Receiver<bool> {
        self.exited.clone()
    }

    /// SIGSTOP: the program stands still; the kernel goes on to accept connections for it.
    ///
    /// A thread that runs just then goes on to its next step into the kernel, and may answer until
    /// it does: this returns when all of them stand.
    ///
    /// # Errors
    /// The signal cannot be sent, or some thread runs for a second more.
    pub fn pause(&mut self) -> Result<()> {
        self.signal(Signal::STOP)?;
        self.paused = true;
        let began = Instant::now();
        while !self.stands_still() {
            if began.elapsed() > Duration::from_secs(1) {
                return Err(Failure::new("a stopped program goes on"));
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    /// Whether each of its threads is stopped or has ended, as Linux tells; elsewhere nobody knows.
    fn stands_still(&self) -> bool {
        let pid = self.pid.as_raw_nonzero();
        let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
            return true;
        };
        threads.flatten().all(|thread| {
            // The state stands behind the name, which is in parentheses and may hold any sign.
            let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ")
                .is_none_or(|(_, rest)| rest.starts_with(['T', 'Z', 'X']))
        })
    }

    /// SIGCONT.
    ///
    /// # Errors
    /// The signal cannot be sent.
    pub fn resume(&mut self) -> Result<()> {
        self.signal(Signal::CONT)?;
        self.paused = false;
        Ok(())
    }

    /// SIGTERM: asks the program to end in its own manner. A paused one is resumed first.
    ///
    /// # Errors
    /// The signal cannot be sent.
    pub fn terminate(&mut self) -> Result<()> {
        if self.paused {
            self.resume()?;
        }
        self.signal(Signal::TERM)
    }

    /// SIGKILL, which also ends a paused program.
    ///
    /// # Errors
    /// The signal cannot be sent.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL)
    }

    /// Waits until the program and its shell are gone, and keeps the folder.
    ///
    /// # Errors
    /// The program, not told to end or not obeying, still runs after 10 s; it is killed then.
    pub async fn gone(mut self) -> Result<()> {
        let ended = timeout(EXIT_LIMIT, self.exited.wait_for(|gone| *gone))
            .await
            .is_ok();
        if let Some(mut order) = self.order.take() {
            // It fails only when the shell is gone already, which is what is wanted.
            let _ = order.write_all(b"keep\n");
        }
        let mut wait = Wait::up_to(EXIT_LIMIT, format!("the shell of process {}", self.pid()));
        while self.shell.try_wait()?.is_none() {
            wait.again("it still runs").await?;
        }
        if ended {
            Ok(())
        } else {
            Err(Failure::new("the program did not end by itself in 10 s"))
        }
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(self.pid, signal).map_err(|error| Failure::from(io::Error::from(error)))
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // Closing the pipe is the order to kill; SIGKILL needs no SIGCONT before it.
        drop(self.order.take());
        // A few milliseconds; an error means that it was waited for before.
        let _ = self.shell.wait();
    }
}

/// The last lines of a log, for the text of a failure; nothing if there is no such file.
pub fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// Turns true when `output`, which the program holds open, ends.
fn watch_for_end(mut output: impl Read + Send + 'static) -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    std::thread::spawn(move || {
        // An unreadable pipe ends the wait just as its end does.
        let _ = io::copy(&mut output, &mut io::sink());
        let _ = sender.send(true);
    });
    receiver
}
