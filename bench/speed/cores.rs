//! Which processor core runs what: [`Cores`]. Left to the scheduler, a client and its server share a
//! core in one run and not in the next, and a core that sleeps takes tens of microseconds to
//! wake: both move a figure more than the client does.

use std::io::Read;
use std::process::{Child, Command, Stdio};

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::failure;
use crate::screen::Screen;
use crate::stage::Threads;
use crate::support::waiting::Result;
use crate::workload::Workload;

/// The cores that this program may use.
pub(crate) struct Cores {
    all: Vec<usize>,
    /// A process for each that never lets it sleep.
    awake: Vec<Child>,
}

impl Cores {
    /// Keeps them awake until it is dropped: by processes that run only while nobody else wants
    /// the core (Linux' `SCHED_IDLE`, set by `chrt` of util-linux). Without `chrt` they may sleep.
    ///
    /// # Errors
    /// The system does not tell which they are.
    pub(crate) fn awake(screen: &Screen) -> Result<Self> {
        let set = sched_getaffinity(None).map_err(failure)?;
        let all: Vec<usize> = (0..CpuSet::MAX_CPU)
            .filter(|core| set.is_set(*core))
            .collect();
        let program = std::env::current_exe()?;
        let watch = |core: &usize| {
            Command::new("chrt")
                .args(["--idle", "0"])
                .arg(&program)
                .args(["awake", &core.to_string()])
                .stdin(Stdio::piped())
                .spawn()
        };
        let awake: std::io::Result<Vec<Child>> = all.iter().map(watch).collect();
        let awake = awake.unwrap_or_else(|error| {
            screen.line(format!("cores may sleep: chrt: {error}"));
            Vec::new()
        });
        Ok(Self { all, awake })
    }

    /// Whether they cannot sleep.
    pub(crate) fn are_awake(&self) -> bool {
        !self.awake.is_empty()
    }

    /// Those of the client, and those of the servers: one each, if the client has one thread and
    /// there is one server; else all of them for everybody.
    ///
    /// A lone caller and its server never work at the same time: they share a core. On two, each call
    /// waits twice for one core to wake the other, 60 µs on a virtual machine, beside which no
    /// client differs from another.
    pub(crate) fn of(&self, workload: &Workload) -> (&[usize], &[usize]) {
        let alone = workload.threads == Threads::One && !workload.cluster;
        match &self.all[..] {
            [core, ..] if alone && workload.is_lone() => {
                (std::slice::from_ref(core), std::slice::from_ref(core))
            }
            [client, .., server] if alone => {
                (std::slice::from_ref(client), std::slice::from_ref(server))
            }
            all => (all, all),
        }
    }
}

impl Drop for Cores {
    fn drop(&mut self) {
        for mut child in self.awake.drain(..) {
            // Its input ends, and so does it.
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}

/// Where the main threads of these processes run: there a Redis server executes commands.
///
/// # Errors
/// One of them has ended.
pub(crate) fn keep(pids: &[u32], cores: &[usize]) -> Result<()> {
    for pid in pids {
        let pid = i32::try_from(*pid).ok().and_then(Pid::from_raw);
        sched_setaffinity(pid, &set_of(cores)).map_err(failure)?;
    }
    Ok(())
}

/// Where this thread runs, and all that it starts.
///
/// # Errors
/// There is no such core.
pub(crate) fn stay(cores: &[usize]) -> Result<()> {
    sched_setaffinity(None, &set_of(cores)).map_err(failure)
}

fn set_of(cores: &[usize]) -> CpuSet {
    let mut set = CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    set
}

/// Be the process that keeps a core awake, until its standard input ends.
///
/// # Errors
/// There is no such core.
pub(crate) fn keep_awake(core: usize) -> Result<()> {
    stay(&[core])?;
    std::thread::spawn(|| {
        loop {
            std::hint::spin_loop();
        }
    });
    let mut input = Vec::new();
    // However it ends, it is over; the thread ends with the process.
    let _ = std::io::stdin().read_to_end(&mut input);
    Ok(())
}
